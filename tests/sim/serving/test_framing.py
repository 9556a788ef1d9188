"""What is on the wire, byte for byte: heads, chunks, lengths, and what stays open afterwards."""

import socket

import pytest
from hypothesis import given, strategies as st

from headrace.sim.play import Head, Piece, Step
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.journal import Entry
from tests.sim.serving.raw import (
    HEAD,
    LAST,
    SSE,
    START,
    Client,
    Source,
    act,
    chunks,
    dechunk,
    get,
    play,
    request,
    simulator,
)


def test_every_piece_is_a_chunk_and_the_connection_is_used_again() -> None:
    with simulator(play(b"data: a\n\n", b"data: \xc3", b"\xa4\n\n")) as sim, Client(sim) as client:
        for _ in range(3):
            client.send(request())
            client.expect(HEAD + chunks(b"data: a\n\n", b"data: \xc3", b"\xa4\n\n") + LAST)
        assert [e.connection for e in sim.journal.exchanges] == [1, 1, 1]
        assert [c.exchanges for c in sim.journal.connections] == [(1, 2, 3)]


def test_a_length() -> None:
    head = Head(status=529, headers=(("x-id", "7"),), framing="length")
    with simulator(play(b"ab", Piece(1.0, b"c"), head=head), clock=VirtualClock()) as sim, Client(sim) as client:
        for _ in range(2):
            client.send(request())
            client.expect(
                b"HTTP/1.1 529 Site Overloaded\r\nx-id: 7\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nabc"
            )


def test_a_body_that_ends_with_the_connection() -> None:
    with simulator(play(b"ab", b"c", head=Head(status=299, framing="close"))) as sim, Client(sim, request()) as client:
        assert client.rest() == b"HTTP/1.1 299 Unknown\r\nconnection: close\r\n\r\nabc"
        assert sim.journal.last.how == "complete"


def test_no_body_at_all() -> None:
    with simulator(play()) as sim, Client(sim, request()) as client:
        client.expect(HEAD + LAST)
    with simulator(play(head=Head(framing="length"))) as sim, Client(sim, request()) as client:
        client.expect(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n")


def test_an_empty_piece_does_not_end_the_chunks() -> None:
    with simulator(play(b"a", b"", b"b")) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a", b"b") + LAST)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status: int) -> None:
    with simulator(play(b"never", head=Head(status=status)), play(b"x")) as sim, Client(sim, request()) as client:
        assert client.until(b"\r\n\r\n").count(b"\r\n") == 3
        client.send(request())
        client.expect(HEAD + chunks(b"x") + LAST)


def test_framing_is_the_servers_own_business() -> None:
    head = Head(headers=(("Content-Length", "7"), ("transfer-encoding", "gzip"), ("connection", "x"), ("x-a", "b")))
    with simulator(play(b"x", head=head)) as sim, Client(sim, request()) as client:
        client.expect(b"HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n")


def test_a_client_that_will_not_ask_again() -> None:
    with simulator(play(b"x")) as sim, Client(sim, request(b"{}", "Connection: foo, Close")) as client:
        assert client.rest() == START + b"connection: close\r\n\r\n" + chunks(b"x") + LAST
        sim.journal.wait_closed()
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "fin")]


def test_http_1_0_knows_no_chunks() -> None:
    line = "POST /v1/chat/completions HTTP/1.0"
    with simulator(play(b"a", b"b")) as sim, Client(sim, request(line=line)) as client:
        assert client.rest() == b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nab"


def test_head_is_asked_as_get_is_and_has_no_body() -> None:
    source = Source(play(b"never", head=SSE), play(b"a", head=Head(framing="close")), play(b"x"))
    with simulator(source) as sim, Client(sim) as client:
        client.send(get("/v1/models", method="HEAD"))
        client.expect(HEAD)
        client.send(get("/v1/models", method="HEAD"))
        client.expect(b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n")
        client.send(get("/v1/models"))
        client.expect(HEAD + chunks(b"x") + LAST)
        assert [call.method for call in source.calls] == ["GET", "GET", "GET"]
        assert [e.method for e in sim.journal.exchanges] == ["HEAD", "HEAD", "GET"]


def test_options_are_answered_without_a_word_of_cors() -> None:
    with simulator(play(b"x")) as sim, Client(sim) as client:
        client.send(get("/v1/models", "origin: http://evil.example", method="OPTIONS"))
        assert client.answer() == (204, {"allow": "GET, HEAD, POST, OPTIONS", "connection": "keep-alive"}, b"")
        client.send(request(b"{}", "origin: http://evil.example"))
        assert b"access-control" not in client.until(b"\r\n\r\n").lower()
        assert len(sim.journal.exchanges) == 1


def test_several_requests_at_once_are_answered_in_turn() -> None:
    with simulator(play(b"1"), play(Piece(0.01, b"2")), play(b"3")) as sim, Client(sim) as client:
        client.send(request() + get("/_sim/") + request() + request(b"{}", "connection: close") + request())
        client.expect(HEAD + chunks(b"1") + LAST)
        assert client.json()["simulation"] is True
        client.expect(HEAD + chunks(b"2") + LAST)
        assert client.rest() == START + b"connection: close\r\n\r\n" + chunks(b"3") + LAST
        assert len(sim.journal.exchanges) == 3


def test_many_requests_wait_for_their_turn_outside() -> None:
    # more than is held: the socket is not read until the first answer is over
    large = request(b"x" * 200_000)
    with simulator(play(act("hold")), play(b"x")) as sim, Client(sim, request()) as client:
        client.until(HEAD)
        client.socket.setblocking(False)
        queue = large * 30
        sent = 0
        while sent < 2 * len(large):
            try:
                sent += client.socket.send(queue[sent:])
            except BlockingIOError:
                continue
        client.socket.settimeout(30)
        sim.release()
        client.expect(LAST)
        client.expect(HEAD + chunks(b"x") + LAST)
        client.expect(HEAD + chunks(b"x") + LAST)


def test_a_head_in_drips_comes_byte_by_byte() -> None:
    head = Head(headers=SSE.headers, at_s=1.0, drip_s=0.5)
    clock = VirtualClock(auto=False)
    with simulator(play(b"x", head=head), clock=clock) as sim, Client(sim, request()) as client:
        sim.journal.wait(lambda e: True)
        for count in range(len(HEAD)):
            clock.advance(1.0 if count == 0 else 0.5)
            assert sim.journal.last.bytes_sent in (count + 1, count + 1 + len(chunks(b"x") + LAST))
            assert client.socket.recv(1) == HEAD[count : count + 1]
        client.expect(chunks(b"x") + LAST)
        assert sim.journal.last.answered_s == 1.0 + 0.5 * (len(HEAD) - 1)


def test_what_is_alone_is_a_write_of_its_own() -> None:
    sizes: list[int] = []
    steps: list[Step] = [
        Piece(0.0, b"a"),
        Piece(0.0, b"b"),
        Piece(0.0, b"c", alone=True),
        Piece(0.0, b"d"),
        Piece(0.0, b"e"),
    ]
    with simulator(play(*steps)) as sim:
        before = Entry.sent

        def sent(self: Entry, size: int, tokens: int) -> None:
            sizes.append(size)
            before(self, size, tokens)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Entry, "sent", sent)
            with Client(sim, request()) as client:
                client.expect(HEAD + chunks(b"a", b"b", b"c", b"d", b"e") + LAST)
                sim.journal.wait()
    one = len(chunks(b"a"))
    assert sizes == [len(HEAD) + 2 * one, one, 2 * one + len(LAST)]


def test_small_writes_are_not_held_back() -> None:
    with simulator(play(act("hold"))) as sim, Client(sim, request()) as client:
        client.until(HEAD)
        server = sim._server
        (connection,) = server.connections
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


PIECES = st.lists(
    st.builds(Piece, st.just(0.0), st.binary(min_size=1, max_size=40), st.integers(0, 3), st.booleans()), max_size=30
)


def test_a_client_reads_exactly_what_the_pieces_hold() -> None:
    source = Source(play())
    with simulator(source) as sim:

        @given(PIECES, st.sampled_from(["chunked", "length", "close"]))
        def check(pieces: list[Piece], framing: str) -> None:
            source._plays = [play(*pieces, head=Head(framing=framing))]  # type: ignore[arg-type]
            whole = b"".join(piece.data for piece in pieces)
            with Client(sim, request(b"{}", "connection: close")) as client:
                said = client.rest().partition(b"\r\n\r\n")[2]
            assert (dechunk(said) if framing == "chunked" else said) == whole
            last = sim.journal.last
            assert (last.how, last.tokens) == ("complete", sum(piece.tokens for piece in pieces))

        check()


def test_a_long_body_is_written_in_bounded_pieces() -> None:
    with simulator(play(*[b"x" * 1000] * 200)) as sim, Client(sim, request(b"{}", "connection: close")) as client:
        assert dechunk(client.rest().partition(b"\r\n\r\n")[2]) == b"x" * 200_000
