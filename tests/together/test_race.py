"""Whoever gives a token first: the others' sockets close, failures let the next one start, nothing said is lost."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import AuthenticationError, UsageError
from tests.faces import FACES, Face, ask, stream_of
from tests.servers import LAST, STALL, Server, chunked, head, open_sockets
from tests.together.joined import begun, ended, good, refused, run_race, streams
from tests.wire.streams import DONE, choice, chunk, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

FOREVER_S = float("inf")


@pytest.mark.parametrize("face", FACES)
def test_the_first_token_wins(face: Face, serve: Serve, no_collector: None) -> None:
    role = chunk(choice({"role": "assistant", "content": ""}))  # no token
    slow = [serve([head(), STALL]), serve([head() + chunked(sse(role)), STALL]), serve([STALL])]
    servers = {"a": slow[0], "b": slow[1], "fast": serve(good("Hel", "lo")), "c": slow[2]}
    raced = run_race(face, streams(face, servers))
    assert (raced.race.winner, raced.text, raced.error) == ("fast", "Hello", None)
    outcomes = {label: message.outcome for label, message in raced.race.messages.items()}
    assert outcomes == {"a": "cancelled", "b": "cancelled", "fast": "complete", "c": "cancelled"}
    for server in slow:
        assert all(peer.wait_gone() for peer in server.peers)
        assert open_sockets(server.port) == 0
    assert [t for t in threading.enumerate() if t.name.startswith("headrace-race")] == []


@pytest.mark.parametrize("face", FACES)
def test_the_losers_are_stopped_before_the_winner_is_read(face: Face, serve: Serve) -> None:
    slow = serve([head(), STALL])
    given = streams(face, {"slow": slow, "fast": serve(good("x"))})

    def blocking() -> None:
        with headrace.race(given):
            assert all(peer.wait_gone() for peer in slow.peers)

    async def asynchronous() -> None:
        async with headrace.race(given):
            assert all([await asyncio.to_thread(peer.wait_gone) for peer in slow.peers])

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_who_fails_lets_the_next_one_start(face: Face, serve: Serve) -> None:
    servers = [serve(refused()), serve([head(), LAST]), serve(good("x"))]
    raced = run_race(face, list(streams(face, dict(enumerate(servers))).values()), stagger_s=FOREVER_S)
    assert (raced.race.winner, raced.text) == (2, "x")
    assert set(raced.race.errors) == {0, 1}


@pytest.mark.parametrize("face", FACES)
def test_who_waits_for_his_turn_is_not_asked(face: Face, serve: Serve) -> None:
    last = serve(good("y"))
    raced = run_race(face, streams(face, {"a": serve(good("x")), "b": last}), stagger_s=FOREVER_S)
    assert (raced.race.winner, raced.text) == ("a", "x")
    assert last.peers == []


@pytest.mark.parametrize("face", FACES)
def test_the_next_one_starts_after_a_while(face: Face, serve: Serve) -> None:
    servers = {"silent": serve([STALL]), "next": serve(good("x"))}
    raced = run_race(face, streams(face, servers), stagger_s=0.01)
    assert (raced.race.winner, raced.text) == ("next", "x")
    assert all(peer.wait_gone() for peer in servers["silent"].peers)


@pytest.mark.parametrize("face", FACES)
def test_all_fail(face: Face, serve: Serve) -> None:
    servers = {"a": serve(refused(401)), "b": serve(refused(429)), "c": serve(refused(500))}
    raced = run_race(face, streams(face, servers))
    assert isinstance(raced.error, AuthenticationError)
    notes = raced.error.__notes__
    assert notes[0] == "in the stream 'a'"
    assert [note.partition(":")[0] for note in notes[1:]] == ["and in the stream 'b'", "and in the stream 'c'"]


@pytest.mark.parametrize("face", FACES)
def test_a_good_answer_without_a_word(face: Face, serve: Serve) -> None:
    """It wins if nobody else says anything."""
    empty = [head(), chunked(sse(chunk(choice(finish="stop")), DONE)), LAST]
    raced = run_race(face, streams(face, {"a": serve(refused()), "b": serve(empty)}))
    assert (raced.race.winner, raced.text) == ("b", "")
    raced = run_race(face, streams(face, {"a": serve(empty), "b": serve(good("x"))}), stagger_s=FOREVER_S)
    assert (raced.race.winner, raced.text) == ("b", "x")


@pytest.mark.parametrize("face", FACES)
def test_what_fails_after_its_first_token_has_won_all_the_same(face: Face, serve: Serve) -> None:
    raced = run_race(face, streams(face, {"a": serve([begun("Hel"), LAST])}))
    assert raced.race.winner == "a"
    assert raced.error is not None
    assert raced.error.partial.text == "Hel"  # type: ignore[union-attr]


@pytest.mark.parametrize("face", FACES)
def test_giving_up_stops_them_all(face: Face, serve: Serve, no_collector: None) -> None:
    """What the caller raises while nobody has won: a condition of one's own, or a task that is cancelled."""

    def broken(_: str) -> bool:
        raise ZeroDivisionError

    silent = serve([head(), STALL])
    given = streams(face, {"silent": silent, "broken": serve(good("x"))})
    given["broken"].until(broken)
    with pytest.raises(ZeroDivisionError):
        run_race(face, given)
    assert all(peer.wait_gone() for peer in silent.peers)
    assert open_sockets(silent.port) == 0


async def test_a_task_that_is_cancelled(serve: Serve) -> None:
    silent = serve([head(), STALL])

    async def run() -> None:
        async with headrace.race(streams("async", {"a": silent})):
            pass

    task = asyncio.create_task(run())
    await asyncio.to_thread(silent.wait_asked)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(silent.peers[0].wait_gone)


@pytest.mark.parametrize("face", FACES)
def test_once_and_in_order(face: Face, serve: Serve) -> None:
    one: Any = stream_of(face, **ask(serve(good("x"))))
    for stagger_s in (-1, float("nan")):
        with pytest.raises(UsageError, match="not be below 0"):
            headrace.race([one], stagger_s=stagger_s)
    raced = run_race(face, [one])
    assert raced.text == "x"

    def blocking() -> None:
        with raced.race:
            pass

    async def asynchronous() -> None:
        async with raced.race:
            pass

    with pytest.raises(UsageError, match="entered once"):
        blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_waiting_for_the_first_token(face: Face, serve: Serve) -> None:
    """What it waited for is still to be read."""
    given = stream_of(face, **ask(serve([begun("Hel"), ended("lo")])))
    empty = stream_of(face, **ask(serve([head(), chunked(sse(chunk(choice(finish="stop")), DONE)), LAST])))
    short = stream_of(face, **ask(serve([head(), LAST])))

    def blocking() -> None:
        with given as s:
            assert s.wait_first_token()
            assert s.wait_first_token()
            assert s.get_final_text() == "Hello"
        with empty as s:
            assert not s.wait_first_token()
        with short as s, pytest.raises(headrace.TruncatedError):
            s.wait_first_token()

    async def asynchronous() -> None:
        async with given as s:
            assert await s.wait_first_token()
            assert await s.wait_first_token()
            assert await s.get_final_text() == "Hello"
        async with empty as s:
            assert not await s.wait_first_token()
        async with short as s:
            with pytest.raises(headrace.TruncatedError):
                await s.wait_first_token()

    blocking() if face == "sync" else asyncio.run(asynchronous())
