"""A provider's server on loopback that does what a test's script says, and notes when its peer goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self

BOUND_S = 30.0
"""How long anything may take here before the test fails: a bound on a hang, never a measure."""


def chunk(text: str = "", *, finish: str | None = None, **more: Any) -> bytes:
    """Make a frame of an OpenAI-style stream."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    value = {"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


USAGE = {"prompt_tokens": 3, "completion_tokens": 7}
ENDING = chunk(finish="stop", usage=USAGE) + b"data: [DONE]\n\n"


class Visit:
    """One request, and the means to answer it."""

    def __init__(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.body: dict[str, Any] = json.loads(body or b"{}")
        self.left = asyncio.Event()
        self.written = 0
        self._writer = writer

    async def begin(self, status: str = "200 OK", kind: str = "text/event-stream", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "transfer-encoding: chunked", *headers]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def send(self, *pieces: bytes) -> None:
        data = b"".join(pieces)
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))
        self.written += len(data)

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def answer(self, *texts: str) -> None:
        await self.begin()
        for text in texts:
            await self.send(chunk(text))
        await self.send(ENDING)
        await self.end()

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def cut(self) -> None:
        self._writer.transport.abort()

    async def wait_left(self) -> None:
        async with asyncio.timeout(BOUND_S):
            await self.left.wait()


Script = Callable[[Visit], Awaitable[None]]


class Upstream:
    """The server. `visits` are the requests so far, `open` the connections that are."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.visits: list[Visit] = []
        self.open = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def visit(self, number: int = 0) -> Visit:
        """Wait for a request."""
        await self._until(lambda: len(self.visits) > number)
        return self.visits[number]

    async def none_open(self) -> None:
        """Wait until the last connection is closed."""
        await self._until(lambda: self.open == 0)

    async def _until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S), self._changed:
            await self._changed.wait_for(met)

    async def _note(self, change: int) -> None:
        self.open += change
        async with self._changed:
            self._changed.notify_all()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Ours, and not the stream server's: that one logs what a cut connection raises.
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._note(1)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            while True:
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1]))
                visit = Visit(head.decode("latin-1"), body, writer)
                self.visits.append(visit)
                await self._note(0)
                # Whoever waits for the next request learns at once that there will be none.
                following = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
                following.add_done_callback(partial(_left, visit))
                try:
                    await self.script(visit)
                except ConnectionError:
                    pass
                head = await following
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()
            await self._note(-1)


def _left(visit: Visit, task: asyncio.Task[bytes]) -> None:
    if task.cancelled() or task.exception() is not None:
        visit.left.set()
