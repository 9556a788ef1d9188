"""Requests out of bytes: in any cutting, in a row, and what is none."""

import contextlib

import pytest
from hypothesis import given, strategies as st

from headrace.sim.serving import connection
from headrace.sim.serving.http import BadRequest, Request, RequestReader
from tests.sim.serving.raw import HEAD, LAST, Client, chunks, get, play, request, simulator


def reader(*data: bytes, body_limit: int = 1000) -> RequestReader:
    made = RequestReader(body_limit=body_limit)
    for one in data:
        made.feed(one)
    return made


def take(data: bytes, **options: int) -> Request:
    taken = reader(data, **options).take()
    assert taken is not None
    return taken


def test_a_request() -> None:
    taken = take(request(b'{"a":1}', "X-A: b", "x-a: c", "Cookie: \xe4=1"))
    assert taken == Request(
        method="POST",
        path="/v1/chat/completions",
        headers={"host": "localhost", "content-length": "7", "x-a": "b, c", "cookie": "\xe4=1"},
        hosts=("localhost",),
        body=b'{"a":1}',
        is_1_0=False,
        keep=True,
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [("/a?b=c", "/a?b=c"), ("http://h:1/a?b", "/a?b"), ("HTTP://h", "/"), ("*", "*"), ("//x", "//x")],
)
def test_targets(target: str, path: str) -> None:
    assert take(get(target, method="OPTIONS")).path == path


@pytest.mark.parametrize(
    ("line", "more", "is_1_0", "keep"),
    [
        ("POST / HTTP/1.1", "x: y", False, True),
        ("POST / HTTP/1.1", "connection: a , CLOSE", False, False),
        ("POST / HTTP/1.1", "connection: upgrade, http2-settings\r\nupgrade: h2c", False, True),
        ("POST / HTTP/1.0", "connection: keep-alive", True, False),
    ],
)
def test_who_asks_again(line: str, more: str, is_1_0: bool, keep: bool) -> None:
    made = reader(request(b"x", more, line=line) + get("/next"))
    first = made.take()
    assert first is not None
    assert (first.body, first.is_1_0, first.keep) == (b"x", is_1_0, keep)
    second = made.take()
    assert second is not None
    assert second.path == "/next"
    assert made.take() is None


ROW = (
    request(b"abc")
    + get("/x")
    + b"POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: u\r\n\r\n"
)


@given(st.lists(st.integers(0, len(ROW)), max_size=20).map(sorted))
def test_any_cutting_gives_the_same(cuts: list[int]) -> None:
    made = RequestReader(body_limit=100)
    got: list[Request] = []
    for start, end in zip([0, *cuts], [*cuts, len(ROW)], strict=True):
        made.feed(ROW[start:end])
        while taken := made.take():
            got.append(taken)
    assert [(r.path, r.body) for r in got] == [("/v1/chat/completions", b"abc"), ("/x", b""), ("/c", b"abcde")]
    assert made.waiting_bytes == 0


@given(st.binary(max_size=200))
def test_anything_else_is_refused_or_waited_for(data: bytes) -> None:
    made = reader(data)
    with contextlib.suppress(BadRequest):
        while made.take():
            pass


@given(st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40))
def test_any_target_is_a_path_or_refused(target: str) -> None:
    with contextlib.suppress(BadRequest):
        reader(b"GET http://" + target.encode("latin-1") + b" HTTP/1.1\r\nhost: a\r\n\r\n").take()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET http://[::1/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET http://[x]/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 70_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # somebody speaks TLS
        (request(b"x" * 1001)[:-1001], 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunks(b"x" * 600, b"x" * 600), 413),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_bad_requests(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        reader(data).take()
    assert caught.value.status == status
    with simulator(play(b"x")) as sim:
        sim._server.body_limit = 1000
        with Client(sim, data) as client:
            got, headers, body = client.answer()
            assert (got, headers["connection"]) == (status, "close")
            assert b"error" in body
            assert client.rest() == b""
        sim.journal.wait_closed()
        assert [(c.closed_by, c.how) for c in sim.journal.connections] == [("server", "bad-request")]
        assert sim.journal.exchanges == []


def test_a_body_may_be_as_large_as_the_limit() -> None:
    assert len(take(request(b"x" * 1000)).body) == 1000


def test_who_still_sends_gets_the_refusal_all_the_same() -> None:
    with simulator(play(b"x")) as sim:
        sim._server.body_limit = 1000
        size = 3_000_000
        head = request(b"")[:-4].replace(b"content-length: 0", b"content-length: %d" % size)
        with Client(sim, head + b"\r\n\r\n") as client:
            client.send(b"x" * size)
            status, _, body = client.answer()
            assert status == 413
            assert b"larger than 1000 bytes" in body
            assert client.rest() == b""


def test_a_refused_client_that_stays_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LINGER_S", 0.01)
    with simulator(play(b"x")) as sim, Client(sim, b"nonsense\r\n\r\n") as client:
        assert client.answer()[0] == 400
        sim.journal.wait_closed()


def test_a_client_that_waits_is_told_to_go_on_once() -> None:
    with simulator(play(b"x")) as sim, Client(sim) as client:
        for _ in range(2):
            whole = request(b"0123", "expect: 100-continue")
            client.send(whole[:-4])
            client.expect(b"HTTP/1.1 100 Continue\r\n\r\n")
            client.send(whole[-4:-2])
            client.send(whole[-2:])
            client.expect(HEAD + chunks(b"x") + LAST)
        client.send(request(b"0123", "expect: 100-continue"))  # it does not wait
        client.expect(HEAD + chunks(b"x") + LAST)
        assert [e.body for e in sim.journal.exchanges] == [123, 123, 123] or [
            e.body for e in sim.journal.exchanges
        ] == ["0123"] * 3


def test_a_body_that_comes_slowly() -> None:
    with simulator(play(b"x")) as sim, Client(sim) as client:
        for byte in request(b"{}"):
            client.send(bytes([byte]))
        client.expect(HEAD + chunks(b"x") + LAST)
