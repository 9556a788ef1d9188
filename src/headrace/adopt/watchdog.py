"""Deadlines for a thread that waits in somebody else's code: another thread, which ends the wait from outside.

Laws kept here: no thread is left after `stop`; a wait costs a lock, not a wake-up: the thread is woken only for a
deadline that comes before the one that it sleeps for.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Watchdog:
    """Call something when a wait takes too long.

    Args:
        bark: what is called, in the watchdog's thread, once.

    Attributes:
        expired: whether it was.
    """

    def __init__(self, bark: Callable[[], object]) -> None:
        self.expired = False
        self._bark = bark
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._sleeps_until: float | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="headrace-watchdog", daemon=True)
        self._thread.start()

    def arm(self, wait_s: float) -> None:
        """Say that a wait begins, and how long it may take."""
        with self._changed:
            self._deadline = time.monotonic() + wait_s
            if self._sleeps_until is None or self._deadline < self._sleeps_until:
                self._changed.notify()

    def disarm(self) -> None:
        """Say that the wait is over."""
        self._deadline = None

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped:
                until = self._sleeps_until = self._deadline
                left_s = None if until is None else until - time.monotonic()
                if left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                else:
                    self.expired = True
                    self._deadline = None
                    self._bark()
