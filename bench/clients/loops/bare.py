"""The floor: a socket, and the least that can be called reading."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from bench.clients.loops.records import Dechunker, raw_request, reader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bench.clients.answers import Wire


def blocking(wire: Wire, url: str) -> Callable[[str], list[str]]:
    """Read a blocking socket."""
    host = urlsplit(url).netloc
    connection = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(model: str) -> list[str]:
        pieces: list[str] = []
        response = Dechunker(reader(wire), pieces)
        connection.sendall(raw_request(wire, host, model))
        while not response.done:
            data = connection.recv(65536)
            assert data, "the source hung up"
            response.take(data)
        return pieces

    return run


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.response: Dechunker | None = None
        self.over: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self.response is not None
        assert self.over is not None
        self.response.take(data)
        if self.response.done:
            self.over.set_result(None)


async def asynchronous(wire: Wire, url: str) -> Callable[[str], Awaitable[list[str]]]:
    """Read in an `asyncio.Protocol`, without a task that wakes."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    assert port is not None
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(_Protocol, host, port)

    async def run(model: str) -> list[str]:
        pieces: list[str] = []
        protocol.response = Dechunker(reader(wire), pieces)
        protocol.over = loop.create_future()
        assert protocol.transport is not None
        protocol.transport.write(raw_request(wire, f"{host}:{port}", model))
        await protocol.over
        return pieces

    return run
