"""Batches: what came at once is given at once, in blocking and in async code."""

from __future__ import annotations

import asyncio

import pytest

from headrace.client import AsyncClient, Client
from headrace.errors import TruncatedError
from headrace.events import End
from tests.gateway.serving import config_for
from tests.gateway.upstream import ENDING, Upstream, Visit, chunk


async def five_at_once(visit: Visit) -> None:
    await visit.begin()
    await visit.send(*[chunk(text) for text in "abcde"])
    await visit.send(ENDING)
    await visit.end()


async def cut_short(visit: Visit) -> None:
    await visit.begin()
    await visit.send(chunk("a"))
    await visit.end()


async def test_async() -> None:
    async with Upstream(five_at_once) as upstream, AsyncClient(config=config_for(upstream.url)) as client:
        async with client.stream(None, "Hi") as stream:
            batches = [batch async for batch in stream.batches()]
            assert [batch async for batch in stream.batches()] == []
    check(batches, stream)


async def test_blocking() -> None:
    def read() -> None:
        with Client(config=config_for(upstream.url)) as client, client.stream(None, "Hi") as stream:
            batches = list(stream.batches())
            assert list(stream.batches()) == []
        check(batches, stream)

    async with Upstream(five_at_once) as upstream:
        await asyncio.to_thread(read)


def texts(stream, batch) -> str:
    return "".join([stream.text_of(event) or "" for event, _ in batch])


def check(batches, stream) -> None:
    assert list(filter(None, [texts(stream, batch) for batch in batches])) == ["abcde"]
    assert all(batches)
    event, _ = batches[-1][-1]
    assert isinstance(event, End)
    assert stream.message.text == "abcde"


async def test_an_end_that_is_no_success_raises_after_what_had_come() -> None:
    def read() -> None:
        with Client(config=config_for(upstream.url)) as client, client.stream(None, "Hi") as stream:
            batches = stream.batches()
            assert texts(stream, next(batches)) == "a"
            with pytest.raises(TruncatedError):
                list(batches)

    async with Upstream(cut_short) as upstream, AsyncClient(config=config_for(upstream.url)) as client:
        await asyncio.to_thread(read)
        async with client.stream(None, "Hi") as stream:
            later = stream.batches()
            assert texts(stream, await anext(later)) == "a"
            with pytest.raises(TruncatedError):
                _ = [batch async for batch in later]


async def test_a_cancel_leaves_only_the_end() -> None:
    async def script(visit: Visit) -> None:
        await visit.begin()
        await visit.send(*[chunk(text) for text in "abcde"])
        await visit.wait_left()

    async with Upstream(script) as upstream, AsyncClient(config=config_for(upstream.url)) as client:
        async with client.stream(None, "Hi") as stream:
            async for event in stream:  # the first of those that came together
                if stream.text_of(event):
                    stream.cancel()
                    break
            rest = [batch async for batch in stream.batches()]
    assert [type(event) for batch in rest for event, _ in batch][-1] is End
    assert not any(stream.text_of(event) for batch in rest for event, _ in batch)
    assert stream.message.outcome == "cancelled"
