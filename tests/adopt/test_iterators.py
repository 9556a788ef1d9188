"""Iterators of every kind: litellm's wrapper, generators over whatever, lists, files; with a socket below, or none."""

import asyncio
import contextlib
import io
import os
import socket
import threading
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import headrace
from headrace import (
    BrokenStreamError,
    ConnectError,
    PartDelta,
    ProviderError,
    RetractedError,
    StreamTimeoutError,
    TruncatedError,
    UsageError,
)
from headrace.adopt.asynchronous import AsyncSource
from headrace.adopt.blocking import BlockingSource
from headrace.adopt.pieces import Pieces
from headrace.adopt.reach import find_socket, is_async, owners, shut
from headrace.adopt.recognise import recognise
from headrace.transport.base import WaitExpired
from headrace.wire.registry import HTTPRequest
from tests.adopt.holding import ASYNC, SYNC, read_source
from tests.adopt.test_sources import BEGUN, TEXT, WHOLE
from tests.faces import FACES, Face
from tests.servers import GONE_S, STALL, Server, chunked, head, open_sockets, whole
from tests.wire.streams import DONE, choice, chunk, cut, message_start, say, sse

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

REQUEST = HTTPRequest("GET", "", {}, b"")
CHUNKS = [say("Hel"), say("lo"), chunk(choice(finish="stop"))]


async def later(pieces: Any) -> AsyncIterator[Any]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


def given(face: Face, pieces: Any) -> Any:
    return iter(pieces) if face == "sync" else later(pieces)


# -- what they give


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("wire", WHOLE)
@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_bytes(face: Face, wire: str, size: int) -> None:
    reading = read_source(face, given(face, cut(WHOLE[wire], size)))
    assert (reading.error, reading.message.text, reading.message.outcome) == (None, TEXT, "complete")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("wire", WHOLE)
@pytest.mark.parametrize("lines", [None, True])
def test_lines(face: Face, wire: str, lines: bool | None) -> None:
    for each in (WHOLE[wire].splitlines(), WHOLE[wire].decode().split("\n"), filter(None, WHOLE[wire].splitlines())):
        reading = read_source(face, given(face, list(each)), lines=lines)
        assert (reading.error, reading.message.text, reading.message.outcome) == (None, TEXT, "complete")


@pytest.mark.parametrize("face", FACES)
def test_chunks(face: Face) -> None:
    reading = read_source(face, given(face, CHUNKS))
    assert (reading.error, reading.message.text, reading.message.warnings) == (None, "Hello", ())
    reading = read_source(face, given(face, CHUNKS[:2]))
    assert isinstance(reading.error, TruncatedError)
    reading = read_source(face, given(face, [CHUNKS[0], {"error": {"message": "no", "code": "oops"}}]))
    assert isinstance(reading.error, ProviderError)
    with pytest.raises(UsageError, match="no chunk of a stream"):
        read_source_raising(face, given(face, [CHUNKS[0], 5]))


def read_source_raising(face: Face, source: Any) -> None:
    error = read_source(face, source).error
    assert error is not None
    raise error


@pytest.mark.parametrize("face", FACES)
def test_nothing(face: Face) -> None:
    assert isinstance(read_source(face, given(face, [])).error, TruncatedError)


def test_a_last_piece_without_its_end() -> None:
    reading = read_source("sync", [b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}'])
    assert (reading.message.text, reading.message.outcome) == ("Hi", "truncated")


def test_think_tags() -> None:
    chunks = [say("<think>hm</think>Hello", "stop")]
    assert read_source("sync", chunks, think_tags=True).message.thinking == "hm"
    assert read_source("sync", chunks).message.thinking == ""


def test_a_provider_s_habits() -> None:
    # Snowflake's streams end with their marker alone
    pieces = [sse(say("Hi"), DONE)]
    assert read_source("sync", pieces, provider="snowflake").message.outcome == "complete"
    assert read_source("sync", pieces).message.outcome == "truncated"
    # a marker that an SDK kept to itself is none
    assert read_source("sync", [say("Hi")], provider="snowflake").message.outcome == "truncated"


def test_the_wire_may_be_said() -> None:
    assert read_source("sync", [b"data: [DONE]\n\n"], wire="anthropic").message.outcome == "truncated"
    assert read_source("sync", [message_start()], wire="anthropic").message.id == "msg_1"


def test_raw_frames_of_chunks() -> None:
    with headrace.adopt([message_start()]) as s, contextlib.suppress(TruncatedError):
        for _, frame in s.raw_stream:
            if frame is not None:
                assert frame.event == "message_start"


# -- errors of theirs


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    "error", [ValueError("what?"), ZeroDivisionError(), TimeoutError("slow"), RetractedError("no")]
)
def test_an_error_is_a_break(face: Face, error: Exception) -> None:
    def pieces() -> Iterator[Any]:
        yield say("Hel")
        raise error

    reading = read_source(face, given(face, pieces()))
    assert isinstance(reading.error, TruncatedError)
    assert reading.message.text == "Hel"
    assert reading.error.__cause__ is error
    assert type(error).__name__ in str(reading.error)


@pytest.mark.parametrize("face", FACES)
def test_an_error_of_ours_stays_one(face: Face) -> None:
    def pieces() -> Iterator[Any]:
        yield say("Hel")
        raise ConnectError("nobody there")

    error = read_source(face, given(face, pieces())).error
    assert isinstance(error, TruncatedError)
    assert "nobody there" in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_goes_through(face: Face, kind: type[BaseException]) -> None:
    def pieces() -> Iterator[Any]:
        yield say("Hel")
        raise kind

    async def async_pieces() -> AsyncIterator[Any]:
        yield say("Hel")
        raise kind

    async def asynchronous() -> None:
        async with headrace.adopt(async_pieces()) as s:
            async for _ in s:
                pass

    def blocking() -> None:
        with headrace.adopt(pieces()) as s:
            list(s)

    with pytest.raises(kind):
        blocking() if face == "sync" else asyncio.run(asynchronous())


# -- leaving, without a socket


class Pull:
    """An iterator that waits until somebody lets it go on, and knows whether it was closed."""

    def __init__(self, *pieces: Any, fail_to_close: bool = False) -> None:
        self.pieces = list(pieces)
        self.waits = threading.Event()
        self.go_on = threading.Event()
        self.closed = 0
        self.fail_to_close = fail_to_close

    def __iter__(self) -> "Pull":
        return self

    def __next__(self) -> Any:
        if len(self.pieces) == 1:
            self.waits.set()
            assert self.go_on.wait(GONE_S)
        if not self.pieces:
            raise StopIteration
        return self.pieces.pop(0)

    def close(self) -> None:
        self.closed += 1
        if self.fail_to_close:
            raise RuntimeError("no")


@pytest.mark.parametrize("fail_to_close", [False, True])
def test_a_cut_acts_when_the_next_piece_comes(fail_to_close: bool) -> None:
    source = Pull(say("Hel"), say("lo"), fail_to_close=fail_to_close)
    with headrace.adopt(source) as s:

        def cancel() -> None:
            assert source.waits.wait(GONE_S)
            s.cancel()
            source.go_on.set()

        thread = threading.Thread(target=cancel)
        thread.start()
        list(s)
        thread.join()
    assert (s.message.outcome, s.message.text) == ("cancelled", "Hel")
    assert source.closed


def test_a_deadline_acts_when_the_next_piece_comes() -> None:
    source = Pull(say("Hel"), say("lo"))
    s = headrace.adopt(source, timeouts=(None, 0.02, None))

    def on_text(text: str) -> None:
        threading.Timer(0.05, source.go_on.set).start()

    with pytest.raises(StreamTimeoutError) as caught:
        s.run(on_text=on_text)
    assert caught.value.info.phase == "idle"
    assert source.closed


@pytest.mark.parametrize("face", FACES)
def test_empty_pieces_move_no_deadline(face: Face) -> None:
    def empty() -> Iterator[bytes]:
        while True:
            yield b""

    error = read_source(face, given(face, empty()), timeouts=(0.02, None, None)).error
    assert isinstance(error, StreamTimeoutError)


def test_leaving_a_generator_runs_its_end() -> None:
    left = []

    def pieces() -> Iterator[Any]:
        try:
            while True:
                yield say("x")
        finally:
            left.append(True)

    source = pieces()
    with headrace.adopt(source) as s:
        next(iter(s))
    assert left == [True]


def test_leaving_an_async_generator_runs_its_end() -> None:
    left = []

    async def pieces() -> AsyncIterator[Any]:
        try:
            yield say("x")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            left.append(True)

    async def main() -> list[Any]:
        messages = []
        source = pieces()
        async with headrace.adopt(source) as s:
            async for _ in s.text_stream:
                break
        messages.append(s.message)
        # a cut wakes it while it waits
        source = pieces()
        async with headrace.adopt(source) as s:
            async for event in s:
                if isinstance(event, PartDelta):
                    asyncio.get_running_loop().call_soon(s.cancel)
                    asyncio.get_running_loop().call_soon(s.cancel)
        messages.append(s.message)
        with pytest.raises(StreamTimeoutError):
            async with headrace.adopt(pieces(), timeouts=(None, 0.01, None)) as s:
                await s.get_final_message()
        return messages

    assert [m.outcome for m in asyncio.run(main())] == ["cancelled", "cancelled"]
    assert left == [True, True, True]


def test_an_async_iterator_with_headers_and_a_plain_close() -> None:
    class Source:
        headers: Any = None
        closed = 0

        def __init__(self) -> None:
            self.headers = {"x": "y"}
            self.given = later(CHUNKS)

        def __aiter__(self) -> "Source":
            return self

        async def __anext__(self) -> Any:
            return await anext(self.given)

        def close(self) -> None:
            self.closed += 1

    source = Source()
    reading = read_source("async", source)
    assert (reading.message.text, source.closed) == ("Hello", 1)


def test_a_foreign_iterator_that_does_not_let_itself_be_cancelled() -> None:
    class Stubborn:
        def __aiter__(self) -> "Stubborn":
            return self

        async def __anext__(self) -> Any:
            try:
                await asyncio.sleep(GONE_S)
            except asyncio.CancelledError:
                return say("late")
            raise AssertionError

    async def main() -> Any:
        with pytest.raises(StreamTimeoutError) as caught:
            async with headrace.adopt(Stubborn(), timeouts=(0.01, 0.01, None)) as s:
                await s.get_final_message()
        return caught.value

    assert asyncio.run(main()).partial.text in ("late", "")


# -- generators over a socket


def test_a_generator_in_a_generator(serve: Serve) -> None:
    server = serve([head() + chunked(BEGUN["openai-chat"]), STALL])
    with httpx2.Client() as client:

        def lines() -> Iterator[str]:
            with client.stream("POST", server.url) as response:
                yield from response.iter_lines()

        source = lines()
        with headrace.adopt(source) as s:
            for event in s:
                if isinstance(event, PartDelta):
                    threading.Thread(target=s.cancel).start()
        assert server.peers[0].wait_gone()
        assert open_sockets(server.port) == 0
    assert s.message.outcome == "cancelled"


@pytest.mark.parametrize("kind", ["httpx bytes", "httpx lines"])
def test_a_generator_that_was_not_begun_closes_its_response(kind: str, serve: Serve) -> None:
    server = serve([head(), STALL])
    with SYNC[kind](server) as source:
        headrace.adopt(source).close()
        assert server.peers[0].wait_gone()
        assert open_sockets(server.port) == 0


# -- litellm


class Wrapper:
    """A stand-in for litellm's CustomStreamWrapper, which is not installed here: the same duck type.

    One class iterates both ways, whatever it wraps in `completion_stream`, and gives chunks as pydantic models.
    """

    def __init__(self, completion_stream: Any) -> None:
        self.completion_stream = completion_stream

    def __iter__(self) -> "Wrapper":
        return self

    def __aiter__(self) -> "Wrapper":
        return self

    def __next__(self) -> Any:
        return next(self.completion_stream)

    async def __anext__(self) -> Any:
        return await anext(self.completion_stream)


class Both:
    """What litellm puts between for other providers: it, too, iterates both ways."""

    def __init__(self, streaming_response: Any) -> None:
        self.streaming_response = streaming_response

    __iter__ = __aiter__ = lambda self: self

    def __next__(self) -> Any:
        return next(self.streaming_response)

    async def __anext__(self) -> Any:
        return await anext(self.streaming_response)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("deep", [False, True])
def test_litellm(face: Face, deep: bool, serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]), [head() + chunked(BEGUN["openai-chat"]), STALL])

    def wrapped(stream: Any) -> Wrapper:
        return Wrapper(Both(stream) if deep else stream)

    def blocking() -> None:
        with SYNC["openai"](server) as stream:
            with headrace.adopt(wrapped(stream)) as s:
                assert s.get_final_text() == TEXT
        with SYNC["openai"](server) as stream:
            with headrace.adopt(wrapped(stream)) as s:
                for event in s:
                    if isinstance(event, PartDelta):
                        threading.Thread(target=s.cancel).start()
            assert s.message.outcome == "cancelled"
            assert server.peers[1].wait_gone()
            assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with ASYNC["openai"](server) as stream:
            async with headrace.adopt(wrapped(stream)) as s:  # type: ignore[attr-defined]
                assert await s.get_final_text() == TEXT
        async with ASYNC["openai"](server) as stream:
            async with headrace.adopt(wrapped(stream)) as s:  # type: ignore[attr-defined]
                async for event in s:
                    if isinstance(event, PartDelta):
                        threading.Thread(target=s.cancel).start()
            assert s.message.outcome == "cancelled"
            assert await asyncio.to_thread(server.peers[1].wait_gone)
            for _ in range(5):
                await asyncio.sleep(0)
            assert open_sockets(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())


def test_what_can_be_read_both_ways_is_read_as_the_code_around_it() -> None:
    assert is_async(Wrapper(None)) is None
    assert isinstance(headrace.adopt(Wrapper(None)), headrace.Stream)

    async def main() -> Any:
        return headrace.adopt(Wrapper(None))

    assert isinstance(asyncio.run(main()), headrace.AsyncStream)


# -- files


def test_recorded_files(tmp_path: Path) -> None:
    path = tmp_path / "recorded.sse"
    path.write_bytes(WHOLE["anthropic"])
    for file in (path.open("rb"), path.open("rb", buffering=0), io.BytesIO(WHOLE["anthropic"])):
        reading = read_source("sync", file)
        assert (reading.error, reading.message.text) == (None, TEXT)
        assert file.closed
    with path.open(encoding="utf-8") as text, pytest.raises(UsageError):
        headrace.adopt(text)
    with path.open(encoding="utf-8") as text:
        assert read_source("sync", (line for line in text)).message.text == TEXT


def test_a_pipe_is_read_as_it_is_written() -> None:
    reader, writer = os.pipe()
    os.write(writer, sse(say("Hel")))
    with headrace.adopt(os.fdopen(reader, "rb")) as s:
        for text in s.text_stream:
            if text == "Hel":
                os.write(writer, sse(say("lo", "stop"), DONE))
    os.close(writer)
    assert s.message.text == "Hello"


def test_a_socket_s_file_is_cut() -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(sse(say("Hel")))
    with headrace.adopt(ours.makefile("rb")) as s:
        for event in s:
            if isinstance(event, PartDelta):
                threading.Thread(target=s.cancel).start()
    assert s.message.outcome == "cancelled"
    assert theirs.recv(1) == b""
    theirs.close()
    ours.close()


# -- inside


class Haunted:
    @property
    def response(self) -> Any:
        raise RuntimeError("no response")


@pytest.mark.parametrize("kind", ["aiohttp reader", "aiohttp chunks"])
async def test_a_connection_that_went_back_to_its_pool_is_left_alone(kind: str, serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    async with ASYNC[kind](server) as source:
        async with headrace.adopt(source) as s:
            assert await s.get_final_text() == TEXT
        await asyncio.sleep(0)
        assert not server.peers[0].gone.is_set()
        assert open_sockets(server.port) == 1


def test_a_response_that_is_over_has_no_socket_any_more(serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    with SYNC["httpx"](server) as response:
        assert find_socket(response.iter_lines()) is not None
        response.read()
        assert response.extensions["network_stream"].get_extra_info("socket") is not None
        assert find_socket(response) is None
    for kind in ("requests", "urllib3"):
        with SYNC[kind](server) as response:
            assert find_socket(response) is not None
            assert response.content if kind == "requests" else response.read()
            assert find_socket(response) is None


def test_what_is_below_is_looked_for_with_care() -> None:
    assert find_socket(Haunted()) is None
    endless = types.SimpleNamespace()
    endless.raw = endless.fp = endless
    assert find_socket(endless) is None
    deep: Any = None
    for _ in range(100):
        deep = types.SimpleNamespace(raw=deep)
    assert find_socket(deep) is None
    nothing = types.SimpleNamespace(get_extra_info=lambda name: None)
    assert find_socket(nothing) is None
    wrapped = types.SimpleNamespace(completion_stream=endless)
    assert owners(wrapped) == [wrapped, endless]
    closed = socket.socket()
    closed.close()
    shut(closed)
    shut(types.SimpleNamespace(fileno=lambda: -1))


def test_connections_that_are_cut_between_two_calls() -> None:
    source = BlockingSource(recognise(iter(CHUNKS)), Pieces())
    assert source.open(REQUEST, None).status == 200
    source.cut()
    with pytest.raises(BrokenStreamError):
        source.read(None)
    with pytest.raises(BrokenStreamError):
        source.open(REQUEST, None)
    source = BlockingSource(recognise(iter(CHUNKS)), Pieces())
    source.open(REQUEST, None)
    with pytest.raises(WaitExpired):
        source.read(0)
    assert [bool(source.read(None)) for _ in range(5)] == [True, True, True, False, False]


async def test_async_connections_that_are_cut_between_two_calls(serve: Serve) -> None:
    source = AsyncSource(recognise(later(CHUNKS)), Pieces())
    assert (await source.open(REQUEST, None)).status == 200
    source.cut()
    with pytest.raises(BrokenStreamError):
        await source.read(None)
    with pytest.raises(BrokenStreamError):
        await source.open(REQUEST, None)
    source = AsyncSource(recognise(later(CHUNKS)), Pieces())
    await source.open(REQUEST, None)
    with pytest.raises(WaitExpired):
        await source.read(0)
    assert [bool(await source.read(None)) for _ in range(5)] == [True, True, True, False, False]
    async with ASYNC["aiohttp"](serve([head(), STALL])) as response:
        stream: Any = headrace.adopt(response)
        stream._connection.cut()
        with pytest.raises(BrokenStreamError):
            await stream._connection.open(REQUEST, None)
        await stream.aclose()


def test_requests_over_another_adapter_than_urllib3_s() -> None:
    class Response:
        """A stand-in for a response whose `raw` is not urllib3's, as mocks and other adapters make them."""

        status_code = 200
        raw = io.BytesIO()
        _content_consumed = False

        def __init__(self) -> None:
            self.headers: dict[str, str] = {}

        def iter_content(self, size: Any) -> Iterator[bytes]:
            yield WHOLE["openai-chat"]

        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError

    assert read_source("sync", Response()).message.text == TEXT


async def test_the_sdk_s_async_response_that_is_parsed_later(serve: Serve) -> None:
    async with openai.AsyncOpenAI(base_url=serve(whole(WHOLE["openai-chat"])).url, api_key="sk-x") as client:
        create = client.chat.completions.with_raw_response.create
        raw = await create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        async with headrace.adopt(raw) as s:
            assert await s.get_final_text() == TEXT
