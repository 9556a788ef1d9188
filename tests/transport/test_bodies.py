"""A response's body as HTTP may carry it: in chunks of any kind, by length, until the end; and bad ones."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import PartDelta, TruncatedError
from headrace.transport import asynchronous
from tests.faces import FACES, Face, ask, read
from tests.servers import CLOSE, LAST, RESET, STALL, Drip, Gate, Script, Server, chunked, head, open_sockets
from tests.wire.streams import DONE, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

HELLO = sse(say("Hel"), say("lo", "stop"), DONE)
HALF = sse(say("Hel"))
BACKLOG = sse(*[say(f"{n} ") for n in range(3000)], say("!", "stop"), DONE)
COUNTED = "".join([f"{n} " for n in range(3000)]) + "!"


def in_pieces(data: bytes, form: bytes, size: int = 100) -> bytes:
    """Write chunks by a form of their beginning, whose %x is the size."""
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join([form % len(piece) + b"\r\n" + piece + b"\r\n" for piece in pieces])


GOOD: dict[str, Script] = {
    "in one chunk": [head() + chunked(HELLO) + LAST],
    "in chunks of a byte": [head() + chunked(HELLO, 1) + LAST],
    "sizes in capitals": [head() + in_pieces(HELLO, b"%X") + LAST],
    "sizes with zeros": [head() + in_pieces(HELLO, b"%08x") + LAST],
    "sizes with spaces": [head() + in_pieces(HELLO, b"%x  ") + LAST],
    "extensions": [head() + in_pieces(HELLO, b'%x;a="b"') + b"0;c\r\n\r\n"],
    "trailers": [head() + chunked(HELLO) + b"0\r\nserver-timing: a;dur=1\r\nb: c\r\n\r\n"],
    "by length": [head(framing=str(len(HELLO))) + HELLO],
    "until the connection closes": [head(framing="close") + HELLO, CLOSE],
    "in chunks until the connection closes": [
        head(200, "text/event-stream", "connection: close") + chunked(HELLO) + LAST,
        CLOSE,
    ],
    "HTTP/1.0": [head(framing="close").replace(b"HTTP/1.1", b"HTTP/1.0") + HELLO, CLOSE],
    "compressed, unasked": [
        head(200, "text/event-stream", "content-encoding: gzip") + chunked(gzip.compress(HELLO), 9) + LAST
    ],
    "named as it is": [head(200, "text/event-stream", "content-encoding: identity") + chunked(HELLO, 50) + LAST],
}  # fmt: skip


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("script", GOOD.values(), ids=GOOD)
def test_a_good_body(face: Face, script: Script, serve: Serve) -> None:
    server = serve(script)
    reading = read(face, **ask(server))
    assert reading.error is None
    assert (reading.message.text, reading.message.outcome) == ("Hello", "complete")
    assert open_sockets(server.port) == 0


BAD: dict[str, tuple[bytes, Script]] = {
    "no end": (head() + chunked(HALF), [CLOSE]),
    "an end in a size": (head() + chunked(HALF), [b"4", CLOSE]),
    "an end in a chunk": (head() + chunked(HALF), [b"40\r\ndata", CLOSE]),
    "an end by a reset": (head() + chunked(HALF), [RESET]),
    "too short by length": (head(framing=str(len(HALF) + 1)) + HALF, [CLOSE]),
}


def texts_of(face: Face, server: Server, then: Callable[[], object], **options: Any) -> list[str]:
    """Read the text, and do something when a piece has come."""
    texts: list[str] = []

    def blocking() -> None:
        with headrace.stream(**ask(server, **options)) as s:
            for text in s.text_stream:
                texts.append(text)
                then()

    async def asynchronous() -> None:
        async with headrace.astream(**ask(server, **options)) as s:
            async for text in s.text_stream:
                texts.append(text)
                then()

    blocking() if face == "sync" else asyncio.run(asynchronous())
    return texts


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("start", "rest"), BAD.values(), ids=BAD)
def test_a_bad_body(face: Face, start: bytes, rest: Script, serve: Serve) -> None:
    gate = Gate()
    server = serve([start, gate, *rest])
    with pytest.raises(TruncatedError, match="the connection broke") as caught:
        texts_of(face, server, gate.open)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"
    assert open_sockets(server.port) == 0


@pytest.mark.parametrize("bad", [b"data: {}\n\n", b"-2\r\n"])
def test_what_came_before_a_bad_chunk_is_given_out(bad: bytes, serve: Serve) -> None:
    reading = read("sync", **ask(serve([head() + chunked(HALF) + bad, STALL])))
    assert isinstance(reading.error, TruncatedError)
    assert "is no chunk's size" in str(reading.error)
    assert reading.text == reading.message.text == "Hel"


@pytest.mark.parametrize("face", FACES)
def test_content_is_given_out_before_its_chunk_is_whole(face: Face, serve: Serve) -> None:
    gate = Gate()
    first, second = sse(say("Hel")), sse(say("lo", "stop"), DONE)
    start = b"%x\r\n" % len(first + second) + first
    server = serve([head() + start, gate, second + b"\r\n" + LAST])
    assert texts_of(face, server, gate.open) == ["Hel", "lo"]


@pytest.mark.parametrize("face", FACES)
def test_a_chunk_that_does_not_begin_is_no_progress(face: Face, serve: Serve) -> None:
    # bytes come all the time, and content never
    server = serve([head() + chunked(HALF) + b"0", Drip(b"0")])
    reading = read(face, **ask(server, timeouts=(10, 0.3, None)))
    assert reading.message.outcome == "timeout"
    assert reading.text == "Hel"
    assert open_sockets(server.port) == 0


def test_trailers_without_an_end_are_no_progress(serve: Serve) -> None:
    # there is always something to be read, so that no single wait for the socket is too long
    server = serve([head() + chunked(HALF) + b"0\r\n", Drip(b"a: b\r\n" * 1000, every_s=0)])
    reading = read("sync", **ask(server, timeouts=(10, 0.3, None)))
    assert reading.message.outcome == "timeout"
    assert reading.text == "Hel"
    assert open_sockets(server.port) == 0


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("end", [LAST, b"0\r\na: b\r\n\r\n"])
def test_a_whole_body_gives_its_connection_back(face: Face, end: bytes, serve: Serve) -> None:
    gate = Gate()
    server = serve(
        [head() + chunked(HELLO) + end], [head() + chunked(HELLO), gate, end], [head() + chunked(HELLO) + end]
    )
    options = {"base_url": server.url, "api_key": "k"}

    def blocking() -> None:
        with headrace.Client(**options) as client:
            for _ in range(3):
                with client.stream("openai/m", "Hi") as s:
                    texts = []
                    for text in s.text_stream:
                        texts.append(text)
                        gate.open()
                    assert texts == ["Hel", "lo"]

    async def asynchronous() -> None:
        async with headrace.AsyncClient(**options) as client:
            for _ in range(3):
                async with client.stream("openai/m", "Hi") as s:
                    texts = []
                    async for text in s.text_stream:
                        texts.append(text)
                        gate.open()
                    assert texts == ["Hel", "lo"]

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert len(server.peers) == 1
    assert len(server.requests) == 3


@pytest.mark.parametrize("after", [b"more", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
def test_a_connection_that_says_more_than_its_body_is_not_used_again(after: bytes, serve: Serve) -> None:
    server = serve([head() + chunked(HELLO) + LAST + after], [head() + chunked(HELLO) + LAST])
    with headrace.Client(base_url=server.url, api_key="k") as client:
        for _ in range(2):
            with client.stream("openai/m", "Hi") as s:
                assert s.get_final_text() == "Hello"
    assert len(server.peers) == 2


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("size", [None, 83, 8192])
def test_a_backlog(face: Face, size: int | None, serve: Serve) -> None:
    assert len(BACKLOG) > 4 * 65536
    reading = read(face, **ask(serve([head() + chunked(BACKLOG, size) + LAST])))
    assert reading.error is None
    assert reading.text == COUNTED


@pytest.mark.parametrize("known", [True, False])
async def test_a_backlog_by_a_reader_that_is_not_known(
    known: bool, monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    monkeypatch.setattr(asynchronous, "_READER_IS_KNOWN", known)
    async with headrace.astream(**ask(serve([head() + chunked(BACKLOG, 83) + LAST]))) as s:
        assert await s.get_final_text() == COUNTED


def test_aiohttp_s_reader_is_known() -> None:
    assert asynchronous._READER_IS_KNOWN


@pytest.mark.parametrize("face", FACES)
def test_a_cancel_in_a_backlog_gives_no_more(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(BACKLOG, 83) + LAST])
    events: list[Any] = []

    def blocking() -> None:
        with headrace.stream(**ask(server)) as s:
            for event in s:
                events.append(event)
                if isinstance(event, PartDelta):
                    s.cancel()

    async def asynchronous() -> None:
        async with headrace.astream(**ask(server)) as s:
            async for event in s:
                events.append(event)
                if isinstance(event, PartDelta):
                    s.cancel()

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert [e.text for e in events if isinstance(e, PartDelta)] == ["0 "]
    assert events[-1].outcome == "cancelled"
    assert open_sockets(server.port) == 0
