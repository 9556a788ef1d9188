"""Ending a stream ends the upstream: now, by whatever way it is left, with the garbage collector off.

The server notes when its peer went away. Every stream is kept in a name until that was seen, so that it cannot be the
last reference's going that closed it.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import HeadraceError, PartDelta, StreamTimeoutError
from tests.faces import FACES, Face, ask, bounded, stream_of
from tests.servers import GONE_S, STALL, Drip, Gate, Peer, Script, Server, chunked, head
from tests.wire.streams import message_start, messages, say, sse

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

HEL = chunked(sse(say("Hel")))
PING = chunked(messages({"type": "ping"}))
KEEPALIVE = chunked(b": keepalive\n\n")

MOMENTS: dict[str, Script] = {
    "before the headers": [STALL],
    "before the first token": [head(), STALL],
    "in the middle": [head() + HEL, STALL],
}


def run(face: Face, body: Callable[[], Any], asynchronous: Callable[[], Any]) -> Any:
    return body() if face == "sync" else asyncio.run(asynchronous())


class Case:
    """A stream of a moment, and what the test wants to do to it."""

    def __init__(self, server: Server, moment: str = "", **options: Any) -> None:
        self.server = server
        self.moment = moment
        self.said = "Hel" if moment == "in the middle" else ""
        self.options = options
        self.reached = threading.Event()
        """The stream is at its moment, and about to wait for what never comes."""

    @property
    def peer(self) -> Peer:
        return self.server.peers[0]

    def wait_reached(self) -> None:
        assert self.server.wait_asked()
        if self.moment != "before the headers":
            assert self.reached.wait(GONE_S)

    def saw(self, event: Any) -> None:
        if isinstance(event, PartDelta):
            self.reached.set()

    def entered(self) -> None:
        if self.moment == "before the first token":
            self.reached.set()


def read_to_the_end(case: Case, s: Any) -> HeadraceError | None:
    """Read within the block, and see the upstream closed while the block is still open."""
    error = None
    case.entered()
    try:
        for event in s:
            case.saw(event)
    except HeadraceError as raised:
        error = raised
    assert case.peer.wait_gone()
    return error


async def read_to_the_end_async(case: Case, s: Any) -> HeadraceError | None:
    error = None
    case.entered()
    try:
        async for event in s:
            case.saw(event)
    except HeadraceError as raised:
        error = raised
    assert await asyncio.to_thread(case.peer.wait_gone)
    return error


def ended(face: Face, case: Case, s: Any) -> HeadraceError | None:
    """Enter and read a stream to its end; give the error, wherever it was raised."""

    def blocking() -> HeadraceError | None:
        try:
            with s:
                return read_to_the_end(case, s)
        except HeadraceError as raised:
            assert case.peer.wait_gone()
            return raised

    async def asynchronous() -> HeadraceError | None:
        try:
            async with s:
                return await read_to_the_end_async(case, s)
        except HeadraceError as raised:
            assert await asyncio.to_thread(case.peer.wait_gone)
            return raised

    return blocking() if face == "sync" else asyncio.run(asynchronous())


def at(moment: str, serve: Serve, **options: Any) -> Case:
    server = serve(MOMENTS[moment])
    return Case(server, moment, **ask(server, **options))


def make(face: Face, case: Case) -> Any:
    return stream_of(face, **case.options)


# -- leaving the block


@pytest.mark.parametrize("face", FACES)
def test_break(face: Face, serve: Serve) -> None:
    case = at("in the middle", serve)
    s = make(face, case)

    def blocking() -> None:
        with s:
            for _ in s.text_stream:
                break
        assert case.peer.wait_gone()

    async def asynchronous() -> None:
        async with s:
            async for _ in s.text_stream:
                break
        assert await asyncio.to_thread(case.peer.wait_gone)

    run(face, blocking, asynchronous)
    assert (s.message.outcome, s.message.text) == ("cancelled", "Hel")
    assert s.message.usage.estimated


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("moment", ["before the first token", "in the middle"])
def test_an_exception_in_the_block(face: Face, moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = make(face, case)

    def blocking() -> None:
        with s:
            if case.said:
                next(s.text_stream)
            raise ZeroDivisionError

    async def asynchronous() -> None:
        try:
            async with s:
                if case.said:
                    await anext(s.text_stream)
                raise ZeroDivisionError
        finally:
            assert await asyncio.to_thread(case.peer.wait_gone)

    with pytest.raises(ZeroDivisionError):
        run(face, blocking, asynchronous)
    assert case.peer.wait_gone()
    assert (s.message.outcome, s.message.text) == ("cancelled", case.said)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("moment", ["before the first token", "in the middle"])
def test_close_ends_it_at_once(face: Face, moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = make(face, case)

    def blocking() -> None:
        with s:
            if case.said:
                next(s.text_stream)
            s.close()
            assert case.peer.wait_gone()
            s.close()

    async def asynchronous() -> None:
        async with s:
            if case.said:
                await anext(s.text_stream)
            await s.aclose()
            assert await asyncio.to_thread(case.peer.wait_gone)
            await s.aclose()

    run(face, blocking, asynchronous)
    assert (s.message.outcome, s.message.text) == ("cancelled", case.said)


# -- cancel


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_cancel_from_a_thread(face: Face, moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = make(face, case)

    def cancel() -> None:
        case.wait_reached()
        s.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    assert ended(face, case, s) is None
    other.join()
    assert (s.message.outcome, s.message.text) == ("cancelled", case.said)
    s.cancel()  # too late, and no harm
    assert s.message.outcome == "cancelled"


@pytest.mark.parametrize("moment", MOMENTS)
async def test_cancel_from_a_task(moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = make("async", case)

    async def cancel() -> None:
        await asyncio.to_thread(case.wait_reached)
        s.cancel()

    async with asyncio.TaskGroup() as group:
        group.create_task(cancel())
        async with s:
            assert await read_to_the_end_async(case, s) is None
    assert (s.message.outcome, s.message.text) == ("cancelled", case.said)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_task_is_cancelled(moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = make("async", case)

    async def reading() -> None:
        async with s:
            await read_to_the_end_async(case, s)

    task = asyncio.create_task(reading())
    await asyncio.to_thread(case.wait_reached)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(case.peer.wait_gone)
    assert (s.message.outcome, s.message.text) == ("cancelled", case.said)


@pytest.mark.parametrize("face", FACES)
def test_cancel_within_the_loop_gives_nothing_more_but_the_end(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("one"), say("two"), say("three"))), STALL])
    s = stream_of(face, **ask(server))
    texts: list[str] = []

    def blocking() -> None:
        with s:
            for text in s.text_stream:
                texts.append(text)
                s.cancel()
                assert server.peers[0].wait_gone()

    async def asynchronous() -> None:
        async with s:
            async for text in s.text_stream:
                texts.append(text)
                s.cancel()
                assert await asyncio.to_thread(server.peers[0].wait_gone)

    run(face, blocking, asynchronous)
    assert texts == ["one"]
    assert s.message.outcome == "cancelled"
    assert s.message.text == "onetwothree"  # what had arrived


@pytest.mark.parametrize("face", FACES)
def test_cancel_before_entering_sends_nothing(face: Face, serve: Serve) -> None:
    server = serve()
    s = stream_of(face, **ask(server))
    s.cancel()

    def blocking() -> list[Any]:
        with s:
            return list(s)

    async def asynchronous() -> list[Any]:
        async with s:
            return [event async for event in s]

    assert run(face, blocking, asynchronous) == [headrace.End(outcome="cancelled")]
    assert server.peers == []


def test_the_loop_may_be_gone_when_a_thread_cancels(serve: Serve) -> None:
    case = at("in the middle", serve)
    s = make("async", case)

    async def abandon() -> None:
        await s.__aenter__()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandon())
    loop.run_until_complete(s.aclose())
    loop.close()
    s.cancel()
    assert case.peer.wait_gone()


# -- conditions and limits


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("until", "limit"),
    [("Hel", None), (lambda text: "Hel" in text, None), (None, {"tokens": 1}), (None, {"chars": 3})],
    ids=["until", "until a predicate", "tokens", "characters"],
)
def test_a_condition_or_limit_is_met(face: Face, until: Any, limit: Any, serve: Serve) -> None:
    case = at("in the middle", serve)
    s = bounded(make(face, case), until, limit)
    assert ended(face, case, s) is None
    assert (s.message.outcome, s.message.text) == ("stopped", "Hel")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_limit_of_seconds(face: Face, moment: str, serve: Serve) -> None:
    case = at(moment, serve)
    s = bounded(make(face, case), None, {"seconds": 0.5 if case.said else 0.1})
    assert ended(face, case, s) is None
    assert (s.message.outcome, s.message.text) == ("stopped", case.said)


# -- timeouts


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("moment", "timeouts", "phase"),
    [
        ("before the headers", (0.1, None, None), "first_token"),
        ("before the headers", (None, None, 0.1), "total"),
        ("before the first token", (0.1, None, None), "first_token"),
        ("before the first token", (None, 0.01, 0.1), "total"),
        ("in the middle", (None, 0.1, None), "idle"),
        ("in the middle", (60, 60, 0.5), "total"),
    ],
)
def test_a_timeout(face: Face, moment: str, timeouts: Any, phase: str, serve: Serve) -> None:
    case = at(moment, serve, timeouts=timeouts)
    s = make(face, case)
    error = ended(face, case, s)
    assert isinstance(error, StreamTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.info.phase == phase
    assert error.partial is not None
    assert (error.partial.text, error.partial.outcome) == (case.said, "timeout")
    assert s.message == error.partial


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("wire", "first", "drip"),
    [
        ("openai", b"", KEEPALIVE),
        ("openai", b"", chunked(b"\n")),
        ("openai", HEL, KEEPALIVE),
        ("openai", HEL, chunked(sse(say("")))),
        ("anthropic", chunked(messages(message_start())), PING),
        ("anthropic", b"", PING),
    ],
    ids=["comments", "blank lines", "comments later", "empty text later", "pings", "pings first"],
)
@pytest.mark.parametrize("phase", ["token", "total"])
def test_keepalives_are_no_progress(face: Face, wire: str, first: bytes, drip: bytes, phase: str, serve: Serve) -> None:
    server = serve([head() + first, Drip(drip)])
    times = (60, 60, 0.5) if phase == "total" else (60, 0.1, None) if first == HEL else (0.1, 60, None)
    case = Case(server, **ask(server, wire, timeouts=times))
    s = make(face, case)
    error = ended(face, case, s)
    assert isinstance(error, StreamTimeoutError)
    expected = "total" if phase == "total" else "idle" if first == HEL else "first_token"
    assert error.info.phase == expected
    assert s.message.text == ("Hel" if first == HEL else "")


@pytest.mark.parametrize("face", FACES)
def test_tokens_move_the_idle_timeout_on(face: Face, serve: Serve) -> None:
    # each token within the time, all of them together far beyond it
    server = serve([head(), Drip(chunked(sse(say("x"))))])
    case = Case(server, **ask(server, timeouts=(10, 0.6, None)))
    s = bounded(make(face, case), None, {"chars": 40})
    assert ended(face, case, s) is None
    assert (s.message.outcome, s.message.text) == ("stopped", "x" * 40)


# -- what a gate holds back


@pytest.mark.parametrize("face", FACES)
def test_the_model_is_not_asked_for_more_than_was_wanted(face: Face, serve: Serve) -> None:
    gate = Gate()
    server = serve([head() + HEL, gate, HEL * 1000])
    case = Case(server, **ask(server))
    s = bounded(make(face, case), "Hel")
    assert ended(face, case, s) is None
    gate.open()
    assert server.peers[0].written == len(head() + HEL)
