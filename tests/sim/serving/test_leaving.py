"""Clients that leave: noticed at once, whatever the play waits for, and nothing more is made."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import urllib3

from headrace.sim.play import Head, Piece, Play
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.journal import Exchange
from tests.sim.serving.raw import HEAD, LAST, SSE, Client, Endless, act, chunks, play, request, simulator, wait_for

Leave = Callable[[Client], None]


def fin(client: Client) -> None:
    client.socket.close()


def half(client: Client) -> None:
    client.socket.shutdown(1)


def rst(client: Client) -> None:
    client.reset()


LEAVES = pytest.mark.parametrize("leave", [fin, half, rst])


def check_left(exchange: Exchange, tokens: int) -> None:
    assert (exchange.ended_by, exchange.how) == ("client", "left")
    assert exchange.left_at_token == exchange.tokens == tokens
    assert exchange.tokens_after_leaving == 0


@LEAVES
def test_before_the_head(leave: Leave) -> None:
    endless = Endless()
    with simulator(lambda: Play(head=Head(at_s=3600.0), steps=endless.steps())) as sim:
        client = Client(sim, request())
        sim.journal.wait(lambda e: True)
        leave(client)
        exchange = sim.journal.wait()
        check_left(exchange, 0)
        assert exchange.status is None
        assert endless.closed.is_set()
        sim.journal.wait_closed()
        (connection,) = sim.journal.connections
        assert (connection.closed_by, connection.how) == ("client", "reset" if leave is rst else "fin")
        client.socket.close()


@LEAVES
def test_while_it_is_silent(leave: Leave) -> None:
    endless = Endless()
    clock = VirtualClock(auto=False)
    with simulator(endless, clock=clock) as sim:
        client = Client(sim, request())
        client.expect(HEAD)
        clock.advance(41.0)
        client.expect(chunks(*[b"xx"] * 41))
        leave(client)
        check_left(sim.journal.wait(), 41)
        assert endless.closed.is_set()
        clock.advance(100.0)
        assert endless.made == 42  # the one that it waited for
        check_left(sim.journal.last, 41)
        client.socket.close()


@LEAVES
@pytest.mark.parametrize("kind", ["stall", "hold"])
def test_in_a_stall_or_a_hold(leave: Leave, kind: str) -> None:
    with simulator(play(Piece(0.0, b"a", 1), act(kind))) as sim:
        client = Client(sim, request())
        client.expect(HEAD + chunks(b"a"))
        leave(client)
        check_left(sim.journal.wait(), 1)
        client.socket.close()


@LEAVES
def test_while_it_writes_as_fast_as_it_can(leave: Leave) -> None:
    endless = Endless(size=1000, every_s=0.0)
    with simulator(endless) as sim:
        client = Client(sim, request())
        client.fill(lambda held: len(held) > 1_000_000)
        leave(client)
        exchange = sim.journal.wait()
        assert exchange.how == "left"
        assert exchange.tokens >= 1_000_000 // 1005
        assert exchange.tokens_after_leaving == 0
        assert endless.closed.is_set()
        client.socket.close()


@LEAVES
def test_while_nobody_reads(leave: Leave) -> None:
    endless = Endless(size=10_000, every_s=0.0)
    with simulator(endless) as sim:
        client = Client(sim, request(), small=True)
        (connection,) = wait_for(lambda: list(sim._server.connections))
        wait_for(lambda: connection._resumed)
        before = sim.journal.last
        assert before.ended_by is None
        leave(client)
        exchange = sim.journal.wait()
        check_left(exchange, exchange.tokens)
        assert before.tokens <= exchange.tokens < endless.made
        # part of a piece may be out, and counts as bytes and not as tokens
        assert exchange.bytes_sent >= exchange.tokens * 10_000
        assert endless.closed.is_set()
        client.socket.close()


def test_what_is_written_is_not_far_ahead_of_its_reader() -> None:
    with simulator(Endless(size=250, every_s=0.0)) as sim:
        client = Client(sim, request(), small=True)
        client.expect(HEAD + chunks(b"x" * 250))
        (connection,) = sim._server.connections
        wait_for(lambda: connection._resumed)
        client.socket.close()
        exchange = sim.journal.wait()
        assert exchange.left_at_token is not None
        assert 1 <= exchange.left_at_token <= 65536 // 250  # what both kernels hold
        assert exchange.left_at_token * 250 < exchange.bytes_sent


def test_what_is_whole_of_a_write_is_noted() -> None:
    pieces = [Piece(0.0, b"x" * 1000, 1)] * 100
    with simulator(play(*pieces)) as sim:
        client = Client(sim, request(), small=True)
        (connection,) = wait_for(lambda: list(sim._server.connections))
        wait_for(lambda: connection._resumed)
        before = sim.journal.last
        assert before.status == 200
        assert before.tokens == (before.bytes_sent - len(HEAD)) // 1007 > 0
        # the socket takes more, and nobody has looked since
        connection._transport = Through(connection._transport, get_write_buffer_size=lambda: 0)
        half(client)
        exchange = sim.journal.wait()
        check_left(exchange, (exchange.bytes_sent - len(HEAD)) // 1007)
        assert exchange.bytes_sent > before.bytes_sent
        client.socket.close()


def test_a_large_piece_is_written_in_several() -> None:
    # a write that fills the send buffer waits for an acknowledgement that the other side puts off
    sizes: list[int] = []
    with simulator(play(Piece(0.0, b"a", 1), act("hold"), Piece(0.0, b"x" * 100_000, 1))) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"a"))
            (connection,) = sim._server.connections
            transport = connection._transport

            def write(data: memoryview) -> None:
                sizes.append(len(data))
                transport.write(data)

            connection._transport = Through(transport, write=write)
            sim.release()
            client.expect(chunks(b"x" * 100_000) + LAST)
            assert sim.journal.last.tokens == 2
    assert sum(sizes) == len(chunks(b"x" * 100_000) + LAST)
    assert max(sizes) == 16 * 1024


def test_all_that_a_fast_reader_may_have_read_is_noted() -> None:
    # he leaves in the middle of a write: what is whole of it counts
    endless = Endless(size=100, every_s=0.0)
    with simulator(endless) as sim:
        client = Client(sim, request(), small=True)
        client.fill(lambda held: len(held) > 200_000)
        read = client.held.count(b"x" * 100)
        client.socket.close()
        exchange = sim.journal.wait()
        assert exchange.tokens >= read
        assert exchange.status == 200


def test_who_reads_again_gets_all_of_it() -> None:
    size = 3_000_000
    with simulator(play(*[Piece(0.0, b"x" * 10_000, 1)] * 300)) as sim:
        client = Client(sim, request(b"{}", "connection: close"), small=True)
        (connection,) = wait_for(lambda: list(sim._server.connections))
        wait_for(lambda: connection._resumed)
        assert sim.journal.last.tokens < 300
        assert client.rest().count(b"x") == size + 1  # text
        last = sim.journal.wait()
        assert (last.how, last.tokens) == ("complete", 300)
        client.socket.close()


def test_in_the_middle_of_a_request() -> None:
    with simulator(play(b"x")) as sim:
        with Client(sim, request(b"0123456789")[:-3]):
            wait_for(lambda: sim.journal.connections)
        sim.journal.wait_closed()
        assert sim.journal.exchanges == []
        assert [(c.closed_by, c.how, c.exchanges) for c in sim.journal.connections] == [("client", "fin", ())]


def test_after_an_answer() -> None:
    with simulator(play(b"x")) as sim:
        with Client(sim, request()) as client:
            client.until(b"0\r\n\r\n")
        sim.journal.wait_closed()
        assert sim.journal.last.how == "complete"
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("client", "fin")]


def test_with_the_server() -> None:
    endless = Endless()
    with simulator(endless) as sim:
        client = Client(sim, request())
        client.expect(HEAD)
        idle = Client(sim)
        wait_for(lambda: len(sim.journal.connections) == 2)
    assert (sim.journal.last.ended_by, sim.journal.last.how) == ("server", "stopped")
    assert endless.closed.is_set()
    assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "stopped")] * 2
    client.socket.close()
    idle.socket.close()


def test_a_write_into_a_connection_that_broke() -> None:
    # its RST comes between the last look and a write, which is the first to see it
    clock = VirtualClock(auto=False)
    with simulator(Endless(), clock=clock) as sim:
        client = Client(sim, request())
        client.expect(HEAD)
        (connection,) = sim._server.connections
        transport = connection._transport
        write = transport.write

        def broken(data: bytes) -> None:
            client.reset()
            write(data)

        connection._transport = Through(transport, write=broken)
        clock.advance(1.0)
        check_left(sim.journal.wait(), 0)


class Through:
    """A transport some of whose methods are others."""

    def __init__(self, transport: Any, **others: Any) -> None:
        self._transport = transport
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def test_urllib3_leaves() -> None:
    endless = Endless(every_s=0.001)
    with simulator(endless) as sim, urllib3.PoolManager() as pool:
        answer = pool.request("POST", f"{sim.openai_url}/chat/completions", body=b"{}", preload_content=False)
        assert answer.read(10) == b"x" * 10
        answer.close()
        exchange = sim.journal.wait()
        assert exchange.how == "left"
        assert exchange.tokens >= 5
        assert exchange.tokens_after_leaving == 0


async def test_aiohttp_leaves() -> None:
    endless = Endless(every_s=0.001)
    async with simulator(endless) as sim, aiohttp.ClientSession() as session:
        async with session.post(f"{sim.openai_url}/chat/completions", json={"model": "m"}) as answer:
            assert await answer.content.readexactly(10) == b"x" * 10
        exchange = await sim.journal.wait_async()
        assert (exchange.how, exchange.body) == ("left", {"model": "m"})
        assert exchange.tokens_after_leaving == 0
        await sim.journal.wait_closed_async()


async def test_many_leave_at_once() -> None:
    sources = [Endless(every_s=0.001) for _ in range(20)]
    async with simulator(*sources) as sim:

        async def ask(session: aiohttp.ClientSession) -> None:
            async with session.post(f"{sim.openai_url}/x", data=b"{}") as answer:
                await answer.content.readexactly(4)

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*[ask(session) for _ in sources])
        await sim.journal.wait_closed_async()
        assert {e.how for e in sim.journal.exchanges} == {"left"}
        assert sum(e.tokens_after_leaving for e in sim.journal.exchanges) == 0
        assert all(source.closed.is_set() for source in sources)


def test_a_play_whose_steps_are_a_list_can_be_left() -> None:
    with simulator(lambda: Play(head=SSE, steps=iter([act("stall")]))) as sim:
        with Client(sim, request()) as client:
            client.expect(HEAD)
        check_left(sim.journal.wait(), 0)
