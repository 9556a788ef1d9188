"""Leaving what was adopted closes it: now, while the other side is silent, and with the garbage collector off.

What is held stays in a name, and its client open, until the socket was seen to be gone.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import HeadraceError, PartDelta, StreamTimeoutError
from tests.adopt.holding import ASYNC, KINDS, SYNC, each_wire
from tests.adopt.test_sources import BEGUN, WHOLE
from tests.faces import Face, bounded
from tests.servers import GONE_S, LAST, STALL, Drip, Gate, Server, chunked, head, open_sockets, whole
from tests.wire.streams import messages

pytestmark = pytest.mark.usefixtures("bare", "no_collector")

Serve = Callable[..., Server]

BOTH = each_wire(KINDS)


def silent(serve: Serve, wire: str) -> Server:
    """Serve an answer that begins, and then nothing more."""
    return serve([head() + chunked(BEGUN[wire]), STALL])


async def none_open(port: int) -> int:
    """Count the sockets after the loop has had its turns to close what was closed."""
    for _ in range(5):
        await asyncio.sleep(0)
    return open_sockets(port)


@pytest.mark.parametrize(("face", "kind", "wire"), BOTH)
def test_break(face: Face, kind: str, wire: str, serve: Serve) -> None:
    server = silent(serve, wire)

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            with headrace.adopt(source) as s:
                for _ in s.text_stream:
                    break
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0
        return s

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            async with headrace.adopt(source) as s:
                async for _ in s.text_stream:
                    break
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0
        return s

    s = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert (s.message.outcome, s.message.text) == ("cancelled", "Hel")


@pytest.mark.parametrize(("face", "kind"), KINDS)
def test_an_exception_in_the_block(face: Face, kind: str, serve: Serve) -> None:
    server = silent(serve, "anthropic" if kind.startswith("anthropic") else "openai-chat")

    def blocking() -> None:
        with SYNC[kind](server) as source:
            with pytest.raises(ZeroDivisionError):
                with headrace.adopt(source):
                    raise ZeroDivisionError
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with ASYNC[kind](server) as source:
            with pytest.raises(ZeroDivisionError):
                async with headrace.adopt(source):
                    raise ZeroDivisionError
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize(("face", "kind", "wire"), BOTH)
def test_cancel_from_another_thread_wakes_the_reader(face: Face, kind: str, wire: str, serve: Serve) -> None:
    server = silent(serve, wire)
    reached = threading.Event()
    held: list[Any] = []

    def cancel() -> None:
        assert reached.wait(GONE_S)
        held[0].cancel()

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            with headrace.adopt(source) as s:
                held.append(s)
                for event in s:
                    if isinstance(event, PartDelta):
                        reached.set()
                assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0
        return s

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            async with headrace.adopt(source) as s:
                held.append(s)
                async for event in s:
                    if isinstance(event, PartDelta):
                        reached.set()
                assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0
        return s

    thread = threading.Thread(target=cancel)
    thread.start()
    s = blocking() if face == "sync" else asyncio.run(asynchronous())
    thread.join()
    assert (s.message.outcome, s.message.text) == ("cancelled", "Hel")


@pytest.mark.parametrize("kind", ASYNC)
def test_a_cancelled_task(kind: str, serve: Serve) -> None:
    server = silent(serve, "anthropic" if kind.startswith("anthropic") else "openai-chat")

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            s: Any = headrace.adopt(source)
            reached = asyncio.Event()

            async def reading() -> None:
                async with s:
                    async for event in s:
                        if isinstance(event, PartDelta):
                            reached.set()

            task = asyncio.create_task(reading())
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0
            return s

    assert asyncio.run(asynchronous()).message.outcome == "cancelled"


PHASES = {"first_token": (0.05, None, None), "idle": (None, 0.05, None), "total": (None, None, 0.05)}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("face", "kind", "wire"), BOTH)
def test_timeouts(face: Face, kind: str, wire: str, phase: str, serve: Serve) -> None:
    script = [head() + chunked(BEGUN[wire]), STALL] if phase == "idle" else [head() + chunked(b": hi\n\n"), STALL]
    server = serve(script)

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            s: Any = headrace.adopt(source, timeouts=PHASES[phase])
            with pytest.raises(StreamTimeoutError) as caught:
                with s:
                    s.get_final_text()
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0
        return caught.value

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            s: Any = headrace.adopt(source, timeouts=PHASES[phase])
            with pytest.raises(StreamTimeoutError) as caught:
                async with s:
                    await s.get_final_text()
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0
        return caught.value

    error = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert error.info.phase == phase
    assert error.partial.outcome == "timeout"


@pytest.mark.parametrize(("face", "kind", "wire"), BOTH)
def test_keepalives_are_no_progress(face: Face, kind: str, wire: str, serve: Serve) -> None:
    alive = messages({"type": "ping"}) if wire == "anthropic" else b": keepalive\n\n"
    server = serve([head() + chunked(BEGUN[wire]), Drip(chunked(alive), every_s=0.005)])

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            with pytest.raises(StreamTimeoutError) as caught:
                with headrace.adopt(source, timeouts=(None, 0.05, None)) as s:
                    s.get_final_text()
        return caught.value

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            with pytest.raises(StreamTimeoutError) as caught:
                async with headrace.adopt(source, timeouts=(None, 0.05, None)) as s:
                    await s.get_final_text()
        return caught.value

    error = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert error.info.phase == "idle"
    assert error.partial.text == "Hel"


@pytest.mark.parametrize(("face", "kind", "wire"), BOTH)
def test_a_condition_closes_it(face: Face, kind: str, wire: str, serve: Serve) -> None:
    server = silent(serve, wire)

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            with bounded(headrace.adopt(source), until="Hel") as s:
                assert s.get_final_text() == "Hel"
                assert server.peers[0].wait_gone()
                assert open_sockets(server.port) == 0
        return s

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            async with bounded(headrace.adopt(source), until="Hel") as s:
                assert await s.get_final_text() == "Hel"
                assert await asyncio.to_thread(server.peers[0].wait_gone)
                assert await none_open(server.port) == 0
        return s

    s = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert s.message.outcome == "stopped"


@pytest.mark.parametrize(("face", "kind"), KINDS)
def test_a_limit_in_seconds(face: Face, kind: str, serve: Serve) -> None:
    server = silent(serve, "anthropic" if kind.startswith("anthropic") else "openai-chat")

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            with headrace.adopt(source).limit(seconds=0.05) as s:
                return s.get_final_message()

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            async with headrace.adopt(source).limit(seconds=0.05) as s:
                return await s.get_final_message()

    message = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert message.outcome == "stopped"


@pytest.mark.parametrize(("face", "kind"), KINDS)
def test_cancelled_before_it_is_entered(face: Face, kind: str, serve: Serve) -> None:
    server = silent(serve, "anthropic" if kind.startswith("anthropic") else "openai-chat")

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            s: Any = headrace.adopt(source)
            s.cancel()
            with s:
                assert s.get_final_message().outcome == "cancelled"
            assert server.peers[0].wait_gone()

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            s: Any = headrace.adopt(source)
            s.cancel()
            async with s:
                assert (await s.get_final_message()).outcome == "cancelled"
            assert await asyncio.to_thread(server.peers[0].wait_gone)

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize(("face", "kind"), KINDS)
def test_closed_without_being_entered(face: Face, kind: str, serve: Serve) -> None:
    server = silent(serve, "anthropic" if kind.startswith("anthropic") else "openai-chat")

    def blocking() -> Any:
        with SYNC[kind](server) as source:
            s: Any = headrace.adopt(source)
            s.close()
            s.close()
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0

    async def asynchronous() -> Any:
        async with ASYNC[kind](server) as source:
            s: Any = headrace.adopt(source)
            await s.aclose()
            await s.aclose()
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())


# an iterator's connection is not known to be one, and is closed; http.client has no pool
POOLED = [(f, k, w) for f, k, w in BOTH if k.partition(" ")[2] in ("", "helper", "raw") and k != "http.client"]


@pytest.mark.parametrize(("face", "kind", "wire"), POOLED)
def test_a_whole_answer_s_connection_is_kept(face: Face, kind: str, wire: str, serve: Serve) -> None:
    # its last frame comes before the body's end: the end is waited for a moment
    body, gate = WHOLE[wire], Gate()
    server = serve([head() + chunked(body), gate, LAST])

    def blocking() -> None:
        with SYNC[kind](server) as source:
            with headrace.adopt(source) as s:
                for event in s:
                    if isinstance(event, headrace.End):
                        gate.open()
            assert s.message.outcome == "complete"
            assert not server.peers[0].gone.is_set()
            assert open_sockets(server.port) == 1

    async def asynchronous() -> None:
        async with ASYNC[kind](server) as source:
            async with headrace.adopt(source) as s:
                async for event in s:
                    if isinstance(event, headrace.End):
                        gate.open()
            assert s.message.outcome == "complete"
            assert not server.peers[0].gone.is_set()
            assert await none_open(server.port) == 1

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize(("face", "kind"), KINDS)
def test_a_body_that_does_not_end_is_not_waited_for(face: Face, kind: str, serve: Serve) -> None:
    wire = "anthropic" if kind.startswith("anthropic") else "openai-chat"
    server = serve([head() + chunked(WHOLE[wire]), STALL])

    def blocking() -> None:
        with SYNC[kind](server) as source:
            with headrace.adopt(source) as s:
                assert s.get_final_message().outcome == "complete"
            assert server.peers[0].wait_gone()
            assert open_sockets(server.port) == 0

    async def asynchronous() -> None:
        async with ASYNC[kind](server) as source:
            async with headrace.adopt(source) as s:
                assert (await s.get_final_message()).outcome == "complete"
            assert await asyncio.to_thread(server.peers[0].wait_gone)
            assert await none_open(server.port) == 0

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("kind", SYNC)
def test_no_thread_without_a_deadline_and_none_after(kind: str, serve: Serve) -> None:
    wire = "anthropic" if kind.startswith("anthropic") else "openai-chat"
    server = serve(whole(WHOLE[wire]))

    def dogs() -> int:
        return sum(thread.name == "headrace-watchdog" for thread in threading.enumerate())

    for timeouts in (None, (30, 30, 30)):
        with SYNC[kind](server) as source:
            with headrace.adopt(source, timeouts=timeouts) as s:
                for _ in s.text_stream:
                    assert dogs() == int(timeouts is not None)
            assert dogs() == 0


@pytest.mark.parametrize("face", ["sync", "async"])
def test_merged_with_others(face: Face, serve: Serve) -> None:
    server, other = serve(whole(WHOLE["openai-chat"])), silent(serve, "openai-chat")

    def blocking() -> dict[str, str]:
        with SYNC["openai"](server) as one, SYNC["requests"](other) as two:
            texts = {"one": "", "two": ""}
            both = {"one": headrace.adopt(one), "two": headrace.adopt(two).limit(chars=3)}
            with headrace.merge(both) as m:
                for label, event in m:
                    texts[label] += event.text if isinstance(event, PartDelta) else ""
        return texts

    async def asynchronous() -> dict[str, str]:
        async with ASYNC["openai"](server) as one, ASYNC["aiohttp"](other) as two:
            texts = {"one": "", "two": ""}
            both = {"one": headrace.adopt(one), "two": headrace.adopt(two).limit(chars=3)}
            async with headrace.merge(both) as m:
                async for label, event in m:
                    texts[label] += event.text if isinstance(event, PartDelta) else ""
        return texts

    texts = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert texts["two"] == "Hel"
    assert texts["one"].startswith("Grüße")
    assert other.peers[0].wait_gone()


@pytest.mark.parametrize("face", ["sync", "async"])
def test_callbacks(face: Face, serve: Serve) -> None:
    server = serve(whole(WHOLE["openai-chat"]))
    texts: list[str] = []

    def blocking() -> Any:
        with SYNC["httpx"](server) as source:
            return headrace.adopt(source).run(on_text=texts.append)

    async def asynchronous() -> Any:
        async with ASYNC["httpx"](server) as source:
            return await headrace.adopt(source).run(on_text=texts.append)

    message = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert "".join(texts) == message.text != ""


def test_the_error_of_a_source_is_the_cause(serve: Serve) -> None:
    server = serve([head() + chunked(BEGUN["openai-chat"]), "close"])
    with SYNC["httpx"](server) as source:
        with pytest.raises(HeadraceError) as caught:
            with headrace.adopt(source) as s:
                s.get_final_text()
    assert type(caught.value.__cause__).__name__ == "RemoteProtocolError"
