"""Clocks: time passes, jumps, or stands still until it is told to pass."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, strategies as st

from headrace.errors import UsageError
from headrace.sim.play import Head, Piece, Play, Step
from headrace.sim.serving.clock import Clock, VirtualClock
from tests.sim.serving.raw import HEAD, LAST, SSE, Client, chunks, play, request, simulator


async def test_the_real_clock() -> None:
    clock = Clock()
    assert clock.now() == 0.0
    clock.start()
    before = clock.now()
    await clock.sleep_until(before + 0.01)
    after = clock.now()
    assert after >= before + 0.01
    clock.start()  # goes on
    assert clock.now() >= after
    await clock.sleep_until(0.0)


def test_time_jumps() -> None:
    steps = [Piece(7200.0, b"a", 1), Piece(7200.0, b"b", 1), Piece(9000.5, b"c", 1)]
    with simulator(play(*steps, head=Head(headers=SSE.headers, at_s=3600.0)), clock=VirtualClock()) as sim:
        with Client(sim) as client:
            for turn in range(3):
                client.send(request())
                client.expect(HEAD + chunks(b"a", b"b", b"c") + LAST)
                last, began = sim.journal.last, turn * 9000.5
                assert (last.asked_s, last.answered_s, last.ended_s) == (began, began + 3600.0, began + 9000.5)
        assert sim.clock.now() == 3 * 9000.5


@given(st.lists(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=8).map(sorted), min_size=1, max_size=5))
def test_who_jumps_together_jumps_in_order(plans: list[list[float]]) -> None:
    clock = VirtualClock()
    woken: list[float] = []

    async def sleep(plan: list[float]) -> None:
        for at_s in plan:
            await clock.sleep_until(at_s)
            assert clock.now() == at_s
            woken.append(at_s)
        clock.leave()

    async def all_of_them() -> None:
        for _ in plans:
            clock.join()
        await asyncio.gather(*[sleep(plan) for plan in plans])

    asyncio.run(all_of_them())
    assert woken == sorted(at_s for plan in plans for at_s in plan)
    assert clock.now() == woken[-1]


def test_time_stands_still_until_it_is_told_to_pass() -> None:
    clock = VirtualClock(auto=False)
    steps = [Piece(1.0, b"a", 1), Piece(1.5, b"b", 1), Piece(3.0, b"c", 1)]
    with simulator(play(*steps), clock=clock) as sim, Client(sim, request()) as client:
        client.expect(HEAD)
        sim.journal.wait(lambda e: e.status == 200)
        clock.advance(0.5)
        assert (clock.now(), sim.journal.last.tokens) == (0.5, 0)
        clock.advance(0.5)
        assert (clock.now(), sim.journal.last.tokens) == (1.0, 1)
        clock.advance(10.0)
        last = sim.journal.last
        assert (last.tokens, last.ended_s, clock.now()) == (3, 3.0, 11.0)
        client.expect(chunks(b"a", b"b", b"c") + LAST)
        clock.advance(0.0)


def test_a_request_that_is_noted_is_played_by_the_time_from_then_on() -> None:
    clock = VirtualClock(auto=False)
    with simulator(play(Piece(0.25, b"a")), clock=clock) as sim, Client(sim) as client:
        for turn in range(1, 21):
            client.send(request())
            sim.journal.wait(lambda e, turn=turn: e.id == turn)
            clock.advance(0.25)
            assert sim.journal.last.how == "complete"
            client.expect(HEAD + chunks(b"a") + LAST)


async def test_time_passes_for_tasks_too() -> None:
    clock = VirtualClock(auto=False)
    async with simulator(play(Piece(1.0, b"a", 1)), clock=clock) as sim:
        with Client(sim, request()):
            await sim.journal.wait_async(lambda e: True)
            await clock.advance_async(1.0)
            assert sim.journal.last.tokens == 1


def test_time_does_not_wait_for_a_client_that_does_not_read() -> None:
    clock = VirtualClock(auto=False)
    pieces = [Piece(float(at), b"x" * 1_000_000, 1) for at in range(1, 10)]
    with (
        simulator(play(*pieces), clock=clock) as sim,
        Client(sim, request(b"", "connection: close"), small=True) as client,
    ):
        sim.journal.wait(lambda e: e.status == 200)
        clock.advance(20.0)
        assert sim.journal.last.tokens < 9
        assert client.rest().count(b"x") == 9_000_000 + 1  # text
        assert sim.journal.wait().ended_s == 20.0


def test_a_client_that_leaves_leaves_the_clock() -> None:
    clock = VirtualClock(auto=False)
    with simulator(play(Piece(1.0, b"a")), play(Piece(2.0, b"b")), clock=clock) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD)
        sim.journal.wait()
        with Client(sim, request()) as client:
            client.expect(HEAD)
            clock.advance(2.0)
            client.expect(chunks(b"b") + LAST)


def test_several_at_once_share_the_time() -> None:
    clock = VirtualClock(auto=False)
    order: list[str] = []

    def noting(name: str, *times: float) -> Callable[[], Play]:
        def steps() -> Iterator[Step]:
            for at_s in times:
                yield Piece(at_s, b"x")
                order.append(f"{name}{clock.now():g}")

        return lambda: Play(head=SSE, steps=steps())

    with simulator(noting("a", 1, 3, 5), noting("b", 2, 4), clock=clock) as sim:
        with Client(sim, request()) as first, Client(sim) as second:
            first.expect(HEAD)
            second.send(request())
            second.expect(HEAD)
            clock.advance(5.0)
    assert order == ["a1", "b2", "a3", "b4", "a5"]


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_time_never_goes_back(seconds: float) -> None:
    with pytest.raises(UsageError, match="does not go back"):
        VirtualClock(auto=False).advance(seconds)


async def test_in_the_loop_that_serves_it_is_to_be_awaited() -> None:
    clock = VirtualClock(auto=False)
    clock.join()
    with pytest.raises(TimeoutError, match="advance_async"):
        clock.advance(1.0, deadline_s=0.01)
    clock.leave()
    clock.advance(1.0)
    assert clock.now() == 1.0


async def test_a_sleeper_that_is_cancelled_when_it_was_woken() -> None:
    clock = VirtualClock(auto=False)
    clock.join()
    sleeping = asyncio.create_task(clock.sleep_until(1.0))
    await asyncio.sleep(0)
    advancing = threading.Thread(target=clock.advance, args=(1.0,))
    advancing.start()
    while clock.now() < 1.0:  # woken, but not yet awake: this loop has had no turn
        pass
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    clock.leave()
    await asyncio.to_thread(advancing.join)
