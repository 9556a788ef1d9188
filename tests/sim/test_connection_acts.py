"""The simulation as a connection: what is done to it shows as the transports show it, in a thread as in a task."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.errors import BrokenStreamError, ConnectError
from headrace.sim.connection import AsyncSimulation, BlockingSimulation
from headrace.sim.play import Act, Call, Head, Piece, Play, Step
from headrace.transport.base import WaitExpired
from headrace.wire.registry import HTTPRequest

PATIENCE_S = 30.0  # a bound on a hang, never a measure
HEAD = Head(headers=(("x", "y"),))
REQUEST = HTTPRequest("POST", "sim:/chat/completions", {}, b"{}")


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Source:
    """Answers with one play; it notes the call, and whether the steps were closed."""

    def __init__(self, *steps: Step, head: Head | None = HEAD) -> None:
        self.calls: list[Call] = []
        self.closed = False
        self._steps = steps
        self._head = head

    def play(self, call: Call) -> Play:
        self.calls.append(call)
        return Play(head=self._head, steps=self._play())

    def _play(self) -> Iterator[Step]:
        try:
            yield from self._steps
        finally:
            self.closed = True


def outcome(source: Source, wait_s: float | None = PATIENCE_S) -> tuple[list[bytes], str]:
    """Read until the end, in a thread and in a task; both must find the same."""
    simulation, chunks = BlockingSimulation(source), list[bytes]()
    try:
        simulation.open(REQUEST, wait_s)
        while chunk := simulation.read(wait_s):
            chunks.append(chunk)
        end = "end"
        assert simulation.read(wait_s) == b""
    except (ConnectError, BrokenStreamError, WaitExpired) as error:
        end = f"{type(error).__name__}: {error}"
    simulation.close(reuse=False)

    async def again() -> None:
        simulation, found = AsyncSimulation(source), list[bytes]()
        ended = "end"
        try:
            await simulation.open(REQUEST, wait_s)
            while chunk := await simulation.read(wait_s):
                found.append(chunk)
        except (ConnectError, BrokenStreamError, WaitExpired) as error:
            ended = f"{type(error).__name__}: {error}"
        assert (found, ended) == (chunks, end)
        await simulation.close(reuse=False)

    asyncio.run(again())
    return chunks, end


A, B = Piece(0.0, b"a"), Piece(0.0, b"b")
RESET = "BrokenStreamError: the connection broke: [Errno 104] Connection reset by peer"
MIDDLE = "BrokenStreamError: the connection broke: the server closed it in the middle of the body"
NO_ANSWER = "BrokenStreamError: the connection broke: the server closed it without an answer"


@pytest.mark.parametrize(
    ("kind", "end"),
    [("eof", "end"), ("close", MIDDLE), ("reset", RESET), ("stall", "WaitExpired: "), ("hold", "WaitExpired: ")],
)
def test_what_is_done_comes_after_what_was_said(kind: Any, end: str) -> None:
    source = Source(A, B, Act(0.0, kind))
    assert outcome(source, 0.02 if end.startswith("Wait") else PATIENCE_S) == ([b"ab"], end)
    assert source.closed


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("eof", NO_ANSWER),
        ("close", NO_ANSWER),
        ("reset", RESET),
        ("refuse", "ConnectError: no connection to the simulation: Connection refused"),
        ("stall", "WaitExpired: "),
    ],
)
def test_what_is_done_before_the_head(kind: Any, end: str) -> None:
    wait_s = 0.02 if end.startswith("Wait") else PATIENCE_S
    assert outcome(Source(Act(0.0, kind), head=None), wait_s) == ([], end)
    assert outcome(Source(Act(0.0, kind), head=Head(at_s=0.01)), wait_s) == ([], "end" if kind == "eof" else end)


def test_no_step_before_the_head_is_no_answer() -> None:
    assert outcome(Source(head=None)) == ([], NO_ANSWER)


def test_a_body_that_may_end_with_the_connection() -> None:
    assert outcome(Source(A, Act(0.0, "close"), head=Head(framing="close"))) == ([b"a"], "end")
    assert outcome(Source(A, Act(0.0, "close"), head=Head(framing="length"))) == ([b"a"], MIDDLE)


def test_what_is_alone_comes_alone() -> None:
    alone = Piece(0.0, b"-", alone=True)
    assert outcome(Source(A, B, alone, alone, A, B)) == ([b"ab", b"-", b"-", b"ab"], "end")


def test_what_is_alone_and_large_comes_in_several_reads() -> None:
    large = Piece(0.0, b"x" * 40_000, alone=True)
    chunks, end = outcome(Source(large, A))
    assert [len(chunk) for chunk in chunks] == [16384, 16384, 7233]
    assert end == "end"


def test_a_head_in_drips() -> None:
    slow = Head(headers=(("x", "y"),), drip_s=3600.0)
    assert outcome(Source(A, head=slow), 0.0) == ([], "WaitExpired: ")
    assert outcome(Source(A, Act(7200.0, "close"), head=slow), 0.0) == ([], "WaitExpired: ")
    assert outcome(Source(Act(0.01, "close"), head=slow)) == ([], NO_ANSWER)
    assert outcome(Source(A, head=Head(drip_s=0.0001))) == ([b"a"], "end")


@pytest.mark.parametrize(
    ("url", "path"), [("sim:/chat/completions", "/v1/chat/completions"), ("sim:/v1/messages", "/v1/messages")]
)
def test_the_call(url: str, path: str) -> None:
    source = Source()
    simulation = BlockingSimulation(source)
    head = simulation.open(HTTPRequest("POST", url, {"a": "b"}, b"{}"), None)
    assert (head.status, head.headers) == (200, {"x": "y"})
    assert source.calls == [Call(method="POST", path=path, headers={"a": "b"}, body=b"{}")]


def test_steps_that_cannot_be_closed() -> None:
    class Plain:
        def play(self, call: Call) -> Play:
            return Play(head=Head(), steps=iter([A]))

    simulation = BlockingSimulation(Plain())
    simulation.open(REQUEST, None)
    simulation.close(reuse=False)
    with pytest.raises(BrokenStreamError, match="closed"):
        simulation.read(None)


def test_a_cut_wakes_a_stall() -> None:
    simulation = BlockingSimulation(Source(A, Act(0.0, "stall")))
    simulation.open(REQUEST, None)
    assert simulation.read(None) == b"a"
    ends: list[str] = []

    def read() -> None:
        try:
            simulation.read(None)
        except BrokenStreamError as error:
            ends.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: simulation._cut._cond._waiters)  # type: ignore[attr-defined]
    simulation.cut()
    reader.join(PATIENCE_S)
    assert ends == ["the stream was cut by its reader"]


async def test_a_cut_wakes_a_stall_in_async_code() -> None:
    simulation = AsyncSimulation(Source(Act(0.0, "stall")))
    await simulation.open(REQUEST, None)
    reading = asyncio.create_task(simulation.read(None))
    async with asyncio.timeout(PATIENCE_S):
        while not simulation._waiter:
            await asyncio.sleep(0)
    simulation.cut()
    with pytest.raises(BrokenStreamError, match="cut by its reader"):
        await reading
