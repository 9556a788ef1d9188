"""A viewer that leaves stops the model, whatever both are doing; one that does not read slows it down."""

from __future__ import annotations

import asyncio
import random

import pytest

from headrace.gateway import create_app
from tests.gateway.serving import Viewer, config_for, gateway, serving
from tests.gateway.upstream import BOUND_S, ENDING, Upstream, Visit, chunk


async def before_headers(visit: Visit) -> None:
    await visit.wait_left()


async def before_first_token(visit: Visit) -> None:
    await visit.begin()
    await visit.send(b": ping\n\n")
    await visit.wait_left()


async def silent(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("Hel"))
    await visit.wait_left()


async def talking(visit: Visit) -> None:
    await visit.begin()
    while not visit.left.is_set():
        await visit.send(chunk("word "))
        await asyncio.sleep(0)


SCRIPTS = [before_headers, before_first_token, silent, talking]


async def leave(port: int, upstream: Upstream, script, number: int = 0, *, reset: bool) -> None:
    """Ask, see the answer begin as far as it does, and cut."""
    async with await Viewer.ask(port, {"prompt": "Hi", "max_tokens": number + 1}) as viewer:
        frames = viewer.frames()
        for _ in range(2 if script in (silent, talking) else 1):
            await anext(frames)
        await frames.aclose()
        await upstream.visit(number)
        viewer.cut(reset=reset)


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("script", SCRIPTS)
async def test_leaving_stops_the_upstream(script, reset: bool) -> None:
    async with gateway(script) as (upstream, port):
        await leave(port, upstream, script, reset=reset)
        await (await upstream.visit()).wait_left()
        await upstream.none_open()


async def test_leaving_before_anything_was_read() -> None:
    async with gateway(before_headers) as (upstream, port):
        viewer = await Viewer.ask(port)
        await upstream.visit()
        viewer.cut()
        await upstream.none_open()


async def test_leaving_in_the_middle_of_the_request() -> None:
    async with gateway(talking) as (upstream, port):
        head = f"POST /chat/stream HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        for _ in range(5):
            viewer = await Viewer.ask(port, raw=head.encode() + b"content-length: 50\r\n\r\n{")
            viewer.cut()
        async with await Viewer.ask(port) as viewer:
            assert await anext(viewer.frames()) == {"content": "", "model": "up/m-1"}
        await upstream.none_open()
    assert len(upstream.visits) <= 1


async def test_a_hundred_that_leave_keep_nothing_open() -> None:
    dice = random.Random(2)
    plan = [(dice.choice(SCRIPTS), dice.random() < 0.5) for _ in range(100)]

    async def script(visit: Visit) -> None:
        await plan[int(visit.body["max_tokens"]) - 1][0](visit)

    async with Upstream(script) as upstream:
        app = create_app(config=config_for(upstream.url))
        with serving(app) as port:
            for start in range(0, 100, 10):
                await asyncio.gather(
                    *(leave(port, upstream, plan[n][0], n, reset=plan[n][1]) for n in range(start, start + 10))
                )
            await upstream.none_open()
            async with asyncio.timeout(BOUND_S):
                while len(app.state.chat.streams):
                    await asyncio.sleep(0.01)


async def test_a_viewer_that_does_not_read_pauses_the_upstream() -> None:
    total, text = 4000, "x" * 16384

    async def script(visit: Visit) -> None:
        await visit.begin()
        for _ in range(total):
            await visit.send(chunk(text))
        await visit.send(ENDING)
        await visit.end()

    async with gateway(script, keep_alive_s=0.02) as (upstream, port):
        async with await Viewer.ask(port, receive_buffer=4096) as viewer:
            viewer.reading(False)
            visit = await upstream.visit()
            written = await settled(visit)
            # The kernel's buffers and ours hold a part of what is to be had, and no more is read.
            assert written < total * len(text) // 2
            viewer.reading(True)
            frames = viewer.frames()
            assert (await anext(frames))["model"] == "up/m-1"
            count = 0
            async for frame in frames:
                count += frame == {"content": text}
            assert (count, frame) == (total, "[DONE]")


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_leaving_without_having_read(reset: bool) -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        while not visit.left.is_set():
            await visit.send(chunk("x" * 16384))

    async with gateway(script) as (upstream, port):
        viewer = await Viewer.ask(port, receive_buffer=4096)
        await settled(await upstream.visit())
        viewer.cut(reset=reset)
        await upstream.none_open()


async def settled(visit: Visit) -> int:
    """Wait until the upstream can write no more; what it could.

    A slow machine may make this end early, which makes the test weaker and never wrong.
    """
    same, last = 0, -1
    async with asyncio.timeout(BOUND_S):
        while same < 20 or visit.written == 0:
            await asyncio.sleep(0.02)
            same = same + 1 if visit.written == last else 0
            last = visit.written
    return last
