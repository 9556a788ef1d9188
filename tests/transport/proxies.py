"""A small HTTP proxy: it forwards what names a whole address, tunnels what asks to, and notes what it was asked."""

import asyncio
import contextlib
import ssl
import threading
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """A proxy on this machine. `refuse`: an answer that it gives to everybody. `silent`: it gives none."""

    def __init__(self, *, refuse: bytes = b"", silent: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.lines: list[str] = []
        self.heads: list[str] = []
        self.gone = threading.Event()
        """Set once a client of it has gone."""
        self._refuse = refuse
        self._silent = silent
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        starting = asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve((reader, writer))
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _serve(self, client: Streams) -> None:
        reader, writer = client
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        self.lines.append(f"{method} {target}")
        self.heads.append(head)
        if self._silent:
            await reader.read()
            self.gone.set()
        elif self._refuse:
            writer.write(self._refuse)
            await reader.read()
        else:
            host = urlsplit(f"//{target}" if method == "CONNECT" else target)
            upstream = await asyncio.open_connection(host.hostname, host.port or 80)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream[1].write(head.replace(target, host.path, 1).encode("latin-1"))
            copying = [asyncio.ensure_future(_copy(client, upstream)), asyncio.ensure_future(_copy(upstream, client))]
            try:
                await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in copying:
                    task.cancel()
                upstream[1].transport.abort()
                with contextlib.suppress(OSError):
                    await upstream[1].wait_closed()


async def _copy(source: Streams, sink: Streams) -> None:
    with contextlib.suppress(OSError):
        while data := await source[0].read(65536):
            sink[1].write(data)
            await sink[1].drain()
