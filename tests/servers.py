"""A scripted server: any bytes, in any pieces, cut at any place; and it notes when its peer went away.

It runs an event loop in a thread of its own, on raw sockets, so that it can say what no HTTP server would.  A request
is answered by a script, a list of steps:

    bytes            send them
    a Gate           wait until somebody opens it
    a Drip           send the same bytes again and again, until the peer goes
    STALL            say nothing more until the peer goes
    RESET            reset the connection
    CLOSE            close it

A script that ends without one of the last three leaves the connection open for the next request.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

GONE_S = 10.0
"""How long a peer that leaves may take at most. It bounds a hang: nothing waits for it otherwise."""

STALL: Literal["stall"] = "stall"
RESET: Literal["reset"] = "reset"
CLOSE: Literal["close"] = "close"


class Gate:
    """What a script waits at, until a test opens it from whatever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        self._waiting: list[asyncio.Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        with self._lock:
            self._is_open = True
            for event in self._waiting:
                assert self._loop is not None
                self._loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._is_open:
                return
            self._loop = asyncio.get_running_loop()
            self._waiting.append(event)
        await event.wait()


class Drip(NamedTuple):
    """Send the same bytes again and again, until the peer goes."""

    data: bytes
    every_s: float = 0.02


Step = bytes | Gate | Drip | Literal["stall", "reset", "close"]
Script = Sequence[Step]


def head(status: int = 200, kind: str = "text/event-stream", *headers: str, framing: str = "chunked") -> bytes:
    """Write a response's head. `framing`: "chunked", "close" (the connection's end is the body's) or a length."""
    lines = [f"HTTP/1.1 {status} Word", f"content-type: {kind}", *headers]
    if framing == "chunked":
        lines.append("transfer-encoding: chunked")
    elif framing == "close":
        lines.append("connection: close")
    else:
        lines.append(f"content-length: {framing}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(data: bytes, size: int | None = None) -> bytes:
    """Write a body's bytes as chunks of a size, without the last one."""
    size = size or len(data) or 1
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


LAST = b"0\r\n\r\n"
"""The end of a body in chunks."""


def whole(body: bytes, *headers: str, status: int = 200, kind: str = "text/event-stream") -> list[Step]:
    """Answer with a whole body, in chunks, and leave the connection open."""
    return [head(status, kind, *headers) + chunked(body) + LAST]


def open_sockets(port: int) -> int:
    """Count this process's sockets that are connected to a port of this machine, or about to be."""
    ours: set[str] = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            ours.add(str(link.readlink()))
    lines = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(int(row[2].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in ours for row in rows)


class Request(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Peer(asyncio.Protocol):
    """A connection: what it asked, how much it was sent, and when it went away."""

    def __init__(self, server: "Server") -> None:
        self.requests: list[Request] = []
        self.written = 0
        self.gone = threading.Event()
        """Set once its end has come: it closed, reset, or shut down its half."""
        self._server = server
        self._held = b""
        self._transport: asyncio.Transport
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._left = asyncio.Event()
        self._lost = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def wait_gone(self, deadline_s: float = GONE_S) -> bool:
        """Wait until the peer is gone; False: it was not gone in time."""
        return self.gone.wait(deadline_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.peers.append(self)
        self._server.came.release()
        transport.write(self._server.greeting)

    def data_received(self, data: bytes) -> None:
        self._held += data
        start, end, rest = self._held.partition(b"\r\n\r\n")
        if not end:
            return
        line, *fields = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self._held = rest[size:]
        self.requests.append(Request(line, headers, rest[:size]))
        script = self._server.next_script(self.requests[-1])
        self._server.asked.release()
        self._tasks.append(asyncio.ensure_future(self._play(script)))

    async def _play(self, script: Script) -> None:
        for step in script:
            await asyncio.sleep(0)  # the loop may have seen the peer go
            if self._left.is_set() or self._transport.is_closing():
                return
            if isinstance(step, bytes):
                self._transport.write(step)
                self.written += len(step)
                await self._may_write.wait()
            elif isinstance(step, Gate):
                waits = [asyncio.ensure_future(step.wait()), asyncio.ensure_future(self._left.wait())]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
            elif isinstance(step, Drip):
                while not self._left.is_set():
                    self._transport.write(step.data)
                    self.written += len(step.data)
                    await self._may_write.wait()
                    await asyncio.sleep(step.every_s)
            elif step == STALL:
                await self._left.wait()
            elif step == RESET:
                linger = struct.pack("ii", 1, 0)
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
            else:
                self._transport.close()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        self._lost.set()

    def _leave(self) -> None:
        self._left.set()
        self._may_write.set()
        self.gone.set()


class Server:
    """The scripted server; each request takes the next script, the last one serves all that come after it.

    A path of `routes` has a script of its own.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        greeting: bytes = b"",
        routes: Mapping[str, Script] | None = None,
    ) -> None:
        self.greeting = greeting
        """What it says before it was asked."""
        self.peers: list[Peer] = []
        self.asked = threading.Semaphore(0)
        """One release a request that has come."""
        self.came = threading.Semaphore(0)
        """One release a connection that has come."""
        self._scripts = list(scripts) or [[STALL]]
        self._routes = dict(routes or {})
        self._loop = asyncio.SelectorEventLoop()
        self._tls = tls
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted-server")
        self._thread.start()
        starting = self._loop.create_server(lambda: Peer(self), "127.0.0.1", 0, ssl=tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(GONE_S)
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Its address, for a provider of the OpenAI kind."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Request]:
        """All requests, a connection after the other."""
        return [request for peer in self.peers for request in peer.requests]

    def next_script(self, request: Request) -> Script:
        path = request.line.split(" ")[1]
        if path in self._routes:
            return self._routes[path]
        return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]

    def wait_asked(self, deadline_s: float = GONE_S) -> bool:
        """Wait for the next request to come."""
        return self.asked.acquire(timeout=deadline_s)

    def wait_came(self, deadline_s: float = GONE_S) -> bool:
        """Wait for the next connection to come."""
        return self.came.acquire(timeout=deadline_s)

    def close(self) -> None:
        """Close it and all its connections."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(GONE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        tasks: list[asyncio.Task[Any]] = [task for peer in self.peers for task in peer._tasks]
        for peer in self.peers:
            peer._transport.abort()
        for peer in self.peers:
            await peer._lost.wait()
        await asyncio.gather(*tasks, return_exceptions=True)
