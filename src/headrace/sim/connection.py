"""The simulation as a connection, in place of a transport's: no socket, the same promises.

Laws kept here: a cut wakes who waits at once, from any thread; what is due by now is given in one read, of at most
16 KiB, as a socket would, but what is to come alone comes alone; no wait is longer than its bound, and none is
pretended. What is done to a connection shows as the transports show it.

Nobody can release a hold here, and nobody else can be refused: a hold waits as a stall does, and a refusal is this
connection's alone.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from headrace.errors import BrokenStreamError, ConnectError
from headrace.sim.play import Act, Call, Piece
from headrace.sim.serving.head import write_head
from headrace.transport.base import Head, WaitExpired

if TYPE_CHECKING:
    from headrace.sim.play import Play, Source, Step
    from headrace.wire.registry import HTTPRequest

_READ = 16 * 1024
_CUT = "the stream was cut by its reader"
_now = time.monotonic


class _Line:
    """What both connections share: all but waiting.

    Args:
        source: what answers; by default the simulated provider.
    """

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._play: Play | None = None
        self._step: Step | None = None  # the next one
        self._opened = 0.0
        self._held = b""  # due, but more than a read may bring

    def _begin(self, request: HTTPRequest) -> float:
        """Take the request, and tell when there is something to be said of the head, in seconds from now."""
        path = urlsplit(request.url).path
        call = Call(
            method=request.method,
            path=path if path.startswith("/v1/") else f"/v1{path}",
            headers=request.headers,
            body=request.body,
        )
        self._opened = _now()
        if self._source is None:
            from headrace.sim import provider

            play = provider.play(call)
        else:
            play = self._source.play(call)
        self._play = play
        step, head = self._go_on(), play.head
        if head is None:
            return _time_of(step)
        size = len(write_head(head, head.framing)) if head.drip_s else 1
        whole_s = head.at_s + head.drip_s * (size - 1)
        if isinstance(step, Act) and step.kind not in ("eof", "hold") and step.at_s < whole_s:
            play.head = None  # it is cut short
            return _time_of(step)
        return whole_s

    def _answered(self) -> Head:
        """Give the head, which is due, or what came in its place."""
        head = self._opened_play().head
        if head is None:
            raise _broken(self._step, "without an answer")
        return Head(head.status, dict(head.headers))

    def _opened_play(self) -> Play:
        if self._play is None:
            raise BrokenStreamError("the simulated connection is closed")
        return self._play

    def _next_s(self) -> float:
        """Tell when there is something to be read, in seconds from the request; the end is always there."""
        return -math.inf if self._held or self._step is None else _time_of(self._step)

    def _left_s(self, at_s: float) -> float:
        return self._opened + at_s - _now()

    def _due(self) -> bytes:
        """Give what is due, of which there is something."""
        step = self._step
        if isinstance(step, Act) and not self._held:
            head = self._opened_play().head
            if step.kind == "eof" or (step.kind == "close" and head is not None and head.framing == "close"):
                return b""
            raise _broken(step, "in the middle of the body")
        pieces, size = [self._held], len(self._held)
        # one piece at least: timers may fire a little early, and no bytes would be the end
        passed_s = max(_now() - self._opened, self._next_s())
        while size < _READ and isinstance(step, Piece) and step.at_s <= passed_s and not (step.alone and size):
            pieces.append(step.data)
            size += len(step.data)
            alone = step.alone
            step = self._go_on()
            if alone:
                break
        data = b"".join(pieces)
        self._held = data[_READ:]
        return data[:_READ]

    def _go_on(self) -> Step | None:
        self._step = next(self._opened_play().steps, None)
        return self._step

    def _end(self) -> None:
        play, self._play, self._step = self._play, None, None
        self._held = b""
        if play is not None:
            close = getattr(play.steps, "close", None)
            if close is not None:  # what nobody reads is not made
                close()


class BlockingSimulation(_Line):
    """A simulated answer for one thread; `cut` may come from another."""

    def __init__(self, source: Source | None = None) -> None:
        super().__init__(source)
        self._cut = threading.Event()

    def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Take the request and wait for the headers.

        Raises:
            WaitExpired: if they did not come within the wait.
            ConnectError: if it was refused.
            BrokenStreamError: if it broke, or was cut.
        """
        self._wait(self._begin(request), wait_s)
        return self._answered()

    def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end.

        Raises:
            WaitExpired: if none came within the wait.
            BrokenStreamError: if it broke, or was cut or closed.
        """
        self._opened_play()
        self._wait(self._next_s(), wait_s)
        return self._due()

    def cut(self) -> None:
        """End the connection now, from any thread."""
        self._cut.set()

    def close(self, *, reuse: bool) -> None:  # noqa: ARG002 - there is nothing to be used again
        """Close the connection."""
        self._end()

    def _wait(self, at_s: float, wait_s: float | None) -> None:
        left_s = self._left_s(at_s)
        short = wait_s is not None and wait_s < left_s
        bound_s = wait_s if short else max(left_s, 0.0)
        if self._cut.wait(None if bound_s == math.inf else bound_s):
            raise BrokenStreamError(_CUT)
        if short:
            raise WaitExpired


class AsyncSimulation(_Line):
    """A simulated answer for one task; `cut` is called in the loop's thread."""

    def __init__(self, source: Source | None = None) -> None:
        super().__init__(source)
        self._cut = False
        self._waiter: asyncio.Future[None] | None = None

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        """Take the request and wait for the headers; see `BlockingSimulation.open`."""
        await self._wait(self._begin(request), wait_s)
        return self._answered()

    async def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes of the body, b"" at its end; see `BlockingSimulation.read`."""
        self._opened_play()
        await self._wait(self._next_s(), wait_s)
        return self._due()

    def cut(self) -> None:
        """End the connection now."""
        self._cut = True
        _wake(self._waiter)

    async def close(self, *, reuse: bool) -> None:  # noqa: ARG002 - there is nothing to be used again
        """Close the connection."""
        self._end()

    async def _wait(self, at_s: float, wait_s: float | None) -> None:
        left_s = self._left_s(at_s)
        short = wait_s is not None and wait_s < left_s
        if not self._cut:
            if left_s > 0:
                await self._sleep(wait_s if wait_s is not None and short else left_s)
            else:
                await asyncio.sleep(0)  # a fast answer lets the other tasks run all the same
        if self._cut:
            raise BrokenStreamError(_CUT)
        if short:
            raise WaitExpired

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if seconds == math.inf else loop.call_later(seconds, _wake, self._waiter)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _time_of(step: Step | None) -> float:
    """Tell when a step can be seen: never, if it is a wait."""
    if step is None:
        return 0.0
    return math.inf if isinstance(step, Act) and step.kind in ("stall", "hold") else step.at_s


def _broken(step: Step | None, where: str) -> Exception:
    """Say what an act looks like from here."""
    if isinstance(step, Act) and step.kind == "refuse":
        return ConnectError(f"no connection to the simulation: {os.strerror(errno.ECONNREFUSED)}")
    if isinstance(step, Act) and step.kind == "reset":
        return BrokenStreamError(
            f"the connection broke: {ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))}"
        )
    return BrokenStreamError(f"the connection broke: the server closed it {where}")
