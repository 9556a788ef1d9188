"""Waiting, when the reader itself is slow: what had come in the meantime counts before a timer that is due.

The sleeps here are the fault: a reader that is busy with something else for longer than the server may be silent.
"""

import asyncio
import time
from collections.abc import Callable

import pytest

import headrace
from tests.faces import FACES, Face, ask
from tests.servers import LAST, STALL, Gate, Server, chunked, head
from tests.wire.streams import DONE, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

BUSY_S = 0.15
IDLE_S = 0.05


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("total", [None, 60])
def test_a_reader_that_is_busy_for_longer_than_the_idle_timeout(face: Face, total: float | None, serve: Serve) -> None:
    gates = [Gate() for _ in range(3)]
    script = [head() + chunked(sse(say("0")))]
    for n, gate in enumerate(gates, 1):
        script += [gate, chunked(sse(say(str(n))))]  # type: ignore[list-item]
    server = serve([*script, chunked(sse(say("!", "stop"), DONE)) + LAST])
    options = ask(server, timeouts=(10, IDLE_S, total))
    texts: list[str] = []

    def busy(text: str) -> None:
        texts.append(text)
        if len(texts) <= len(gates):
            gates[len(texts) - 1].open()
            time.sleep(BUSY_S)

    def blocking() -> None:
        with headrace.stream(**options) as s:
            for text in s.text_stream:
                busy(text)

    async def asynchronous() -> None:
        async with headrace.astream(**options) as s:
            async for text in s.text_stream:
                busy(text)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert "".join(texts) == "0123!"


async def test_a_loop_that_is_busy_while_its_reader_waits(serve: Serve) -> None:
    # the data and the timer are due in one turn of the loop, and again data comes before the next read
    first, second = Gate(), Gate()
    server = serve(
        [head() + chunked(sse(say("0"))), first, chunked(sse(say("1"))), second, chunked(sse(say("2"))), STALL]
    )
    texts: list[str] = []
    waits = asyncio.Event()

    async def block_the_loop() -> None:
        await waits.wait()
        await asyncio.sleep(0)
        first.open()
        time.sleep(BUSY_S)

    blocking = asyncio.create_task(block_the_loop())
    async with headrace.astream(**ask(server, timeouts=(10, IDLE_S, None))).limit(chars=3) as s:
        async for text in s.text_stream:
            texts.append(text)
            waits.set()
            if text == "1":
                size = server.peers[0].written
                second.open()
                while server.peers[0].written == size:
                    await asyncio.sleep(0.001)
    await blocking
    assert texts == ["0", "1", "2"]
    assert s.message.outcome == "stopped"


async def test_a_timer_that_fires_while_nobody_waits(serve: Serve) -> None:
    gate = Gate()
    server = serve([head() + chunked(sse(say("0"))), gate, chunked(sse(say("1", "stop"), DONE)) + LAST])
    async with headrace.astream(**ask(server, timeouts=(0.3, 10, None))) as s:
        assert await anext(s.text_stream) == "0"
        await asyncio.sleep(0.4)
        gate.open()
        assert await s.get_final_text() == "01"
