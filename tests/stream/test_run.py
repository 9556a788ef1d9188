"""Callbacks: what is called when, what a callback that raises does, and that nothing stays open."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import End, HeadraceError, Message, PartDelta, TruncatedError, UsageError
from tests.faces import FACES, Face, ask, stream_of
from tests.servers import LAST, STALL, Gate, Server, chunked, head, open_sockets, whole
from tests.wire.streams import DONE, choice, chunk, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

GOOD = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), DONE)


class Calls:
    """What was called, in order; as plain functions or as coroutine functions."""

    def __init__(self, *, later: bool = False) -> None:
        self.seen: list[Any] = []
        self._later = later

    def _noting(self, name: str) -> Any:
        def plain(value: Any) -> None:
            self.seen.append((name, value))

        async def later(value: Any) -> None:
            await asyncio.sleep(0)
            plain(value)

        return later if self._later else plain

    @property
    def all(self) -> dict[str, Any]:
        return {name: self._noting(name) for name in ("on_text", "on_event", "on_done", "on_error")}

    def of(self, name: str) -> list[Any]:
        return [value for kind, value in self.seen if kind == name]


def run(face: Face, stream: Any, **callbacks: Any) -> Message:
    async def asynchronous() -> Message:
        message: Message = await stream.run(**callbacks)
        return message

    return stream.run(**callbacks) if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize(("face", "later"), [("sync", False), ("async", False), ("async", True)])
def test_what_is_called(face: Face, later: bool, serve: Serve) -> None:
    calls = Calls(later=later)
    message = run(face, stream_of(face, **ask(serve(whole(GOOD)))), **calls.all)
    assert message.text == "Hello"
    assert calls.of("on_text") == ["Hel", "lo"]
    assert calls.of("on_done") == [message]
    assert calls.of("on_error") == []
    assert isinstance(calls.of("on_event")[-1], End)
    deltas = [i for i, (name, value) in enumerate(calls.seen) if name == "on_event" and isinstance(value, PartDelta)]
    assert [calls.seen[i + 1] for i in deltas] == [("on_text", "Hel"), ("on_text", "lo")]
    assert calls.seen[-1][0] == "on_done"


@pytest.mark.parametrize("face", FACES)
def test_no_callback_at_all(face: Face, serve: Serve) -> None:
    assert run(face, stream_of(face, **ask(serve(whole(GOOD))))).outcome == "complete"


@pytest.mark.parametrize("face", FACES)
def test_a_bound_is_a_good_end(face: Face, serve: Serve) -> None:
    calls = Calls()
    stream = stream_of(face, **ask(serve([head(), chunked(sse(say("Hello"))), STALL]))).until("ll")
    assert run(face, stream, **calls.all).outcome == "stopped"
    assert [m.text for m in calls.of("on_done")] == ["Hell"]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ["on_text", "on_event", "on_done"])
@pytest.mark.parametrize("own", [False, True])
def test_a_callback_that_raises(face: Face, name: str, own: bool, serve: Serve, no_collector: None) -> None:
    # an error of our own kind, raised by a callback, is the callback's all the same
    error: Exception = HeadraceError("mine") if own else ZeroDivisionError("mine")

    def fail(_: object) -> None:
        raise error

    failed: list[HeadraceError] = []
    server = serve([head(), chunked(GOOD), LAST] if name == "on_done" else [head(), chunked(sse(say("Hi"))), STALL])
    with pytest.raises(type(error)) as caught:
        run(face, stream_of(face, **ask(server)), **{name: fail}, on_error=failed.append)
    assert caught.value is error
    assert [entry.name for entry in caught.traceback][-1] == "fail"
    assert failed == []
    assert server.peers[0].wait_gone()
    assert open_sockets(server.port) == 0


@pytest.mark.parametrize(("face", "later"), [("sync", False), ("async", False), ("async", True)])
def test_an_end_that_failed(face: Face, later: bool, serve: Serve) -> None:
    calls = Calls(later=later)
    server = serve([head(), chunked(sse(say("Hel"))), LAST])
    message = run(face, stream_of(face, **ask(server)), **calls.all)
    [error] = calls.of("on_error")
    assert isinstance(error, TruncatedError)
    assert error.partial.text == message.text == "Hel"
    assert calls.of("on_done") == []
    with pytest.raises(TruncatedError):
        run(face, stream_of(face, **ask(server)), on_text=print)


@pytest.mark.parametrize("face", FACES)
def test_a_request_that_was_refused(face: Face, serve: Serve) -> None:
    calls = Calls()
    server = serve([head(401, "application/json", framing="2") + b"{}"])
    run(face, stream_of(face, **ask(server)), **calls.all)
    assert [type(e) for e in calls.of("on_error")] == [headrace.AuthenticationError]
    assert calls.of("on_event") == []


@pytest.mark.parametrize("face", FACES)
def test_within_a_block(face: Face, serve: Serve) -> None:
    """What was read before is not called for; what is left is."""
    calls = Calls()
    stream = stream_of(face, **ask(serve(whole(GOOD))))

    def blocking() -> None:
        with stream as s:
            assert next(s.text_stream) == "Hel"
            s.run(**calls.all)

    async def asynchronous() -> None:
        async with stream as s:
            assert await anext(s.text_stream) == "Hel"
            await s.run(**calls.all)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert calls.of("on_text") == ["lo"]
    assert calls.of("on_done")[0].text == "Hello"
    with pytest.raises(UsageError, match="was left"):
        run(face, stream)


@pytest.mark.parametrize("face", FACES)
def test_cancelling_from_a_callback(face: Face, serve: Serve) -> None:
    calls = Calls()
    server = serve([head(), chunked(sse(say("Hi"))), STALL])
    stream = stream_of(face, **ask(server))
    message = run(face, stream, on_text=lambda _: stream.cancel(), on_done=calls.all["on_done"])
    assert message.outcome == "cancelled"
    assert calls.of("on_done") == [message]
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_what_is_no_callback(face: Face, serve: Serve) -> None:
    server = serve(whole(GOOD))
    with pytest.raises(UsageError, match="on_text must be a function, not str"):
        run(face, stream_of(face, **ask(server)), on_text="print")
    assert server.peers == []


class Awaitable:
    async def __call__(self, _: object) -> None: ...


@pytest.mark.parametrize("callback", [Calls(later=True).all["on_text"], Awaitable()])
def test_blocking_code_cannot_await(callback: Any, serve: Serve) -> None:
    server = serve(whole(GOOD))
    with pytest.raises(UsageError, match="on_done is a coroutine function"):
        stream_of("sync", **ask(server)).run(on_done=callback)
    assert server.peers == []


def test_what_a_blocking_callback_gave_is_not_awaited(serve: Serve) -> None:
    async def later() -> None: ...

    for given in ("on_text", "on_event", "on_done"):
        server = serve(whole(GOOD))
        with pytest.raises(UsageError, match="something to await"):
            stream_of("sync", **ask(server)).run(**{given: lambda _: later()})


def test_a_slow_callback_holds_the_stream_back(serve: Serve) -> None:
    """The next event is not asked for before the callback has ended."""
    gate = Gate()
    server = serve(
        [head(), chunked(sse(say("a"))), gate, chunked(sse(say("b"), chunk(choice(finish="stop")), DONE)), LAST]
    )
    seen: list[str] = []

    async def slowly(text: str) -> None:
        gate.open()
        await asyncio.sleep(0)
        seen.append(text)

    run("async", stream_of("async", **ask(server)), on_text=slowly)
    assert seen == ["a", "b"]
