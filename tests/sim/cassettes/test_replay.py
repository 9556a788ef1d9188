"""Cassettes as a source: which is played, when what comes, how it ends, and what is said when none fits."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.sim.cassettes.cassette import CassetteError, RecordedHead
from headrace.sim.cassettes.replay import CassetteSource, speed_of
from headrace.sim.play import Act, Call, Head, Piece, Play
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.simulator import Simulator
from tests.sim.cassettes.recording import SSE, Client, chat, post, write_cassette

CHUNKS = ((1.0, b"data: 1\n\n"), (1.25, b"data: \xc3"), (3.0, b"\xa4\n\n"))


def ask(source: CassetteSource, body: Any = None, path: str = "/v1/chat/completions", method: str = "POST") -> Play:
    data = b"" if body is None else json.dumps(body).encode()
    return source.play(Call(method=method, path=path, body=data))


@pytest.mark.parametrize(("pace", "speed"), [("original", 1.0), (1, 1.0), (0.5, 0.5), ("4", 4.0)])
def test_times_are_those_of_the_recording_scaled(tmp_path: Path, pace: Any, speed: float) -> None:
    write_cassette(tmp_path, 1, chat(), CHUNKS)
    play = ask(CassetteSource(tmp_path, pace=pace), chat())
    assert play.head == Head(at_s=0.5 / speed, headers=SSE)
    steps = [Piece(at_s / speed, data, alone=True) for at_s, data in CHUNKS]
    assert list(play.steps) == [*steps, Act(9.0 / speed, "eof")]


def test_at_once(tmp_path: Path) -> None:
    write_cassette(tmp_path, 1, chat(), CHUNKS)
    play = ask(CassetteSource(tmp_path), chat())
    assert [step.at_s for step in play.steps] == [0.0] * 4


@pytest.mark.parametrize("pace", ["slow", 0, -1, float("nan"), float("inf"), "inf"])
def test_no_pace(tmp_path: Path, pace: Any) -> None:
    with pytest.raises(UsageError, match="the pace is original, max, or a number over 0"):
        speed_of(pace)


def test_no_matching(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="match is strict or best, not 'worst'"):
        CassetteSource(tmp_path, match="worst")  # type: ignore[arg-type]


def test_no_cassettes(tmp_path: Path) -> None:
    with pytest.raises(CassetteError):
        CassetteSource(tmp_path)


@pytest.mark.parametrize(
    ("recorded", "played"),
    [("end", "eof"), ("close", "close"), ("reset", "reset"), ("client_left", "close"), (None, "close")],
)
@pytest.mark.parametrize("with_head", [True, False])
def test_it_ends_as_it_did(tmp_path: Path, recorded: Any, played: str, with_head: bool) -> None:
    if recorded == "end" and not with_head:
        return
    head = RecordedHead(at_s=0.5, status=200) if with_head else None
    write_cassette(tmp_path, 1, chat(), head=head, end=recorded and (2.0, recorded))
    play = ask(CassetteSource(tmp_path, pace="original"), chat())
    assert (play.head is not None) == with_head
    assert list(play.steps) == [Act(2.0 if recorded else 0.5 * with_head, played)]  # type: ignore[arg-type]


def test_what_is_told_of_it(tmp_path: Path) -> None:
    name = write_cassette(tmp_path, 1, chat(), ((1.0, b""), (1.0, b"x")))
    source = CassetteSource(tmp_path)
    play = ask(source, chat())
    assert (play.wire, play.model, play.label, play.details) == ("openai-chat", "m", name, {"cassette": name})
    assert [step for step in play.steps if isinstance(step, Piece)] == [Piece(0.0, b"x", alone=True)]
    nearest = ask(source, chat("Ho"))
    assert nearest.details == {"cassette": name, "points": 115.5}


def test_headers_that_were_scrubbed_are_not_sent(tmp_path: Path) -> None:
    headers = (("set-cookie", "[redacted]"), ("x-request-id", "req_1"))
    head = RecordedHead(at_s=0.5, status=429, headers=headers, framing="length")
    write_cassette(tmp_path, 1, chat(), head=head)
    play = ask(CassetteSource(tmp_path), chat())
    assert play.head == Head(status=429, headers=headers[1:], framing="length")


def labels(source: CassetteSource, *bodies: Any) -> list[str]:
    return [ask(source, body).label[:4] for body in bodies]


@pytest.mark.parametrize("match", ["strict", "best"])
def test_several_that_fit_come_in_order_and_then_the_last_again(tmp_path: Path, match: Any) -> None:
    for number, text in enumerate(["Hi", "Ho", "Hi", "Hi"], start=1):
        write_cassette(tmp_path, number, chat(text))
    source = CassetteSource(tmp_path, match=match)
    hi, ho = chat("Hi"), chat("Ho")
    assert labels(source, hi, ho, hi, hi, hi, ho) == ["0001", "0002", "0003", "0004", "0004", "0002"]


def test_the_nearest(tmp_path: Path) -> None:
    write_cassette(tmp_path, 1, chat("Tell me a joke about the sea"))
    write_cassette(tmp_path, 2, chat("What is the capital of France?"))
    write_cassette(tmp_path, 3, chat("What is the capital of France?", stream=False))
    write_cassette(tmp_path, 4, chat("What is the capital of France?", model="other"))
    write_cassette(tmp_path, 5, chat("Tell me a joke"), path="/v1/messages")
    source = CassetteSource(tmp_path)
    asked = [
        chat("A joke about the sea"),
        chat("What's the capital of Spain?"),
        chat("A joke about the sea", stream=False),
        chat("A joke about the sea", model="other"),
        chat("What is the capital of France?"),
    ]
    assert labels(source, *asked) == ["0001", "0002", "0003", "0004", "0002"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/chat/completions", "/mine/chat/completions"])
def test_the_prefix_of_the_path_is_nothing(tmp_path: Path, path: str) -> None:
    name = write_cassette(tmp_path, 1, chat(), provider="mine")
    assert ask(CassetteSource(tmp_path, match="strict"), chat(), path).label == name


def refused(play: Play) -> Any:
    (piece,) = play.steps
    assert isinstance(piece, Piece)
    assert play.head == Head(status=404, headers=(("content-type", "application/json"),), framing="length")
    assert play.label == "no cassette"
    return json.loads(piece.data)


def test_none_fits(tmp_path: Path) -> None:
    write_cassette(tmp_path, 1, chat("Tell me a joke"))
    name = write_cassette(tmp_path, 2, chat("Hello\nthere"))
    error = refused(ask(CassetteSource(tmp_path, match="strict"), chat("Hello\nhere" + "x" * 100)))["error"]
    assert error["code"] == "no_cassette"
    assert error["message"] == (
        f"no cassette answers POST /v1/chat/completions. The nearest is {name}: messages[0].content was "
        f'"Hello\\nthere", and is "Hello\\nhere{"x" * 48}…. There are: 0001-x.jsonl, {name}'
    )


def test_never_another_wire(tmp_path: Path) -> None:
    for number in range(1, 15):
        write_cassette(tmp_path, number, chat())
    source = CassetteSource(tmp_path)
    said = refused(ask(source, chat(), "/v1/messages"))
    assert said["type"] == "error"
    assert said["error"]["type"] == "not_found_error"
    assert 'it asked /v1/chat/completions, and this asks "/v1/messages"' in said["error"]["message"]
    assert said["error"]["message"].endswith("0010-x.jsonl and 4 more")
    assert "error" in refused(ask(source, None, "/v1/models", "GET"))


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"[" * 900 + b"]" * 900, b"null", b'{"messages": [1]}'])
def test_whatever_is_asked_it_raises_nothing(tmp_path: Path, body: bytes) -> None:
    write_cassette(tmp_path, 1, chat())
    for match in ("strict", "best"):
        CassetteSource(tmp_path, match=match).play(Call(body=body))  # type: ignore[arg-type]


def test_on_sockets_each_chunk_comes_alone_and_at_its_time(tmp_path: Path) -> None:
    write_cassette(tmp_path, 1, chat(), CHUNKS)
    source = CassetteSource(tmp_path, pace=0.5)
    with (
        Simulator(source=source, clock=VirtualClock(auto=False)) as sim,
        Client(sim.port, post(path="/openai/v1/chat/completions")) as client,
    ):
        clock: Any = sim.clock
        sim.journal.wait(lambda exchange: True, deadline_s=30.0)  # it has come
        client.socket.setblocking(False)
        seen: list[tuple[float, bytes]] = []
        for _ in range(200):
            clock.advance(0.125, deadline_s=30.0)
            try:
                seen.append((clock.now(), client.socket.recv(65536)))
            except BlockingIOError:
                continue
        seen[0] = (seen[0][0], seen[0][1].partition(b"\r\n")[0])
        assert seen == [
            (1.0, b"HTTP/1.1 200 OK"),
            (2.0, b"9\r\ndata: 1\n\n\r\n"),
            (2.5, b"7\r\ndata: \xc3\r\n"),
            (6.0, b"3\r\n\xa4\n\n\r\n"),
            (18.0, b"0\r\n\r\n"),
        ]
        assert (sim.journal.last.how, sim.journal.last.label) == ("eof", "0001-x.jsonl")
