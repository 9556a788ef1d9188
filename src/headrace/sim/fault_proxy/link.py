"""A connection through the proxy: two sockets, a lane each way, and how it ended.

Laws kept here: both sockets are closed when it is over, whoever ended it; an upstream that cannot be reached is a reset
to the client; a reset of one side is a reset to the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from headrace.sim.fault_proxy.lane import Lane
from headrace.sim.fault_proxy.sockets import connect, say_fin, write_at_once
from headrace.sim.serving.sockets import say_reset_when_closed

if TYPE_CHECKING:
    import socket

    from headrace.sim.fault_proxy.lane import Closing, SourceEnd
    from headrace.sim.fault_proxy.toxics import Ending, Toxics
    from headrace.sim.serving.clock import Clock

Side = Literal["client", "upstream", "proxy"]
How = Literal["fin", "reset", "unreachable"]


class ProxyConnection(Struct, frozen=True, kw_only=True):
    """A connection as it stood at a moment.

    Attributes:
        number: counted from 1.
        opened_s: when the client came, in seconds from the proxy's start.
        closed_s: when both its sockets were closed; None: it is open.
        closed_by: who said the first end; the proxy, if a fault did, or its own closing.
        how: with which word: FIN, RST, or that the upstream could not be reached.
        uploaded: bytes that were passed on to the upstream.
        downloaded: bytes that were passed on to the client.
        held: bytes that were read and not yet passed on.
        faults: the endings that came, as ``download stall at byte 500``.
    """

    number: int
    opened_s: float
    closed_s: float | None = None
    closed_by: Side | None = None
    how: How | None = None
    uploaded: int = 0
    downloaded: int = 0
    held: int = 0
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        said = f"connection {self.number}: {self.uploaded} bytes up, {self.downloaded} bytes down"
        if self.closed_s is not None:
            said += f", {self.closed_s - self.opened_s:.2f} s"
        if self.how == "unreachable":
            said += ", the upstream cannot be reached"
        elif self.closed_by is not None:
            said += f", {'reset' if self.how == 'reset' else 'closed'} by the {self.closed_by}"
        return ", ".join((said, *self.faults))


class Host(Protocol):
    """The proxy, as its connections see it."""

    @property
    def address(self) -> tuple[str, int]:
        """Where the upstream is."""
        ...

    def changed(self) -> None:
        """Note that something happened on a connection."""
        ...


class Link:
    """A connection, while it lives and after."""

    def __init__(self, client: socket.socket, *, number: int, host: Host, clock: Clock, seed: int, since_s: float):
        self._client = client
        self._upstream: socket.socket | None = None
        self._number = number
        self._host = host
        self._clock = clock
        self._since_s = since_s
        self._opened_s = clock.now()
        self._closed_s: float | None = None
        self._by: Side | None = None
        self._how: How | None = None
        self._faults: list[str] = []
        self._closing: Closing = "close"
        self._is_over = asyncio.Event()
        self._upload = Lane("upload", source=client, clock=clock, ends=self, number=number, seed=seed)
        self._download = Lane("download", source=None, clock=clock, ends=self, number=number, seed=seed)
        self._download.sink = client
        self._upload.opposite, self._download.opposite = self._download, self._upload

    @property
    def seen(self) -> ProxyConnection:
        """How it stands now."""
        up, down = self._upload, self._download
        return ProxyConnection(
            number=self._number,
            opened_s=self._opened_s - self._since_s,
            closed_s=None if self._closed_s is None else self._closed_s - self._since_s,
            closed_by=self._by,
            how=self._how,
            uploaded=up.passed,
            downloaded=down.passed,
            held=up.held + down.held if self._closed_s is None else 0,
            faults=tuple(self._faults),
        )

    def take(self, *, upload: Toxics, download: Toxics) -> None:
        """Take new settings."""
        self._upload.take(upload)
        self._download.take(download)

    def release(self) -> None:
        """Let go on what has stalled."""
        self._upload.release()
        self._download.release()

    async def run(self) -> None:
        """Pass on until it is over."""
        tasks = [asyncio.ensure_future(self._upload.read())]
        try:
            write_at_once(self._client)
            upstream = await self._reach()
            if upstream is not None:
                self._upstream = self._upload.sink = self._download.source = upstream
                write_at_once(upstream)
                passing = {asyncio.ensure_future(lane.pass_on()) for lane in (self._upload, self._download)}
                tasks += [asyncio.ensure_future(self._download.read()), *passing]
                ended, _ = await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            self._note("proxy", "fin")  # if nobody did anything before
            self._is_over.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._close_sockets()
            self._closed_s = self._clock.now()

    # ---- what its lanes tell

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._is_over.is_set()

    def source_ended(self, lane: Lane, how: SourceEnd) -> None:
        """Note that a side has said its end."""
        self._note("client" if lane is self._upload else "upstream", how)
        if how == "reset" and self._upstream is None:
            self.close("reset")  # nobody is there yet who could be told
        self._host.changed()

    def struck(self, lane: Lane, ending: Ending) -> None:
        """Note that an ending has come."""
        self._faults.append(f"{lane.direction} {ending} at byte {lane.passed}")
        if ending in ("reset", "close", "truncate"):
            self._by, self._how = "proxy", "reset" if ending == "reset" else "fin"
        self._host.changed()

    def close(self, how: Closing) -> None:
        """End both sides."""
        self._closing = how
        self._is_over.set()
        self._upload.wake()
        self._download.wake()

    def lane_done(self) -> None:
        """Note that a direction will pass on nothing more."""
        if self._upload.done and self._download.done:
            self.close("close")

    def moved(self) -> None:
        """Note that bytes were read, or passed on."""
        self._host.changed()

    # ---- its own

    def _note(self, by: Side, how: How) -> None:
        if self._by is None:
            self._by, self._how = by, how

    async def _reach(self) -> socket.socket | None:
        """Connect to the upstream; None: it cannot be had, or the client is gone before."""
        connecting = asyncio.ensure_future(connect(*self._host.address))
        over = asyncio.ensure_future(self._is_over.wait())
        try:
            await asyncio.wait({connecting, over}, return_when=asyncio.FIRST_COMPLETED)
            return connecting.result() if connecting.done() else None
        except OSError:
            self._note("upstream", "unreachable")
            self.close("reset")
            return None
        finally:
            over.cancel()
            connecting.cancel()
            await asyncio.wait({connecting})

    def _close_sockets(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in (self._client, self._upstream):
            if sock is None:
                continue
            loop.remove_writer(sock)
            if self._closing == "reset":
                say_reset_when_closed(sock)
            else:
                say_fin(sock)
            sock.close()
