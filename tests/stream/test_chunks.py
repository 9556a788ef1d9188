"""`chunks`: a live stream frame by frame, the same in both faces."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headrace import StreamTimeoutError, TruncatedError, UsageError
from tests.faces import FACES, Face, ask, stream_of
from tests.servers import CLOSE, LAST, STALL, Gate, Server, chunked, head, whole
from tests.wire.streams import DONE, choice, chunk, say, sse, usage

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]
HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)


def make(face: Face, server: Server, **options: Any) -> Any:
    return stream_of(face, **ask(server, **options))


def each(face: Face, s: Any, take: Callable[[Any], Any]) -> None:
    """Enter a stream, and call for each chunk; True from the call breaks off."""

    def blocking() -> None:
        with s:
            for one in s.chunks:
                if take(one):
                    break

    async def asynchronous() -> None:
        async with s:
            async for one in s.chunks:
                if take(one):
                    break

    if face == "sync":
        blocking()
    else:
        asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_every_frame_with_its_time(face: Face, serve: Serve) -> None:
    gate, given = Gate(), []
    first, rest = sse(say("Hel")), HELLO[len(sse(say("Hel"))) :]
    server = serve([head() + chunked(first), gate, chunked(rest) + LAST])

    def take(one: Any) -> None:
        given.append(one)
        gate.open()  # the others come once the first was given

    s = make(face, server)
    each(face, s, take)
    assert [(c.index, c.delta, c.finish_reason) for c in given] == [
        (0, "Hel", None),
        (1, "lo", None),
        (2, "", "stop"),
        (3, "", None),
        (4, "", None),
    ]
    assert given[3].usage.output_tokens == 2
    assert 0 <= given[0].at_s <= given[1].at_s == given[4].at_s
    assert [c.gap_s for c in given] == [
        given[0].at_s,
        given[1].at_s - given[0].at_s,
        0.0,
        0.0,
        0.0,
    ]
    assert s.message.outcome == "complete"


@pytest.mark.parametrize("face", FACES)
def test_leaving_closes_the_upstream(face: Face, serve: Serve, no_collector: None) -> None:
    server = serve([head() + chunked(sse(say("one"), say("two"))), STALL])
    s = make(face, server)
    each(face, s, lambda one: True)
    assert server.peers[0].wait_gone()
    assert s.message.outcome == "cancelled"


@pytest.mark.parametrize("face", FACES)
def test_a_cancel_is_the_end(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("one"), say("two"))), STALL])
    s, given = make(face, server), []

    def take(one: Any) -> None:
        given.append(one.delta)
        s.cancel()

    each(face, s, take)
    assert given == ["one"]
    assert s.message.outcome == "cancelled"
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_a_condition_ends_them(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("one"), say("two"))), STALL])
    s, given = make(face, server).until("tw"), []
    each(face, s, lambda one: given.append(one.delta))
    assert given == ["one", "tw"]
    assert s.message.outcome == "stopped"
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_what_came_is_given_before_an_error(face: Face, serve: Serve) -> None:
    server, given = serve([head() + chunked(sse(say("half"))), CLOSE]), []
    with pytest.raises(TruncatedError):
        each(face, make(face, server), lambda one: given.append(one.delta))
    assert given == ["half"]


@pytest.mark.parametrize("face", FACES)
def test_a_silent_upstream(face: Face, serve: Serve) -> None:
    server, given = serve([head() + chunked(sse(say("half"))), STALL]), []
    with pytest.raises(StreamTimeoutError):
        each(face, make(face, server, timeouts=(30, 0.05, None)), lambda one: given.append(one.delta))
    assert given == ["half"]
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_a_second_look_goes_on(face: Face, serve: Serve) -> None:
    s, given = make(face, serve(whole(HELLO))), []

    def blocking() -> None:
        with s:
            given.extend([next(s.chunks).delta, next(s.chunks).delta])
            given.extend(c.finish_reason for c in s.chunks)

    async def asynchronous() -> None:
        async with s:
            given.extend([(await anext(s.chunks)).delta, (await anext(s.chunks)).delta])
            given.extend([c.finish_reason async for c in s.chunks])

    if face == "sync":
        blocking()
    else:
        asyncio.run(asynchronous())
    assert given == ["Hel", "lo", "stop", None, None]


@pytest.mark.parametrize("face", FACES)
def test_another_view_goes_on_behind_them(face: Face, serve: Serve) -> None:
    gate = Gate()
    server = serve([head() + chunked(sse(say("Hel"))), gate, chunked(sse(say("lo", "stop"), DONE)) + LAST])
    s = make(face, server)
    texts: list[str] = []

    def blocking() -> None:
        with s:
            chunks = s.chunks
            assert next(chunks).delta == "Hel"
            gate.open()
            assert next(chunks).delta == "lo"
            texts.append(s.get_final_text())

    async def asynchronous() -> None:
        async with s:
            chunks = s.chunks
            assert (await anext(chunks)).delta == "Hel"
            gate.open()
            assert (await anext(chunks)).delta == "lo"
            texts.append(await s.get_final_text())

    if face == "sync":
        blocking()
    else:
        asyncio.run(asynchronous())
    assert texts == ["Hello"]


def test_where_they_may_not_be_read(serve: Serve) -> None:
    server = serve(whole(HELLO))
    s = make("sync", server)
    with pytest.raises(UsageError, match="inside its block"):
        next(s.chunks)
    with s:
        next(iter(s))
        with pytest.raises(UsageError, match="ask for its chunks first"):
            next(s.chunks)
    with make("sync", server) as t:
        chunks = t.chunks
        next(chunks)
    with pytest.raises(UsageError, match="block was left"):
        next(chunks)


async def test_where_they_may_not_be_read_in_async_code(serve: Serve) -> None:
    server = serve(whole(HELLO))
    s = make("async", server)
    with pytest.raises(UsageError, match="inside its block"):
        await anext(s.chunks)
    async with s:
        await anext(aiter(s))
        with pytest.raises(UsageError, match="ask for its chunks first"):
            await anext(s.chunks)


@pytest.mark.parametrize("face", FACES)
def test_of_the_simulation(face: Face) -> None:
    given: list[Any] = []
    s = stream_of(face, "sim/demo;speed=max", "Hi")
    each(face, s, given.append)
    assert "".join(c.delta for c in given if c.kind == "text") == s.message.text != ""
    assert [c.index for c in given] == list(range(len(given)))
