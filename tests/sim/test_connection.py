"""The simulation as a connection: it waits, it is cut, it ends, as a real one does."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace.errors import BrokenStreamError
from headrace.sim.connection import AsyncSimulation, BlockingSimulation
from headrace.sim.play import Call, Piece
from headrace.sim.provider import play
from headrace.transport.base import WaitExpired
from headrace.wire.registry import HTTPRequest

PATIENCE_S = 30.0  # a bound on a hang, never a measure
LONG = "x;seed=7;speed=max;words=3000"
SILENT = "sim/x;seed=7;first=3600"  # no headers for long
STUCK = "sim/x;seed=7;first=0;rate=0.01"  # a minute and more between two tokens


def request(model: str = LONG) -> HTTPRequest:
    asked = {"model": model, "messages": [{"role": "user", "content": "Tell me about rain"}], "stream": True}
    return HTTPRequest("POST", "sim:/chat/completions", {}, json.dumps(asked).encode())


def said(model: str = LONG) -> bytes:
    """Give all that is answered, whatever its times."""
    steps = play(Call(body=request(model).body)).steps
    return b"".join(step.data for step in steps if isinstance(step, Piece))


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def until_async(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0)


def is_waiting(simulation: Any) -> bool:
    """Tell whether a thread waits in the simulation."""
    return bool(simulation._cut._cond._waiters)


# -- reading


def read_all(simulation: BlockingSimulation) -> list[bytes]:
    chunks: list[bytes] = []
    while chunk := simulation.read(None):
        chunks.append(chunk)
    return chunks


def test_what_is_due_comes_in_one_read_as_from_a_socket() -> None:
    simulation = BlockingSimulation()
    head = simulation.open(request(), None)
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert head.headers["x-request-id"].startswith("req_sim_")
    chunks = read_all(simulation)
    assert b"".join(chunks) == said()
    assert len(chunks) > 3
    assert {len(chunk) for chunk in chunks[:-1]} == {16 * 1024}
    assert simulation.read(None) == b""


async def test_async_reads_are_the_same() -> None:
    simulation = AsyncSimulation()
    head = await simulation.open(request(), None)
    assert head.status == 200
    chunks: list[bytes] = []
    while chunk := await simulation.read(None):
        chunks.append(chunk)
    assert b"".join(chunks) == said()
    assert {len(chunk) for chunk in chunks[:-1]} == {16 * 1024}
    assert await simulation.read(None) == b""


def test_pace_changes_no_byte() -> None:
    model = "x;seed=7;first=0.02;rate=4000;words=20"
    simulation = BlockingSimulation()
    simulation.open(request(model), PATIENCE_S)
    chunks: list[bytes] = []
    while chunk := simulation.read(PATIENCE_S):
        chunks.append(chunk)
    assert b"".join(chunks) == said(model)


async def test_pace_changes_no_text() -> None:
    async with headrace.astream("sim/x;seed=7;first=0.02;rate=4000;words=20", "Tell me about rain") as s:
        text = await s.get_final_text()
    with headrace.stream("sim/x;seed=7;speed=max;words=20", "Tell me about rain") as fast:
        assert fast.get_final_text() == text


async def test_other_tasks_run_beside_an_answer_without_pauses() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    async with headrace.astream(f"sim/{LONG}", "Tell me about rain") as s:
        await s.get_final_text()
    counting.cancel()
    assert turns > 10


# -- waiting no longer than allowed


@pytest.mark.parametrize("wait_s", [0.0, 0.02])
def test_the_wait_is_bounded(wait_s: float) -> None:
    simulation = BlockingSimulation()
    with pytest.raises(WaitExpired):
        simulation.open(request("x;first=3600"), wait_s)
    simulation = BlockingSimulation()
    simulation.open(request("x;seed=7;first=0;rate=0.01"), wait_s)
    assert b'"role":"assistant"' in simulation.read(wait_s)
    with pytest.raises(WaitExpired):
        simulation.read(wait_s)
    with pytest.raises(WaitExpired):
        simulation.read(wait_s)


@pytest.mark.parametrize("wait_s", [0.0, 0.02])
async def test_the_wait_of_a_task_is_bounded(wait_s: float) -> None:
    simulation = AsyncSimulation()
    with pytest.raises(WaitExpired):
        await simulation.open(request("x;first=3600"), wait_s)
    simulation = AsyncSimulation()
    await simulation.open(request("x;seed=7;first=0;rate=0.01"), wait_s)
    assert b'"role":"assistant"' in await simulation.read(wait_s)
    with pytest.raises(WaitExpired):
        await simulation.read(wait_s)


TIMEOUTS = [
    (SILENT, (0.05, None, None), "first_token"),
    (STUCK, (None, 0.05, None), "idle"),
    (STUCK, (None, None, 0.05), "total"),
]


@pytest.mark.parametrize(("model", "timeouts", "phase"), TIMEOUTS)
def test_timeouts_end_it(model: str, timeouts: Any, phase: str) -> None:
    stream = headrace.stream(model, "hi", timeouts=timeouts)
    with pytest.raises(headrace.StreamTimeoutError) as caught, stream as s:
        s.get_final_text()
    assert caught.value.info.phase == phase
    assert stream.message.outcome == "timeout"
    assert bool(stream.message.text) == (model == STUCK)


@pytest.mark.parametrize(("model", "timeouts", "phase"), TIMEOUTS)
async def test_timeouts_end_it_in_async_code(model: str, timeouts: Any, phase: str) -> None:
    stream = headrace.astream(model, "hi", timeouts=timeouts)
    with pytest.raises(headrace.StreamTimeoutError) as caught:
        async with stream as s:
            await s.get_final_text()
    assert caught.value.info.phase == phase


def test_a_limit_of_seconds_ends_it() -> None:
    with headrace.stream(STUCK, "hi").limit(seconds=0.05) as s:
        assert s.get_final_message().outcome == "stopped"


# -- cutting


@pytest.mark.parametrize("model", [SILENT, STUCK])
def test_a_cancel_from_another_thread_wakes_the_reader(model: str) -> None:
    simulation = BlockingSimulation()
    ends: list[str] = []

    def read() -> None:
        try:
            simulation.open(request(model.removeprefix("sim/")), None)
            read_all(simulation)
        except BrokenStreamError as error:
            ends.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: is_waiting(simulation))
    simulation.cut()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert ends == ["the stream was cut by its reader"]


@pytest.mark.parametrize("model", [SILENT, STUCK])
def test_a_cancelled_stream_ends_quietly_and_keeps_what_it_had(model: str) -> None:
    stream = headrace.stream(model, "hi")
    done: list[Any] = []

    def read() -> None:
        with stream as s:
            done.extend(s)

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: is_waiting(stream._connection))
    stream.cancel()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert isinstance(done[-1], headrace.End)
    assert stream.message.outcome == "cancelled"
    assert bool(stream.message.text) == (model == STUCK)


@pytest.mark.parametrize("model", [SILENT, STUCK])
@pytest.mark.parametrize("who", ["task", "thread"])
async def test_a_cancel_wakes_the_task_that_reads(model: str, who: str) -> None:
    stream = headrace.astream(model, "hi")

    async def read() -> Any:
        async with stream as s:
            return [event async for event in s]

    reading = asyncio.create_task(read())
    connection: Any = stream._connection
    await until_async(lambda: connection._waiter)
    if who == "task":
        stream.cancel()
    else:
        await asyncio.to_thread(stream.cancel)
    events = await asyncio.wait_for(reading, PATIENCE_S)
    assert isinstance(events[-1], headrace.End)
    assert stream.message.outcome == "cancelled"


async def test_a_task_that_is_cancelled_leaves_nothing_behind() -> None:
    stream = headrace.astream(STUCK, "hi")

    async def read() -> None:
        async with stream as s:
            await s.get_final_text()

    reading = asyncio.create_task(read())
    connection: Any = stream._connection
    await until_async(lambda: connection._waiter)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert connection._waiter is None
    assert stream.message.outcome == "cancelled"


def test_a_cut_before_it_opens() -> None:
    simulation = BlockingSimulation()
    simulation.cut()
    simulation.cut()
    with pytest.raises(BrokenStreamError, match="cut by its reader"):
        simulation.open(request(), None)


async def test_a_cut_before_it_opens_in_async_code() -> None:
    simulation = AsyncSimulation()
    simulation.cut()
    simulation.cut()
    with pytest.raises(BrokenStreamError, match="cut by its reader"):
        await simulation.open(request(), None)


async def test_a_cut_after_the_wait_is_over_changes_nothing_twice() -> None:
    simulation = AsyncSimulation()
    await simulation.open(request("x;seed=7;first=0;rate=0.01"), None)
    await simulation.read(None)
    reading = asyncio.create_task(simulation.read(None))
    await until_async(lambda: simulation._waiter)
    simulation.cut()
    simulation.cut()
    with pytest.raises(BrokenStreamError):
        await reading


# -- closing


def test_it_is_closed_once_and_for_all() -> None:
    simulation = BlockingSimulation()
    simulation.close(reuse=False)
    simulation.open(request(), None)
    simulation.close(reuse=True)
    simulation.close(reuse=False)
    with pytest.raises(BrokenStreamError, match="closed"):
        simulation.read(None)


async def test_it_is_closed_once_and_for_all_in_async_code() -> None:
    simulation = AsyncSimulation()
    await simulation.close(reuse=False)
    await simulation.open(request(), None)
    await simulation.close(reuse=True)
    await simulation.close(reuse=False)
    with pytest.raises(BrokenStreamError, match="closed"):
        await simulation.read(None)


def test_leaving_the_block_ends_the_simulation() -> None:
    with headrace.stream(STUCK, "hi") as s:
        for _ in s.text_stream:
            break
    assert s.message.outcome == "cancelled"
    connection: Any = s._connection
    with pytest.raises(BrokenStreamError, match="closed"):
        connection.read(None)
