"""What goes wrong before the body."""

import json
from email.utils import parsedate_to_datetime

import pytest

from headrace.errors import ErrorInfo
from headrace.sim.dice import Dice
from headrace.sim.faults.parse import parse_fault
from headrace.sim.faults.spoil import spoil_document
from headrace.sim.play import Act, Head, Piece
from headrace.wire.failures import error_from_response
from headrace.wire.providers import WireName
from tests.sim.faults.spoiling import HEAD, TEXT, WIRES, Seen, looked, plain, seen

every_wire = pytest.mark.parametrize("wire", WIRES)


def failure(play: Seen) -> ErrorInfo:
    assert play.head is not None
    return error_from_response(play.head.status, dict(play.head.headers), play.body)


@every_wire
@pytest.mark.parametrize(
    ("fault", "act"),
    [
        ("refuse", Act(0.5, "refuse", seconds=1.0)),
        ("refuse:2.5", Act(0.5, "refuse", seconds=2.5)),
        ("refuse:0", Act(0.5, "refuse", seconds=0.0)),
        ("drop", Act(0.5, "reset")),
        ("drop@time:3", Act(3.0, "reset")),
        ("hangup", Act(0.5, "close")),
        ("hang", Act(0.5, "stall")),
    ],
)
def test_no_answer(wire: WireName, fault: str, act: Act) -> None:
    play = seen(wire, fault, "crlf", "reset@token:3")  # what comes later comes never
    assert play.head is None
    assert play.steps == [act]


@every_wire
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, "authentication"),
        (403, "permission_denied"),
        (404, "not_found"),
        (408, "invalid_request"),
        (409, "invalid_request"),
        (413, "invalid_request"),
        (418, "invalid_request"),
        (429, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (504, "server"),
        (529, "overloaded"),
    ],
)
def test_refusals(wire: WireName, code: int, kind: str) -> None:
    play = seen(wire, f"status:{code}")
    assert play.head
    assert play.head.status == code
    assert play.head.framing == "length"
    assert dict(play.head.headers)["content-type"] == "application/json"
    assert (play.outcome, play.error, play.status, play.text) == ("failed", kind, code, "")
    body = json.loads(play.body)
    assert body["error"]["message"]
    assert (body.get("type") == "error") is (wire == "anthropic")


@every_wire
def test_a_time_to_wait(wire: WireName) -> None:
    assert failure(seen(wire, "status:429:2")).retry_after_s == 2
    assert failure(seen(wire, "status:429:0.25")).retry_after_s == 0.25
    assert failure(seen(wire, "status:429")).retry_after_s is None
    assert failure(seen(wire, "status:429:date")).retry_after_s == 3
    play = seen(wire, "status:503:date:60")
    assert play.head
    assert failure(play).retry_after_s == 60
    assert parsedate_to_datetime(dict(play.head.headers)["retry-after"])
    dated = Head(headers=(("date", "Tue, 01 Jul 2025 00:00:00 GMT"),))
    play = seen(wire, "status:503:date:60", head=dated)
    assert play.head
    assert dict(play.head.headers)["retry-after"] == "Tue, 01 Jul 2025 00:01:00 GMT"


def test_a_refusal_at_its_time() -> None:
    play = seen("openai-chat", "status:500@time:2.5")
    assert play.head
    assert play.head.at_s == 2.5
    assert play.steps == [Piece(2.5, play.body)]


@every_wire
def test_pages(wire: WireName) -> None:
    play = seen(wire, "html")
    assert (play.outcome, play.error, play.status) == ("failed", "server", 502)
    assert b"502 Bad Gateway" in play.body
    play = seen(wire, "html:200")
    assert (play.outcome, play.error, play.status) == ("failed", "unexpected_response", 200)
    assert b"Error 418" in seen(wire, "html:418").body


@every_wire
def test_an_empty_body(wire: WireName) -> None:
    play = seen(wire, "empty")
    assert play.head == HEAD
    assert play.steps == []
    assert play.outcome == "truncated"


@every_wire
def test_a_prompt_that_is_too_long(wire: WireName) -> None:
    play = seen(wire, "prompt-too-long")
    assert (play.outcome, play.error, play.status) == ("failed", "invalid_request", 400)
    body = json.loads(play.body)
    if wire == "anthropic":
        assert body["request_id"] == "req_1"
        assert "too long" in body["error"]["message"]
        assert "request_id" not in json.loads(seen(wire, "prompt-too-long", head=Head()).body)
    else:
        assert body["error"]["code"] == "context_length_exceeded"


def test_a_prompt_that_is_too_long_for_some() -> None:
    play = seen("openai-chat", "prompt-too-long", dialect="gpustack")
    assert play.head
    assert (play.head.status, play.steps) == (200, [])


@every_wire
def test_another_content_type(wire: WireName) -> None:
    play = seen(wire, "content-type:text/plain")
    assert play.head
    assert [value for name, value in play.head.headers if name == "content-type"] == ["text/plain"]
    assert play.body == plain(wire)
    assert play.text == TEXT


@every_wire
def test_slow_headers(wire: WireName) -> None:
    play = seen(wire, "slow-headers:10", "status:500")
    assert play.head
    written = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 999\r\n\r\n"
    written += "".join(f"{name}: {value}\r\n" for name, value in play.head.headers)
    assert play.head.drip_s * len(written) == pytest.approx(10, rel=0.2)


@every_wire
def test_a_refusal_that_breaks_off(wire: WireName) -> None:
    whole = seen(wire, "status:500").body
    play = seen(wire, "status:500", "reset")
    assert play.head
    assert play.head.framing == "chunked"  # by length, it would be gathered first
    assert len(whole) / 3 - 1 <= len(play.body) <= len(whole) * 2 / 3 + 1
    assert whole.startswith(play.body)
    assert play.acts == [Act(0.5, "reset")]
    assert play.error == "server"
    assert seen(wire, "empty", "reset").steps == [Act(0.5, "reset")]


# -- answers that are one document


def document(wire: WireName, *faults: str, body: bytes = b'{"choices":[],"content":"Gr\xc3\xbc\xc3\x9fe"}') -> Seen:
    head = Head(headers=(("content-type", "application/json"),), framing="length")
    asked = [parse_fault(fault) for fault in faults]
    play = spoil_document(head, body, at_s=2.0, tokens=9, wire=wire, faults=asked, dice=Dice(1, "x"))
    return looked(wire, *play)


@every_wire
def test_documents(wire: WireName) -> None:
    good = document(wire)
    assert good.steps == [Piece(2.0, good.body, 9)]
    assert good.head
    assert good.head.framing == "length"
    assert document(wire, "usage:none", "double-finish", "crlf").body == good.body  # what only frames have
    assert document(wire, "malformed").body == good.body[: len(good.body) // 2]
    assert document(wire, "bad-utf8").body == good.body.replace(b'":"', b'":"\xff')
    assert document(wire, "bad-utf8", body=b"{}").body == b"{}"
    assert document(wire, "escapes").body == good.body.replace("üß".encode(), b"\\u00fc\\u00df")
    assert document(wire, "bom").body == b"\xef\xbb\xbf" + good.body
    assert document(wire, "status:404").status == 404
    assert document(wire, "drop").head is None
    cut = document(wire, "eof")
    assert cut.head
    assert cut.head.framing == "chunked"
    assert good.body.startswith(cut.body)
    assert 0 < len(cut.body) < len(good.body)
    assert document(wire, "drip:0.5").steps[-1] == Piece(2.0 + 0.5 * (len(good.body) - 1), b"}", 9, True)
    assert document(wire, "reset", body=b"").steps == [Act(0.0, "reset")]
