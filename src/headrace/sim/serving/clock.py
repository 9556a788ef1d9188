"""The time by which plays are played: the real one, or one that tests move.

Laws kept here: time never goes back; who sleeps until a moment wakes in the order of the moments; with a virtual clock
it is then exactly that moment, however many connections there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING

from headrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator


class Clock:
    """The real clock: seconds since the server's start."""

    def __init__(self) -> None:
        self._since: float | None = None

    def start(self) -> None:
        """Begin to count, if it has not begun."""
        if self._since is None:
            self._since = time.monotonic()

    def now(self) -> float:
        """Give the seconds since the start."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    async def sleep_until(self, at_s: float) -> None:
        """Sleep until a moment, in seconds since the start."""
        # a timer may fire a little early
        while (left_s := at_s - self.now()) > 0:  # noqa: ASYNC110 - it waits for time itself
            await asyncio.sleep(left_s)

    def join(self) -> None:
        """Say that somebody begins to play by this clock, until he leaves."""

    def leave(self) -> None:
        """Say that he plays no more."""

    def waiting(self) -> contextlib.AbstractContextManager[None]:
        """Say that a player waits for something else than time."""
        return contextlib.nullcontext()


class _Sleeper:
    """A task that sleeps."""

    def __init__(self) -> None:
        self.woken = False
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future()

    def wake(self) -> None:
        """Wake it, from any thread."""
        self.woken = True
        self._loop.call_soon_threadsafe(self._wake)

    async def sleep(self) -> None:
        await self._future

    def _wake(self) -> None:
        if not self._future.done():  # cancelled in the meantime
            self._future.set_result(None)


class VirtualClock(Clock):
    """A clock for tests that must not wait.

    It begins at 0.  Its players are all that play by it; time passes only when each of them sleeps, or waits for
    something else: for a hold to be released, for its client to read, to go.

    Args:
        auto: time jumps to the next moment that somebody sleeps until, as soon as it may; so no wait takes time, and
            the journal still says how long it would have been. Without it time stands still until `advance`.
    """

    def __init__(self, *, auto: bool = True) -> None:
        super().__init__()
        self.auto = auto
        self._now = 0.0
        self._changed = threading.Condition()
        self._playing = 0  # those who neither sleep nor wait
        self._sleepers: list[tuple[float, int, _Sleeper]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Give the seconds since 0."""
        return self._now

    def advance(self, seconds: float, *, deadline_s: float = 10.0) -> None:
        """Let time pass, from any thread but the server's own.

        Who sleeps until a moment in this time wakes in its turn, and does what he has to do before time goes on.  So
        when this returns, all that was due is written, as far as clients read it.

        Args:
            seconds: how much.
            deadline_s: how long the players may take for it, in real seconds. It bounds a hang.

        Raises:
            UsageError: for a time that goes back.
            TimeoutError: if they took longer.
        """
        if not seconds >= 0:
            raise UsageError(f"time does not go back: advance() takes seconds from 0 on, not {seconds!r}")
        with self._changed:
            until_s = self._now + seconds
            while True:
                if not self._changed.wait_for(lambda: self._playing <= 0, deadline_s):
                    raise TimeoutError(
                        f"what was due at {self._now:g} s was not done within {deadline_s:g} s (within the loop that "
                        "serves it is `await clock.advance_async()`)"
                    )
                if not self._sleepers or self._sleepers[0][0] > until_s:
                    break
                self._wake_next()
            self._now = max(self._now, until_s)

    async def advance_async(self, seconds: float, *, deadline_s: float = 10.0) -> None:
        """Let time pass, for a task; see `advance`."""
        await asyncio.to_thread(self.advance, seconds, deadline_s=deadline_s)

    async def sleep_until(self, at_s: float) -> None:
        """Sleep until a moment, in seconds since 0."""
        with self._changed:
            if at_s <= self._now:
                return
            sleeper = _Sleeper()
            entry = (at_s, next(self._order), sleeper)
            heapq.heappush(self._sleepers, entry)
            self._rest()
        try:
            await sleeper.sleep()
        except asyncio.CancelledError:
            with self._changed:
                if not sleeper.woken:
                    self._sleepers.remove(entry)
                    heapq.heapify(self._sleepers)
                    self._playing += 1
            raise

    def join(self) -> None:
        """Say that somebody begins to play by this clock, until he leaves."""
        with self._changed:
            self._playing += 1

    def leave(self) -> None:
        """Say that he plays no more."""
        with self._changed:
            self._rest()

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Say that a player waits for something else than time."""
        with self._changed:
            self._rest()
        try:
            yield
        finally:
            with self._changed:
                self._playing += 1

    def _rest(self) -> None:
        self._playing -= 1
        if self.auto and self._playing <= 0 and self._sleepers:
            self._wake_next()
        self._changed.notify_all()

    def _wake_next(self) -> None:
        at_s, _, sleeper = heapq.heappop(self._sleepers)
        self._now = max(self._now, at_s)
        self._playing += 1
        sleeper.wake()
