"""Batches: what came at once is given at once, in blocking and in async code."""

from __future__ import annotations

import pytest

from headrace.client import AsyncClient, Client
from headrace.errors import TruncatedError
from headrace.events import End
from headrace.sim import Scenario, Simulator
from tests.gateway.serving import config_for
from tests.sim.serving.raw import act, play, simulator
from tests.wire.streams import DONE, say, sse

FIVE = sse(*[say(text) for text in "abcde"])
AT_ONCE = play(FIVE, sse(say("", "stop"), DONE))  # a chunk of HTTP each
CUT_SHORT = Scenario(answer="a b", faults=("eof@token:1",))


async def test_async() -> None:
    with simulator(AT_ONCE) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client, client.stream(None, "Hi") as stream:
            batches = [batch async for batch in stream.batches()]
            assert [batch async for batch in stream.batches()] == []
    check(batches, stream)


def test_blocking() -> None:
    with simulator(AT_ONCE) as sim, Client(config=config_for(sim.openai_url)) as client:
        with client.stream(None, "Hi") as stream:
            batches = list(stream.batches())
            assert list(stream.batches()) == []
    check(batches, stream)


def texts(stream, batch) -> str:
    return "".join([stream.text_of(event) or "" for event, _ in batch])


def check(batches, stream) -> None:
    assert list(filter(None, [texts(stream, batch) for batch in batches])) == ["abcde"]
    assert all(batches)
    event, _ = batches[-1][-1]
    assert isinstance(event, End)
    assert stream.message.text == "abcde"


def test_an_end_that_is_no_success_raises_after_what_had_come() -> None:
    with Simulator(CUT_SHORT) as sim, Client(config=config_for(sim.openai_url)) as client:
        with client.stream(None, "Hi") as stream:
            seen: list[str] = []
            with pytest.raises(TruncatedError):
                seen.extend(texts(stream, batch) for batch in stream.batches())
    assert "".join(seen) == "a"


async def test_an_end_that_is_no_success_raises_after_what_had_come_in_async_code_too() -> None:
    with Simulator(CUT_SHORT) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client, client.stream(None, "Hi") as stream:
            seen: list[str] = []

            async def collect() -> None:
                async for batch in stream.batches():
                    seen.append(texts(stream, batch))  # noqa: PERF401 - what came before an error counts

            with pytest.raises(TruncatedError):
                await collect()
    assert "".join(seen) == "a"


async def test_a_cancel_leaves_only_the_end() -> None:
    with simulator(play(FIVE, act("stall"))) as sim:
        async with AsyncClient(config=config_for(sim.openai_url)) as client, client.stream(None, "Hi") as stream:
            async for event in stream:  # the first of those that came together
                if stream.text_of(event):
                    stream.cancel()
                    break
            rest = [batch async for batch in stream.batches()]
    assert [type(event) for batch in rest for event, _ in batch][-1] is End
    assert not any(stream.text_of(event) for batch in rest for event, _ in batch)
    assert stream.message.outcome == "cancelled"
