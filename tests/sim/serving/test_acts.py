"""What is done to a connection: at its time, to the byte, and as the journal says."""

import asyncio
import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.sim.play import Call, Head, Piece, Play, Step
from headrace.sim.serving import connection
from headrace.sim.serving.clock import VirtualClock
from tests.sim.serving.raw import BOUND_S, HEAD, LAST, SSE, Client, act, chunks, play, request, simulator, wait_for

A = Piece(0.0, b"a", 1)


def test_eof_ends_the_body_in_order() -> None:
    with simulator(play(A, act("eof"), tokens=9)) as sim, Client(sim) as client:
        for _ in range(2):
            client.send(request())
            client.expect(HEAD + chunks(b"a") + LAST)
        last = sim.journal.last
        assert (last.ended_by, last.how, last.tokens, last.tokens_planned) == ("server", "eof", 1, 9)


def test_close_leaves_the_body_without_its_end() -> None:
    with simulator(play(A, act("close"))) as sim, Client(sim, request()) as client:
        assert client.rest() == HEAD + chunks(b"a")
        assert (sim.journal.last.ended_by, sim.journal.last.how, sim.journal.last.tokens) == ("server", "close", 1)
        sim.journal.wait_closed()
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "fin")]


def test_reset() -> None:
    with simulator(play(A, act("reset"))) as sim, Client(sim, request()) as client:
        assert client.rest_and_reset() == HEAD + chunks(b"a")
        assert (sim.journal.last.ended_by, sim.journal.last.how) == ("server", "reset")
        sim.journal.wait_closed()
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "reset")]


MUCH = [Piece(0.0, b"x" * 10_000, 1)] * 300


@pytest.mark.parametrize("clock", [None, VirtualClock])
@pytest.mark.parametrize("small", [True, False])
def test_a_reset_takes_nothing_with_it(small: bool, clock: Callable[[], VirtualClock] | None) -> None:
    whole = HEAD + chunks(*[piece.data for piece in MUCH])
    with simulator(play(*MUCH, act("reset", 1.0 if clock else 0.0)), clock=clock and clock()) as sim:
        for number in range(1, 6):
            with Client(sim, request(), small=small) as client:
                assert len(client.rest_and_reset()) == len(whole)
            exchange = sim.journal.wait(lambda e, number=number: e.id == number and e.ended_by is not None)
            assert (exchange.how, exchange.bytes_sent, exchange.tokens) == ("reset", len(whole), 300)


def full(*steps: Step) -> Callable[[], Play]:
    """Make plays that write somewhat more than a client's system takes before it is read."""
    return play(Piece(0.0, b"x" * 20_000), *steps)


def test_who_does_not_read_is_reset_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_PATIENCE_S", 0.05)
    with simulator(full(act("reset"))) as sim, Client(sim, request(), small=True) as client:
        sim.journal.wait()
        sim.journal.wait_closed()
        client.rest_and_reset()
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "reset")]


@pytest.mark.parametrize("way", ["fin", "rst", "close"])
def test_who_goes_while_a_reset_waits_for_him(way: str) -> None:
    with simulator(full(act("reset")), clock=VirtualClock()) as sim, Client(sim, request(), small=True) as client:
        assert sim.journal.wait().how == "reset"
        assert sim.journal.open_connections == 1
        if way == "close":
            sim.close()
        elif way == "fin":
            client.socket.shutdown(socket.SHUT_WR)
        else:
            client.reset()
        sim.journal.wait_closed()
        assert (sim.journal.last.ended_by, sim.journal.last.how) == ("server", "reset")
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "reset")]


def test_who_goes_while_the_reset_after_a_failure_waits_for_him() -> None:
    with simulator(full(), nothing(details=1)) as sim, Client(sim, request() + request(), small=True) as client:
        assert sim.journal.wait(lambda e: e.id == 2 and e.ended_by is not None).how == "failed"
        assert sim.journal.open_connections == 1
        client.socket.shutdown(socket.SHUT_WR)
        sim.journal.wait_closed()
        wait_for(lambda: not sim._server._tasks)


@pytest.mark.parametrize("kind", ["close", "reset", "eof", None])
def test_before_the_head(kind: str | None) -> None:
    steps = [act(kind)] if kind else []
    with simulator(play(*steps, head=None)) as sim, Client(sim, request()) as client:
        assert (client.rest_and_reset if kind == "reset" else client.rest)() == b""
        last = sim.journal.last
        assert (last.status, last.answered_s, last.how) == (None, None, kind if kind == "reset" else "close")


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_in_the_middle_of_the_head(kind: str) -> None:
    head = Head(headers=SSE.headers, drip_s=1.0)
    with simulator(play(act(kind, 19.5), head=head), clock=VirtualClock()) as sim, Client(sim, request()) as client:
        assert (client.rest if kind == "close" else client.rest_and_reset)() == HEAD[:20]
        last = sim.journal.last
        assert (last.status, last.how, last.ended_s, last.bytes_sent) == (None, kind, 19.5, 20)


def test_an_end_of_the_body_does_not_cut_the_head() -> None:
    head = Head(headers=SSE.headers, drip_s=1.0)
    with simulator(play(act("eof"), head=head), clock=VirtualClock()) as sim, Client(sim, request()) as client:
        client.expect(HEAD + LAST)


@pytest.mark.parametrize(("kind", "length"), [("close", 4), ("reset", 4), ("eof", 3)])
def test_a_length_that_is_not_kept(kind: str, length: int) -> None:
    said = f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: keep-alive\r\n\r\nabc".encode()
    with simulator(play(b"abc", act(kind), head=Head(framing="length"))) as sim, Client(sim, request()) as client:
        if kind == "eof":
            client.expect(said)
        else:
            assert (client.rest if kind == "close" else client.rest_and_reset)() == said


def test_a_stall_lasts_until_the_client_goes() -> None:
    with simulator(play(A, act("stall", 1.0)), clock=VirtualClock()) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"a"))
            assert sim.journal.last.ended_by is None
        last = sim.journal.wait(lambda e: e.ended_by == "client")
        assert (last.how, last.left_at_token, last.tokens_after_leaving) == ("left", 1, 0)


# -- holds


def test_a_hold_is_released_after_it_is_reached() -> None:
    with simulator(play(A, act("hold", name="x"), Piece(0.0, b"b", 1))) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))
        assert sim.journal.last.tokens == 1
        assert sim.release("other") == 0
        assert sim.release("x") == 1
        client.expect(chunks(b"b") + LAST)


def test_a_hold_is_released_before_it_is_reached() -> None:
    with simulator(play(A, act("hold", name="x"), b"b")) as sim:
        assert sim.release("x") == 0
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"a", b"b") + LAST)
            client.send(request())  # the release is used up
            client.expect(HEAD + chunks(b"a"))
            assert sim.release("x") == 1
            client.expect(chunks(b"b") + LAST)


def test_a_release_by_name_is_for_one_and_first_come_first_served() -> None:
    with simulator(play(act("hold", name="x"), b"b")) as sim:
        with Client(sim, request()) as first:
            first.expect(HEAD)
            with Client(sim, request()) as second:
                second.expect(HEAD)
                assert sim.release("x") == 1
                first.expect(chunks(b"b") + LAST)
                assert sim.release("x") == 1
                second.expect(chunks(b"b") + LAST)


def test_a_release_without_a_name_is_for_all_that_are_held_or_for_the_next() -> None:
    plays = [play(act("hold", name=name), b"b") for name in ("x", "y", "z", "")]
    with simulator(*plays) as sim, Client(sim, request()) as first, Client(sim) as second:
        first.expect(HEAD)
        second.send(request())
        second.expect(HEAD)
        assert sim.release() == 2
        first.expect(chunks(b"b") + LAST)
        second.expect(chunks(b"b") + LAST)
        assert sim.release() == 0
        first.send(request())
        first.expect(HEAD + chunks(b"b") + LAST)
        first.send(request())
        first.expect(HEAD)
        assert sim.release() == 1
        first.expect(chunks(b"b") + LAST)


def test_who_leaves_a_hold_takes_no_release_with_him() -> None:
    with simulator(play(act("hold"), b"b")) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD)
        sim.journal.wait(lambda e: e.how == "left")
        sim.journal.wait_closed()
        assert sim.release() == 0
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"b") + LAST)


def test_the_plays_time_stands_still_while_it_is_held() -> None:
    clock = VirtualClock(auto=False)
    steps = (act("hold", 1.0), Piece(1.5, b"b"), Piece(2.0, b"c"))
    with simulator(play(*steps), clock=clock) as sim, Client(sim, request()) as client:
        client.expect(HEAD)
        clock.advance(10.0)
        assert sim.release() == 1
        clock.advance(0.25)
        assert sim.journal.last.bytes_sent == len(HEAD)
        clock.advance(0.25)
        client.expect(chunks(b"b"))
        clock.advance(0.5)
        client.expect(chunks(b"c") + LAST)
        assert sim.journal.last.ended_s == 11.0


def test_a_hold_before_the_head() -> None:
    head = Head(headers=SSE.headers, at_s=0.5)
    with simulator(play(act("hold", 0.25), b"b", head=head), clock=VirtualClock()) as sim:
        with Client(sim, request()) as client:
            sim.journal.wait(lambda e: True)
            assert sim.release() in (0, 1)
            client.expect(HEAD + chunks(b"b") + LAST)


# -- refusals


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_refusal_resets_and_refuses_others_for_its_time() -> None:
    clock = VirtualClock(auto=False)
    with simulator(play(act("refuse", seconds=5.0), head=None), play(b"x"), clock=clock) as sim:
        with Client(sim) as other, Client(sim, request()) as client:
            assert client.rest_and_reset() == b""
            assert sim.journal.last.how == "refuse"
            assert refused(sim.port)
            other.send(request())  # what is open stays open
            other.expect(HEAD + chunks(b"x") + LAST)
            clock.advance(4.5)
            assert refused(sim.port)
            clock.advance(0.5)
            with Client(sim, request()) as again:
                again.expect(HEAD + chunks(b"x") + LAST)


def test_with_a_clock_that_jumps_a_refusal_is_soon_over() -> None:
    refusal = play(act("refuse", seconds=3600.0), head=None)
    with simulator(refusal, play(b"x"), clock=VirtualClock()) as sim, Client(sim, request()) as client:
        assert client.rest_and_reset() == b""
        sim.release()  # a turn of the server's
        while refused(sim.port):
            sim.release()
        assert sim.clock.now() == 3600.0


def test_a_block_of_refusal_keeps_the_port() -> None:
    with simulator(play(b"x")) as sim, Client(sim, request()) as open_before:
        open_before.expect(HEAD + chunks(b"x") + LAST)
        with sim.refuse():
            assert refused(sim.port)
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", sim.port))
            with sim.refuse():
                assert refused(sim.port)
            assert refused(sim.port)
            open_before.send(request())
            open_before.expect(HEAD + chunks(b"x") + LAST)
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"x") + LAST)


def test_closing_while_it_refuses() -> None:
    sim = simulator(play(b"x")).start()
    with sim.refuse():
        sim.close()
    clock = VirtualClock(auto=False)
    with simulator(play(act("refuse", seconds=5.0), head=None), clock=clock) as sim, Client(sim, request()) as client:
        assert client.rest_and_reset() == b""


def test_a_release_over_http() -> None:
    with simulator(play(A, act("hold", name="x y"), b"b")) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))
        asked = urllib.request.Request(f"{sim.url}/_sim/release?name=x%20y", method="POST")
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert json.loads(answer.read()) == {"released": 1}
        client.expect(chunks(b"b") + LAST)


def test_a_source_that_fails_in_the_middle(caplog: pytest.LogCaptureFixture) -> None:
    def steps() -> Iterator[Step]:
        yield A
        yield Piece(0.02, b"b")
        raise ZeroDivisionError

    with simulator(lambda: Play(head=SSE, steps=steps())) as sim, Client(sim, request()) as client:
        assert client.rest_and_reset() == HEAD + chunks(b"a")
        assert (sim.journal.last.ended_by, sim.journal.last.how) == ("server", "failed")
    assert "ZeroDivisionError" in caplog.text


def test_a_source_that_fails_at_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Play:
        raise ZeroDivisionError("nothing")

    with simulator(fail) as sim, Client(sim, request()) as client:
        status, _, body = client.answer()
        assert status == 500
        assert json.loads(body)["error"]["message"] == "the simulator's source failed: ZeroDivisionError: nothing"
        assert sim.journal.last.label == "failed"
    assert "ZeroDivisionError" in caplog.text
    with simulator(fail) as sim, Client(sim, request()) as client:
        client.answer()
        assert isinstance(sim.failure, ZeroDivisionError)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, pytest.fail.Exception])
@pytest.mark.parametrize("place", ["play", "steps", "close"])
def test_nothing_that_a_source_raises_ends_the_server(error: Any, place: str) -> None:
    def steps() -> Iterator[Step]:
        try:
            yield A
            if place == "steps":
                raise error("stop")
            yield act("stall") if place == "play" else Piece(3600.0, b"b")
        finally:
            if place == "close":
                raise error("stop")

    class Source:
        calls = 0

        def play(self, call: Call) -> Play:
            self.calls += 1
            if place == "play" and self.calls == 1:
                raise error("stop")
            return Play(head=SSE, steps=steps() if self.calls == 1 else iter([A]))

    source: Any = Source()
    with simulator(play(A)) as sim:
        sim._server.source = source
        with Client(sim, request()) as client:
            if place == "play":
                assert client.answer()[0] == 500
            elif place == "steps":
                client.rest_and_reset()
            else:
                client.expect(HEAD + chunks(b"a"))
        sim.journal.wait_closed()
        assert sim.journal.wait().how == {"play": "complete", "steps": "failed", "close": "left"}[place]
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"a") + LAST)
    assert type(sim.failure) is error


def test_a_step_that_says_it_was_cancelled_is_a_failure() -> None:
    def steps() -> Iterator[Step]:
        yield A
        raise asyncio.CancelledError

    with simulator(lambda: Play(head=SSE, steps=steps())) as sim, Client(sim, request()) as client:
        client.rest_and_reset()
        assert sim.journal.last.how == "failed"
        assert isinstance(sim.failure, asyncio.CancelledError)


def nothing(**play: Any) -> Any:
    return lambda: Play(**{"head": SSE, "steps": iter([]), **play})


@pytest.mark.parametrize("given", [lambda: None, lambda: "text"])
def test_a_source_that_gives_no_play(given: Any) -> None:
    with simulator(given) as sim, Client(sim, request()) as client:
        status, _, body = client.answer()
        assert status == 500
        assert b"must give a Play, and gave a" in body
        assert isinstance(sim.failure, TypeError)


@pytest.mark.parametrize("given", [nothing(details=1), nothing(head="text"), nothing(steps=None)])
def test_a_source_that_gives_a_play_that_is_none(given: Any) -> None:
    clock = VirtualClock(auto=False)
    with simulator(given, clock=clock) as sim, Client(sim, request()) as client:
        assert client.rest_and_reset() == b""
        last = sim.journal.wait()
        assert (last.ended_by, last.how) == ("server", "failed")
        sim.journal.wait_closed()
        clock.advance(1.0, deadline_s=BOUND_S)  # and the clock waits for nobody
        assert sim.failure is not None


def test_a_server_that_ends_in_the_same_moment() -> None:
    # before it has said its reset
    for _ in range(5):
        with simulator(nothing(details=1)) as sim, Client(sim, request()):
            sim.journal.wait()
        assert sim.journal.last.how == "failed"
