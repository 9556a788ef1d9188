"""When to stop waiting. Sans-IO: whoever waits hands in the time, in seconds of one monotonic clock.

Law kept here: only a token is progress; keepalives, pings and comments are none.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from headrace.errors import UsageError

Phase = Literal["first_token", "idle", "total", "limit"]


class Timeouts(NamedTuple):
    """How long to wait, in seconds; None: for ever.

    Attributes:
        first_token_s: from the request to the first token.
        idle_s: from one token to the next.
        total_s: from the request to the end.
    """

    first_token_s: float | None = 600.0
    idle_s: float | None = 120.0
    total_s: float | None = None


def read_timeouts(given: tuple[float | None, float | None, float | None] | None) -> Timeouts | None:
    """Read timeouts as a caller may give them; None: nothing was given.

    Raises:
        UsageError: if they are not three times above 0, or None.
    """
    if given is None:
        return None
    times: tuple[float | None, ...] = given
    if len(times) != 3 or any(t is not None and t <= 0 for t in times):
        raise UsageError("timeouts are (first_token_s, idle_s, total_s): three times above 0 in seconds, or None")
    return Timeouts(*given)


class Deadlines:
    """The deadlines of one attempt."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._limit_s: float | None = None
        self._started: float | None = None
        self._token: float | None = None
        self._due: tuple[float, Phase] | None = None  # the earliest deadline, as it stands now

    def start(self, now: float) -> None:
        """Start the clock: the request goes out."""
        self._started = now
        self._due = self._earliest()

    def progress(self, now: float) -> None:
        """Note that a token came."""
        self._token = now
        self._due = self._earliest()

    def limit(self, seconds: float) -> None:
        """Set the caller's own limit, from the request on: its end is a stop, not a failure."""
        self._limit_s = seconds if self._limit_s is None else min(seconds, self._limit_s)
        self._due = self._earliest()

    def next(self) -> tuple[float, Phase] | None:
        """Give the earliest deadline and what it stands for; None: there is none."""
        return self._due

    def _earliest(self) -> tuple[float, Phase] | None:
        if self._started is None:
            return None
        first, idle, total = self._timeouts
        due: tuple[float, Phase] | None = None
        if self._token is None:
            if first is not None:
                due = self._started + first, "first_token"
        elif idle is not None:
            due = self._token + idle, "idle"
        if self._limit_s is not None and (due is None or self._started + self._limit_s < due[0]):
            due = self._started + self._limit_s, "limit"
        if total is not None and (due is None or self._started + total < due[0]):
            due = self._started + total, "total"
        return due

    def describe(self, phase: Phase) -> str:
        """Say in words what a deadline of the timeouts means."""
        first, idle, total = self._timeouts
        if phase == "first_token":
            return f"no token came within {first:g} s (the first-token timeout)"
        if phase == "idle":
            return f"no further token came within {idle:g} s (the idle timeout)"
        return f"the answer was not complete within {total:g} s (the total timeout)"

    def wait_s(self, now: float) -> float | None:
        """Give the seconds that are left until the earliest deadline, at least 0; None: no bound."""
        due = self._due
        if due is None:
            return None
        left_s = due[0] - now
        return left_s if left_s > 0 else 0.0
