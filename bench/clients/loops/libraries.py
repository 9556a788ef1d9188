"""urllib3 and aiohttp with msgspec, what our budgets are measured against: each by its cheapest way to read a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.clients.loops.records import path, reader, request_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.clients.answers import Wire

_HEADERS = {"content-type": "application/json"}


def with_urllib3(wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read a response of urllib3 as it comes."""
    import urllib3

    pool = urllib3.PoolManager(retries=False)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        feed = reader(wire)
        body = request_body(wire, model)
        response = pool.request("POST", url + path(wire), body=body, headers=_HEADERS, preload_content=False)
        for data in response.stream(65536):  # one HTTP chunk each; `read1` does the same at twice the cost
            feed(data, pieces)
        response.release_conn()
        return pieces

    return run


async def with_aiohttp(wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read a response of aiohttp as it comes."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None))

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        feed = reader(wire)
        async with session.post(url + path(wire), data=request_body(wire, model), headers=_HEADERS) as response:
            async for data in response.content.iter_any():
                feed(data, pieces)
        return pieces

    return run


async def hold_aiohttp(wire: Wire, url: str) -> Callable[[str], Awaitable[object]]:
    """Open a stream, read its first piece, and keep it."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None))

    async def hold(model: str) -> object:
        pieces: list[str] = []
        feed = reader(wire)
        response = await session.post(url + path(wire), data=request_body(wire, model), headers=_HEADERS)
        chunks = response.content.iter_any()
        while not pieces:
            feed(await anext(chunks), pieces)
        return session, response, chunks, feed, pieces

    return hold
