"""The proxy: a listener and its connections, in a thread of its own.

Laws kept here: when `close` returns, every socket of the proxy is closed and its thread has ended; its settings may be
changed from any thread, at any moment, and what comes after the call has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from headrace.errors import UsageError
from headrace.sim.fault_proxy.address import authority, read_address
from headrace.sim.fault_proxy.link import Link
from headrace.sim.fault_proxy.toxics import Toxics
from headrace.sim.serving.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.sim.fault_proxy.link import ProxyConnection

_KEPT = 1000  # connections that are remembered
_EXHAUSTED_S = 0.1


class FaultProxy:
    """A TCP proxy in front of an upstream, that does to its bytes what networks do.

        with FaultProxy("127.0.0.1:8000", faults=Toxics(latency_s=0.2, ending="reset", at_byte=500)) as proxy:
            ask(base_url=f"{proxy.url}/v1")

    It is a context manager for both ``with`` and ``async with``.

    Args:
        upstream: ``host:port``, or a URL, whose scheme and path `url` then has too.
        host: where it listens.
        port: 0: any that is free.
        faults: what is done to the bytes that come from the upstream.
        upload: what is done to the bytes that go to it.
        seed: what chance draws by.
        clock: what is waited with; None: the real one.
        on_close: is told of each connection that has ended, in the proxy's thread.

    Raises:
        UsageError: if the upstream is no address.
    """

    def __init__(
        self,
        upstream: str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Toxics | None = None,
        upload: Toxics | None = None,
        seed: int = 0,
        clock: Clock | None = None,
        on_close: Callable[[ProxyConnection], None] | None = None,
    ) -> None:
        self._to = read_address(upstream)
        self._host = host
        self._port = port
        self._download_toxics = faults or Toxics()
        self._upload_toxics = upload or Toxics()
        self._seed = seed
        self._clock = clock or Clock()
        self._since_s = 0.0
        self._on_close = on_close
        self._links: deque[Link] = deque(maxlen=_KEPT)
        self._open: set[Link] = set()
        self._count = 0
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    # ---- its life

    def start(self) -> Self:
        """Listen.

        Raises:
            OSError: if the address cannot be had.
            UsageError: if it runs already.
        """
        if self._thread is not None:
            raise UsageError("this proxy runs already")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.create_server((self._host, self._port), family=family, backlog=128)
        listener.setblocking(False)
        self._port = listener.getsockname()[1]
        self._clock.start()
        self._since_s = self._clock.now()
        self._stop = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, started), name="fault-proxy", daemon=True)
        self._thread.start()
        started.wait()
        return self

    def close(self) -> None:
        """Close it and all its connections; a second time does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._call(self._stop.set)
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    # ---- where it is

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._host

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def url(self) -> str:
        """Its address as a URL, with the upstream's scheme and path if that was one."""
        return f"{self._to.scheme or 'http'}://{authority(self._host, self._port)}{self._to.path}"

    @property
    def upstream(self) -> str:
        """Where it passes on to."""
        return str(self._to)

    # ---- what it does

    def set(self, faults: Toxics | None = None, *, upload: Toxics | None = None) -> None:
        """Change what is done, to open connections too; what has stalled goes on.

        Args:
            faults: to the bytes that come from the upstream; None: as before.
            upload: to the bytes that go to it; None: as before.
        """
        with self._news:
            self._download_toxics = faults or self._download_toxics
            self._upload_toxics = upload or self._upload_toxics
        self._call(self._spread)

    def release(self) -> None:
        """Let go on what has stalled."""
        self._call(self._release)

    # ---- what it has seen

    @property
    def connections(self) -> list[ProxyConnection]:
        """The last thousand connections, in the order in which they came."""
        with self._news:
            return [link.seen for link in self._links]

    @property
    def open_connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def wait(
        self, predicate: Callable[[ProxyConnection], bool] | None = None, *, deadline_s: float = 10.0
    ) -> ProxyConnection:
        """Wait until there is a connection of which something holds, and give the oldest one.

        Args:
            predicate: what must hold; by default that it is closed.
            deadline_s: bounds a hang.

        Raises:
            TimeoutError: if none was in time; it shows what there is.
        """
        until_s = time.monotonic() + deadline_s
        with self._news:
            while True:
                seen = [link.seen for link in self._links]
                for connection in seen:
                    if connection.closed_s is not None if predicate is None else predicate(connection):
                        return connection
                if not self._news.wait(max(0.0, until_s - time.monotonic())):
                    raise TimeoutError(f"no connection was as wanted in {deadline_s:g} s: {_all(seen)}")

    def wait_closed(self, *, deadline_s: float = 10.0) -> None:
        """Wait until no connection is open.

        Raises:
            TimeoutError: if one stayed open; it shows which.
        """
        with self._news:
            if not self._news.wait_for(lambda: not self._open, deadline_s):
                raise TimeoutError(f"open after {deadline_s:g} s: {_all([link.seen for link in self._open])}")

    # ---- for its connections

    @property
    def address(self) -> tuple[str, int]:
        """Where the upstream is."""
        return self._to.host, self._to.port

    def changed(self) -> None:
        """Wake who waits for news."""
        with self._news:
            self._news.notify_all()

    # ---- in its thread

    def _run(self, listener: socket.socket, started: threading.Event) -> None:
        # the system's own loop on every platform: it does what sockets do, and nothing more
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve(listener, started))

    async def _serve(self, listener: socket.socket, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        accepting = asyncio.ensure_future(self._accept(listener))
        started.set()
        try:
            await self._stop.wait()
        finally:
            accepting.cancel()
            await asyncio.wait({accepting})
            listener.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for link in self._open:
                link.close("close")
            await asyncio.gather(*tasks, return_exceptions=True)
            self._loop = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # no descriptor is left, or the client is gone already
                await asyncio.sleep(_EXHAUSTED_S)
                continue
            self._count += 1
            link = Link(
                client, number=self._count, host=self, clock=self._clock, seed=self._seed, since_s=self._since_s
            )
            with self._news:
                self._links.append(link)
                self._open.add(link)
                link.take(upload=self._upload_toxics, download=self._download_toxics)
                self._news.notify_all()
            task = asyncio.ensure_future(self._keep(link))
            running.add(task)
            task.add_done_callback(running.discard)

    async def _keep(self, link: Link) -> None:
        try:
            await link.run()
        finally:
            with self._news:
                self._open.discard(link)
                self._news.notify_all()
            if self._on_close is not None:
                self._on_close(link.seen)

    def _spread(self) -> None:
        for link in self._open:
            link.take(upload=self._upload_toxics, download=self._download_toxics)

    def _release(self) -> None:
        for link in self._open:
            link.release()

    def _call(self, what: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is being closed
                loop.call_soon_threadsafe(what)


def _all(connections: list[ProxyConnection]) -> str:
    return "; ".join(map(str, connections)) or "none at all"
