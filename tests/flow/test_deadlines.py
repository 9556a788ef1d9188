"""Deadlines: which one is due first, and what it means. The clock is a number that is handed in."""

from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.flow.deadlines import Deadlines, Phase, Timeouts, read_timeouts


def test_before_the_start_nothing_is_due() -> None:
    deadlines = Deadlines(Timeouts(1, 1, 1))
    assert deadlines.next() is None
    assert deadlines.wait_s(0) is None


def test_without_timeouts_nothing_is_ever_due() -> None:
    deadlines = Deadlines(Timeouts(None, None, None))
    deadlines.start(0)
    assert deadlines.next() is None
    deadlines.progress(5)
    assert deadlines.next() is None


def test_the_first_token_is_waited_for_from_the_request_on() -> None:
    deadlines = Deadlines(Timeouts(10, 3, None))
    deadlines.start(100)
    assert deadlines.next() == (110, "first_token")
    assert deadlines.wait_s(104) == 6
    assert deadlines.wait_s(111) == 0


def test_a_token_moves_the_idle_deadline_and_ends_the_first() -> None:
    deadlines = Deadlines(Timeouts(10, 3, None))
    deadlines.start(100)
    deadlines.progress(105)
    assert deadlines.next() == (108, "idle")
    deadlines.progress(107)
    assert deadlines.next() == (110, "idle")


def test_nothing_moves_the_total() -> None:
    deadlines = Deadlines(Timeouts(None, 10, 20))
    deadlines.start(0)
    assert deadlines.next() == (20, "total")
    deadlines.progress(5)
    assert deadlines.next() == (15, "idle")
    deadlines.progress(15)
    assert deadlines.next() == (20, "total")


def test_the_caller_s_limit_is_the_shortest_that_was_set() -> None:
    deadlines = Deadlines(Timeouts(None, None, 50))
    deadlines.limit(30)
    deadlines.limit(40)
    deadlines.start(0)
    assert deadlines.next() == (30, "limit")
    deadlines.limit(20)
    assert deadlines.next() == (20, "limit")


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ("first_token", "no token came within 1.5 s (the first-token timeout)"),
        ("idle", "no further token came within 2 s (the idle timeout)"),
        ("total", "the answer was not complete within 3 s (the total timeout)"),
    ],
)
def test_a_deadline_in_words(phase: Phase, words: str) -> None:
    assert Deadlines(Timeouts(1.5, 2, 3)).describe(phase) == words


def test_timeouts_as_a_caller_gives_them() -> None:
    assert read_timeouts(None) is None
    assert read_timeouts((1, 2, None)) == Timeouts(1, 2, None)
    bad: list[Any] = [(), (1, 2), (0, 1, 2), (1, -1, None)]
    for times in bad:
        with pytest.raises(UsageError, match="three times above 0 in seconds, or None"):
            read_timeouts(times)
