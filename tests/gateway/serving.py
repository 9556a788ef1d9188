"""The gateway on a real socket, in a thread of its own; and viewers that read it byte by byte, or cut it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self

from headrace.config import Config, read_config
from headrace.gateway import create_app
from headrace.gateway.server import _Server
from headrace.sim import Simulator
from tests.simulated import BOUND_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator

    from fastapi import FastAPI

SECRET = "sk-very-secret-0123456789"


def config_for(url: str, **row: Any) -> Config:
    """Make a configuration with one provider, `up`."""
    return read_config({"model": "up/m-1", "providers": {"up": {"base_url": url, "api_key": SECRET, **row}}}, "test")


@contextmanager
def serving(app: FastAPI, grace_s: float = 0.0) -> Iterator[int]:
    """Run the app; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = _Server(app, grace_s)
        thread = threading.Thread(target=server.run, args=([sock],))
        port = sock.getsockname()[1]
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(BOUND_S)
            assert not thread.is_alive()


@asynccontextmanager
async def gateway(
    *scenarios: Any, source: Any = None, row: Any = None, **options: Any
) -> AsyncIterator[tuple[Simulator, int]]:
    """Run a gateway before a simulated provider; give the provider, and the gateway's port."""
    with Simulator(*scenarios, source=source) as sim:
        wire = (row or {}).get("wire")
        url = sim.anthropic_url if wire == "anthropic" else sim.openai_url
        app = create_app(config=config_for(url, **(row or {})), **options)
        with serving(app) as port:
            yield sim, port


class Viewer:
    """A client that knows no more of HTTP than it must."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.status = 0
        self.headers: dict[str, str] = {}
        self._writer: asyncio.StreamWriter | None = None

    @classmethod
    async def ask(
        cls, port: int, body: Any = None, *, receive_buffer: int | None = None, raw: bytes | None = None
    ) -> Self:
        """Send a request, and wait for nothing."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        viewer = cls(sock)
        await asyncio.get_running_loop().sock_sendall(
            sock, raw if raw is not None else post(port, body or {"prompt": "Hi"})
        )
        return viewer

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(sock=self.sock, limit=2**26)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def reading(self, value: bool) -> None:
        """Go on reading from the socket, or read no more."""
        transport: Any = self._reader._transport  # type: ignore[attr-defined]
        transport.resume_reading() if value else transport.pause_reading()

    def cut(self, *, reset: bool = False) -> None:
        """Close the socket, politely or with a reset. It is closed by the transport, if there is one."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self._writer is None:
            self.sock.close()
        else:
            self._writer.transport.abort()

    async def head(self) -> None:
        async with asyncio.timeout(BOUND_S):
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in lines[1:] if line)}

    async def piece(self) -> bytes:
        """Read what the gateway wrote at once: an HTTP chunk; b"" at the end."""
        if not self.status:
            await self.head()
        async with asyncio.timeout(BOUND_S):
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            return (await self._reader.readexactly(size + 2))[:-2]

    async def records(self) -> AsyncIterator[str]:
        """Give the stream's records, comments included, as they stand there."""
        rest = b""
        while piece := await self.piece():
            *whole, rest = (rest + piece).split(b"\n\n")
            for record in whole:
                yield record.decode()
        assert rest == b""

    async def frames(self) -> AsyncGenerator[Any, None]:
        """Give what the data lines say: objects, and at last the text [DONE]."""
        async for record in self.records():
            if record.startswith("data: "):
                data = record.removeprefix("data: ")
                yield data if data == "[DONE]" else json.loads(data)

    async def all(self) -> list[Any]:
        return [frame async for frame in self.frames()]

    async def json(self) -> Any:
        """Read a response that is no stream."""
        await self.head()
        async with asyncio.timeout(BOUND_S):
            return json.loads(await self._reader.readexactly(int(self.headers["content-length"])))


def post(port: int, body: Any, *more: str, path: str = "/chat/stream", **headers: str | None) -> bytes:
    """Write a request; a header that is None is left out, underscores in its name are dashes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields: dict[str, str | None] = {
        "host": f"127.0.0.1:{port}",
        "content-type": "application/json",
        "content-length": str(len(data)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items() if v is not None), *more]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data


async def answer(port: int, body: Any = None, **options: Any) -> list[Any]:
    """Ask, and read the whole stream."""
    async with await Viewer.ask(port, body, **options) as viewer:
        return await viewer.all()


async def refused(port: int, raw: bytes) -> tuple[int, str, str]:
    """Send a request that is no good; give status, type and message of the answer."""
    async with await Viewer.ask(port, raw=raw) as viewer:
        said = await viewer.json()
        assert viewer.headers["content-type"] == "application/json"
        assert said.keys() == {"error"}
        assert said["error"].keys() == {"type", "message"}
        return viewer.status, said["error"]["type"], said["error"]["message"]
