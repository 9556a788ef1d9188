"""The simulation as a connection, in place of a transport's: no socket, the same promises.

Laws kept here: a cut wakes who waits at once, from any thread; what is due by now is given in one read, of at most
16 KiB, as a socket would; no wait is longer than its bound, and none is pretended.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from headrace.errors import BrokenStreamError
from headrace.sim.provider import Play, play
from headrace.transport.base import Head, WaitExpired

if TYPE_CHECKING:
    from headrace.wire.registry import HTTPRequest

_READ = 16 * 1024
_now = time.monotonic


class _Line:
    """What both connections share: all but waiting."""

    def __init__(self) -> None:
        self._play: Play | None = None
        self._opened = 0.0
        self._held = b""  # due, but more than a read may bring

    def _begin(self, request: HTTPRequest) -> Play:
        self._opened = _now()
        self._play = play(request.body)
        return self._play

    def _left_s(self, at_s: float | None) -> float:
        """Give the seconds until a moment of the play, at most 0 if it has come (None: the end, which always has)."""
        return 0.0 if at_s is None or self._held else self._opened + at_s - _now()

    def _due(self, play: Play) -> bytes:
        pieces, size = [self._held], len(self._held)
        # one piece at least: timers may fire a little early, and no bytes would be the end
        passed_s = max(_now() - self._opened, play.next_s or 0.0)
        while size < _READ and play.next_s is not None and play.next_s <= passed_s:
            piece = play.take()
            pieces.append(piece)
            size += len(piece)
        data = b"".join(pieces)
        self._held = data[_READ:]
        return data[:_READ]


class BlockingSimulation(_Line):
    """A simulated answer for one thread; `cut` may come from another."""

    def __init__(self) -> None:
        super().__init__()
        self._cut = threading.Event()

    def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Take the request and wait for the headers.

        Raises:
            WaitExpired: if they did not come within the wait.
            BrokenStreamError: if it was cut.
        """
        play = self._begin(request)
        self._wait(play.head_s, wait_s)
        return Head(play.status, play.headers)

    def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end.

        Raises:
            WaitExpired: if none came within the wait.
            BrokenStreamError: if it was cut or closed.
        """
        play = self._play
        if play is None:
            raise BrokenStreamError("the simulated connection is closed")
        self._wait(play.next_s, wait_s)
        return self._due(play)

    def cut(self) -> None:
        """End the connection now, from any thread."""
        self._cut.set()

    def close(self, *, reuse: bool) -> None:  # noqa: ARG002 - there is nothing to be used again
        """Close the connection."""
        self._play = None

    def _wait(self, at_s: float | None, wait_s: float | None) -> None:
        left_s = self._left_s(at_s)
        short = wait_s is not None and wait_s < left_s
        if self._cut.wait(wait_s if short else max(left_s, 0.0)):
            raise BrokenStreamError("the stream was cut by its reader")
        if short:
            raise WaitExpired


class AsyncSimulation(_Line):
    """A simulated answer for one task; `cut` is called in the loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._cut = False
        self._waiter: asyncio.Future[None] | None = None

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Take the request and wait for the headers; see `BlockingSimulation.open`."""
        play = self._begin(request)
        await self._wait(play.head_s, wait_s)
        return Head(play.status, play.headers)

    async def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end; see `BlockingSimulation.read`."""
        play = self._play
        if play is None:
            raise BrokenStreamError("the simulated connection is closed")
        await self._wait(play.next_s, wait_s)
        return self._due(play)

    def cut(self) -> None:
        """End the connection now."""
        self._cut = True
        _wake(self._waiter)

    async def close(self, *, reuse: bool) -> None:  # noqa: ARG002 - there is nothing to be used again
        """Close the connection."""
        self._play = None

    async def _wait(self, at_s: float | None, wait_s: float | None) -> None:
        left_s = self._left_s(at_s)
        short = wait_s is not None and wait_s < left_s
        if not self._cut:
            if left_s > 0:
                await self._sleep(wait_s if wait_s is not None and short else left_s)
            else:
                await asyncio.sleep(0)  # a fast answer lets the other tasks run all the same
        if self._cut:
            raise BrokenStreamError("the stream was cut by its reader")
        if short:
            raise WaitExpired

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, _wake, self._waiter)
        try:
            await self._waiter
        finally:
            self._waiter = None
            timer.cancel()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
