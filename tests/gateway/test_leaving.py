"""A viewer that leaves stops the model, whatever both are doing; one that does not read slows it down."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from headrace.gateway import create_app
from headrace.sim import PaceOptions, Scenario, Simulator
from headrace.sim.play import Piece
from tests.gateway.serving import Viewer, config_for, gateway, serving
from tests.sim.serving.raw import Source, play
from tests.simulated import BOUND_S, HANGING, asked, check_left, left_async, none_open, stalling, talking
from tests.wire.streams import DONE, say, sse

if TYPE_CHECKING:
    from headrace.sim import Exchange

STEADY = PaceOptions(first_s=0, rate=1000, gap_sigma=0, speed=1)
SCRIPTS = {
    "before its headers": HANGING,
    "before its first token": Scenario(faults=("keepalives:0.01@event:0",)),
    "while it is silent": stalling("Hello"),
    "while it talks": Scenario(answer="word " * 50_000, pace=STEADY),
}
BEGUN = ("while it is silent", "while it talks")

LARGE = "x" * 16384
PIECE = Piece(0.0, sse(say(LARGE)), 1)


async def leave(port: int, sim: Simulator, when: str, prompt: str = "Hi", *, reset: bool) -> Exchange:
    """Ask, see the answer begin as far as it does, and cut; give what became of the request."""

    def ours(exchange: Exchange) -> bool:
        return exchange.body["messages"][-1]["content"] == prompt

    async with await Viewer.ask(port, {"prompt": prompt}) as viewer:
        frames = viewer.frames()
        for _ in range(2 if when in BEGUN else 1):
            await anext(frames)
        await frames.aclose()
        await sim.journal.wait_async(ours, deadline_s=BOUND_S)
        viewer.cut(reset=reset)
    return await sim.journal.wait_async(lambda e: ours(e) and e.ended_by is not None, deadline_s=BOUND_S)


def check(exchange: Exchange, when: str) -> None:
    check_left(exchange)
    assert exchange.left_at_token is not None
    assert exchange.left_at_token < 50_000
    assert (exchange.left_at_token > 0) is (when in BEGUN)


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("when", SCRIPTS)
async def test_leaving_stops_the_upstream(when: str, reset: bool) -> None:
    async with gateway(SCRIPTS[when]) as (sim, port):
        check(await leave(port, sim, when, reset=reset), when)
        await none_open(sim)


async def test_leaving_before_anything_was_read() -> None:
    async with gateway(SCRIPTS["before its headers"]) as (sim, port):
        viewer = await Viewer.ask(port)
        await asked(sim)
        viewer.cut()
        assert (await left_async(sim)).status is None


async def test_leaving_in_the_middle_of_the_request() -> None:
    async with gateway(SCRIPTS["while it talks"]) as (sim, port):
        head = f"POST /chat/stream HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        for _ in range(5):
            viewer = await Viewer.ask(port, raw=head.encode() + b"content-length: 50\r\n\r\n{")
            viewer.cut()
        async with await Viewer.ask(port) as viewer:
            assert await anext(viewer.frames()) == {"content": "", "model": "up/m-1"}
        await none_open(sim)
    assert len(sim.journal.exchanges) <= 1


async def test_a_hundred_that_leave_keep_nothing_open() -> None:
    dice = random.Random(2)
    plan = [(dice.choice(list(SCRIPTS)), dice.random() < 0.5) for _ in range(100)]

    def script(asked: Any) -> Scenario:
        return SCRIPTS[plan[int(asked.prompt)][0]]

    with Simulator(script) as sim:
        app = create_app(config=config_for(sim.openai_url))
        with serving(app) as port:
            for start in range(0, 100, 10):
                ten = range(start, start + 10)
                ends = await asyncio.gather(*(leave(port, sim, plan[n][0], str(n), reset=plan[n][1]) for n in ten))
                for n, exchange in zip(ten, ends, strict=True):
                    check(exchange, plan[n][0])
            await none_open(sim)
            async with asyncio.timeout(BOUND_S):
                while len(app.state.chat.streams):
                    await asyncio.sleep(0.01)


async def test_a_viewer_that_does_not_read_pauses_the_upstream() -> None:
    total = 4000
    source = Source(play(*itertools.repeat(PIECE, total), sse(say("", "stop"), DONE)))
    async with gateway(source=source, keep_alive_s=0.02) as (sim, port):
        async with await Viewer.ask(port, receive_buffer=4096) as viewer:
            viewer.reading(False)
            tokens = await settled(sim)
            # The kernel's buffers and ours hold a part of what is to be had, and no more is read.
            assert tokens < total // 2
            viewer.reading(True)
            frames = viewer.frames()
            assert (await anext(frames))["model"] == "up/m-1"
            count = 0
            async for frame in frames:
                count += frame == {"content": LARGE}
            assert (count, frame) == (total, "[DONE]")


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_leaving_without_having_read(reset: bool) -> None:
    async with gateway(source=talking(LARGE)) as (sim, port):
        viewer = await Viewer.ask(port, receive_buffer=4096)
        await settled(sim)
        viewer.cut(reset=reset)
        await left_async(sim)


async def settled(sim: Simulator) -> int:
    """Wait until the upstream can write no more; how many tokens it could.

    A slow machine may make this end early, which makes the test weaker and never wrong.
    """
    await asked(sim)
    same, last = 0, -1
    async with asyncio.timeout(BOUND_S):
        while same < 20 or last == 0:
            await asyncio.sleep(0.02)
            now = sim.journal.last.tokens
            same, last = (same + 1 if now == last else 0), now
    return last
