"""Whatever people hold, sync and async, of both wires: the same events as ours, the same endings, the same errors."""

import gzip
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from headrace import (
    AuthenticationError,
    PartDelta,
    ProviderError,
    RateLimitError,
    TruncatedError,
    UnexpectedResponseError,
    UsageError,
)
from tests.adopt.holding import KINDS, RESPONSES, each_wire, read_held, read_source
from tests.faces import KEY, Face, ask, read
from tests.servers import CLOSE, LAST, RESET, Script, Server, chunked, head, whole
from tests.wire.streams import (
    DONE,
    STOP,
    block,
    block_delta,
    block_start,
    choice,
    chunk,
    message_delta,
    message_start,
    messages,
    say,
    sse,
    usage,
)

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

TEXT = "Grüße, 日本語 and \U0001f600."
WHOLE: dict[str, bytes] = {
    "openai-chat": sse(say(""), say(TEXT[:5]), say(TEXT[5:]), chunk(choice(finish="stop")), chunk(usage=usage()), DONE),
    "anthropic": messages(message_start(), {"type": "ping"}, *block(0, TEXT), message_delta(), STOP),
}
BEGUN: dict[str, bytes] = {
    "openai-chat": sse(say("Hel")),
    "anthropic": messages(message_start(), block_start(0, text=""), block_delta(0, text="Hel")),
}
NAME = {"openai-chat": "openai", "anthropic": "anthropic"}


@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_a_whole_answer(face: Face, kind: str, wire: str, serve: Serve) -> None:
    server = serve(whole(WHOLE[wire]))
    reading = read_held(face, kind, server)
    assert reading.error is None
    assert (reading.message.outcome, reading.message.text, reading.message.warnings) == ("complete", TEXT, ())
    mine = read(face, **ask(server, NAME[wire]))
    # ours say who the provider is; of a bare address nobody knows
    [start, *rest], [my_start, *my_rest] = reading.events, mine.events
    assert rest == my_rest
    assert (start.id, start.model, start.provider) == (my_start.id, my_start.model, None)  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_cut_into_small_pieces(face: Face, kind: str, wire: str, size: int, serve: Serve) -> None:
    server = serve([head(), chunked(WHOLE[wire], size), LAST])
    reading = read_held(face, kind, server)
    assert (reading.error, reading.message.outcome, reading.message.text) == (None, "complete", TEXT)


ENDS: dict[str, Script] = {"closed": [LAST], "vanished": [CLOSE], "reset": [RESET]}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_a_broken_answer_is_truncated(face: Face, kind: str, wire: str, end: str, serve: Serve) -> None:
    server = serve([head() + chunked(BEGUN[wire]), *ENDS[end]])
    reading = read_held(face, kind, server)
    assert isinstance(reading.error, TruncatedError)
    assert reading.message.outcome == "truncated"
    if end != "reset":  # a reset may take with it what had arrived
        assert reading.message.text == "Hel"
    if end == "vanished":
        assert reading.error.__cause__ is not None  # what the library below had said


@pytest.mark.parametrize(("face", "kind"), RESPONSES)
def test_a_refusal(face: Face, kind: str, serve: Serve) -> None:
    body = b'{"error": {"message": "slow down, %b", "type": "rate_limit_error"}}' % KEY.encode()
    answer = head(429, "application/json", "retry-after: 7", "x-request-id: req-1", framing=str(len(body)))
    reading = read_held(face, kind, serve([answer + body]))
    error: Any = reading.error
    assert isinstance(error, RateLimitError)
    assert (error.status, error.retry_after_s, error.request_id) == (429, 7.0, "req-1")
    assert "slow down" in str(error)
    if kind == "httpx":  # whose request says which key it was
        assert KEY not in str(error)


@pytest.mark.parametrize(("face", "kind"), RESPONSES)
def test_a_refusal_without_a_body(face: Face, kind: str, serve: Serve) -> None:
    reading = read_held(face, kind, serve([head(401, framing="0")]))
    assert isinstance(reading.error, AuthenticationError)


@pytest.mark.parametrize(("face", "kind"), RESPONSES)
def test_a_page(face: Face, kind: str, serve: Serve) -> None:
    reading = read_held(face, kind, serve(whole(b"<html>Hello</html>", kind="text/html")))
    assert isinstance(reading.error, UnexpectedResponseError)


@pytest.mark.parametrize(("face", "kind"), RESPONSES)
@pytest.mark.parametrize("wire", ["openai-chat", "anthropic"])
def test_a_document(face: Face, kind: str, wire: str, serve: Serve) -> None:
    bodies = {
        "openai-chat": b'{"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", '
        b'"message": {"role": "assistant", "content": "Hello"}}]}',
        "anthropic": b'{"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", '
        b'"content": [{"type": "text", "text": "Hello"}]}',
    }
    reading = read_held(face, kind, serve(whole(bodies[wire], kind="application/json")))
    assert (reading.error, reading.message.text, reading.message.outcome) == (None, "Hello", "complete")


@pytest.mark.parametrize(("face", "kind"), RESPONSES)
def test_a_compressed_answer(face: Face, kind: str, serve: Serve) -> None:
    server = serve(whole(gzip.compress(WHOLE["openai-chat"]), "content-encoding: gzip"))
    reading = read_held(face, kind, server)
    if kind == "http.client":  # which decodes nothing
        assert isinstance(reading.error, UsageError)
        assert "accept-encoding: identity" in str(reading.error)
        return
    assert (reading.error, reading.message.text) == (None, TEXT)


@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_an_error_inside_the_stream(face: Face, kind: str, wire: str, serve: Serve) -> None:
    if wire == "anthropic":
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        body = BEGUN[wire] + messages(error)
    else:
        body = BEGUN[wire] + sse({"error": {"message": "Overloaded", "type": "overloaded_error"}})
    reading = read_held(face, kind, serve(whole(body)))
    assert isinstance(reading.error, ProviderError)
    assert reading.error.code == "overloaded_error"
    assert reading.message.outcome == "failed"
    assert reading.text == "Hel"


@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_conditions_hold(face: Face, kind: str, wire: str, serve: Serve) -> None:
    server = serve(whole(WHOLE[wire]))
    reading = read_held(face, kind, server, until="日本")
    assert (reading.error, reading.message.outcome) == (None, "stopped")
    assert reading.text == reading.message.text == TEXT[: TEXT.index("語")]


@pytest.mark.parametrize(("face", "kind", "wire"), each_wire(KINDS))
def test_the_provider_is_said_where_it_is_known(face: Face, kind: str, wire: str, serve: Serve) -> None:
    reading = read_held(face, kind, serve(whole(WHOLE[wire])), provider=NAME[wire])
    assert reading.events[0].provider == NAME[wire]  # type: ignore[union-attr]
    assert [e for e in reading.events if isinstance(e, PartDelta)]


def test_the_provider_is_known_by_its_address() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=Body([WHOLE["openai-chat"]]))

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        for url, name in (("https://api.groq.com/openai/v1/chat/completions", "groq"), ("https://example.org/", None)):
            request = client.build_request("POST", url)
            reading = read_source("sync", client.send(request, stream=True))
            assert reading.events[0].provider == name  # type: ignore[union-attr]


class Body(httpx2.SyncByteStream):
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Any:
        return iter(self.pieces)
