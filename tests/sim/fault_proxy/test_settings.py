"""Settings: what they refuse, whom they hit, how they are said, and that they may change; and the proxy's own life."""

import asyncio
import select
import socket
import threading
from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.sim.fault_proxy import FaultProxy, ProxyConnection, Toxics
from headrace.sim.fault_proxy.address import read_address
from tests.sim.fault_proxy.through import (
    BOUND_S,
    address,
    connect,
    fill,
    is_silent,
    receive,
    receive_all,
    refused,
    through,
)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"latency_s": -1}, "latency_s must be 0 or more"),
        ({"jitter_s": float("nan")}, "jitter_s must be 0 or more"),
        ({"slice_gap_s": float("inf")}, "slice_gap_s must be 0 or more"),
        ({"bandwidth": 0}, "bandwidth must be more than 0"),
        ({"slice_bytes": 0}, "slice_bytes must be more than 0"),
        ({"share": 1.5}, "share must be between 0 and 1"),
        ({"connections": (0,)}, "counted from 1"),
        ({"ending": "explode"}, "there is no ending 'explode': reset, close, stall"),
        ({"at_byte": 5}, "not what: give an ending"),
        ({"at_s": 5.0}, "not what: give an ending"),
        ({"at_byte": -5, "ending": "reset"}, "at_byte must be 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(given: Any, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Toxics(**given)


@pytest.mark.parametrize(
    ("toxics", "said"),
    [
        (Toxics(), "nothing"),
        (Toxics(latency_s=0.2), "latency 0.2 s"),
        (Toxics(latency_s=0.2, jitter_s=0.1), "latency 0.2 s; jitter up to 0.1 s"),
        (Toxics(bandwidth=1000, slice_bytes=5), "1000 bytes a second; at most 5 bytes a write"),
        (Toxics(slice_bytes=5, slice_gap_s=1), "at most 5 bytes a write, 1 s between"),
        (Toxics(ending="reset"), "reset at once"),
        (Toxics(ending="stall", at_byte=5, at_s=2, share=0.5), "stall at byte 5 or 2 s; 50% of the connections"),
        (Toxics(ending="close", at_byte=0, connections=(1, 3)), "close at byte 0; connections 1, 3 only"),
    ],
)
def test_they_say_what_they_are(toxics: Toxics, said: str) -> None:
    assert str(toxics) == said


def test_a_share_of_the_connections_by_seed() -> None:
    half = Toxics(ending="reset", share=0.5)
    hit = [half.hits(number, 7, "download") for number in range(1, 201)]
    assert hit == [half.hits(number, 7, "download") for number in range(1, 201)]
    assert hit != [half.hits(number, 8, "download") for number in range(1, 201)]
    assert 70 < sum(hit) < 130
    assert not any(Toxics(share=0).hits(number, 7, "upload") for number in range(1, 50))


def test_only_some_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(BOUND_S)
        with FaultProxy(address(listener), faults=Toxics(ending="reset", at_byte=1, connections=(2,))) as proxy:
            ends = []
            for _ in range(3):
                with connect(proxy) as client:
                    upstream, _ = listener.accept()
                    with upstream:
                        upstream.sendall(b"ok")
                        if len(ends) != 1:
                            upstream.shutdown(socket.SHUT_WR)
                        ends.append(receive_all(client))
            assert ends == [(b"ok", "fin"), (b"o", "reset"), (b"ok", "fin")]
            proxy.wait_closed()
            assert [c.number for c in proxy.connections] == [1, 2, 3]


@pytest.mark.parametrize("ending", ["stall", "blackhole"])
def test_settings_change_while_it_runs(ending: Any) -> None:
    with through() as t:
        t.upstream.sendall(b"one")
        assert receive(t.client, 3) == b"one"
        t.proxy.set(Toxics(ending=ending))
        t.proxy.wait(lambda c: bool(c.faults))
        t.upstream.sendall(b"two")
        if ending == "stall":
            t.proxy.wait(lambda c: c.held == 3)
        else:
            t.client.sendall(b"x")
            assert receive(t.upstream, 1) == b"x"
        assert is_silent(t.client)
        t.proxy.set(upload=Toxics(slice_bytes=1), faults=Toxics())
        t.upstream.sendall(b"three")
        came = receive(t.client, 5)
        assert came == b"three" if ending == "blackhole" else came + receive(t.client, 3) == b"twothree"
        t.proxy.set(Toxics(ending="reset", at_byte=3))  # it is past that already
        assert receive_all(t.client) == (b"", "reset")


def test_a_release_lets_stalls_go_and_no_more() -> None:
    with through(faults=Toxics(ending="blackhole")) as t:
        t.proxy.wait(lambda c: bool(c.faults))
        t.proxy.release()
        t.proxy.set(upload=Toxics(ending="truncate"))
        assert receive_all(t.upstream) == (b"", "fin")
        assert is_silent(t.client)


async def test_in_async_code() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with FaultProxy(address(listener)) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            upstream, _ = await asyncio.to_thread(listener.accept)
            with upstream:
                upstream.sendall(b"hello")
                assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()
    assert proxy.open_connections == 0


def test_it_can_be_started_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(BOUND_S)
        proxy = FaultProxy(f"http://{address(listener)}/v1/")
        proxy.set(Toxics(ending="close", at_byte=2))  # before it runs
        for _ in range(2):
            with proxy:
                assert proxy.upstream == f"http://{address(listener)}/v1"
                assert proxy.url == f"http://127.0.0.1:{proxy.port}/v1"
                with connect(proxy) as client, listener.accept()[0] as upstream:
                    upstream.sendall(b"abc")
                    assert receive_all(client) == (b"ab", "fin")
        with proxy, pytest.raises(UsageError, match="runs already"):
            proxy.start()


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(OSError, match="in use"):
            FaultProxy("127.0.0.1:9", port=listener.getsockname()[1]).start()


def test_a_wait_for_what_does_not_come_says_what_there_is() -> None:
    with through() as t:
        with pytest.raises(TimeoutError, match="connection 1: 0 bytes up"):
            t.proxy.wait(lambda c: c.uploaded == 7, deadline_s=0)
        with pytest.raises(TimeoutError, match="open after 0 s: connection 1"):
            t.proxy.wait_closed(deadline_s=0)
    with FaultProxy("127.0.0.1:9") as proxy, pytest.raises(TimeoutError, match="none at all"):
        proxy.wait(lambda c: True, deadline_s=0)


def test_it_tells_of_each_connection_that_has_ended() -> None:
    told: list[ProxyConnection] = []
    with FaultProxy("127.0.0.1:9", on_close=told.append, faults=Toxics(ending="stall")) as proxy:
        assert refused(proxy)
        proxy.wait()
    assert [c.how for c in told] == ["unreachable"]


def test_running_out_of_descriptors_ends_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    accept = asyncio.SelectorEventLoop.sock_accept
    failed = threading.Event()

    async def once(loop: Any, listener: socket.socket) -> Any:
        if not failed.is_set():
            failed.set()
            raise OSError(24, "Too many open files")
        return await accept(loop, listener)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_accept", once)
    with through() as t:
        assert failed.is_set()
        t.client.sendall(b"still there")
        assert receive(t.upstream, 11) == b"still there"


@pytest.mark.parametrize(
    ("text", "host", "port", "said"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000, "127.0.0.1:8000"),
        ("localhost:1", "localhost", 1, "localhost:1"),
        ("[::1]:80", "::1", 80, "[::1]:80"),
        ("http://host", "host", 80, "http://host:80"),
        ("https://user:secret@host/v1/", "host", 443, "https://host:443/v1"),
        ("HTTP://Host:8080/a?b", "host", 8080, "http://host:8080/a"),
    ],
)
def test_where_an_upstream_is(text: str, host: str, port: int, said: str) -> None:
    found = read_address(text)
    assert (found.host, found.port, str(found)) == (host, port, said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        ":80",
        "host:",
        "host:0",
        "host:x",
        "host:80/v1",
        "u:p@host:80",
        "host:99999",
        "ftp://host:21",
        "[::1",
    ],
)
def test_what_is_no_upstream(text: str) -> None:
    with pytest.raises(UsageError, match="must be HOST:PORT"):
        FaultProxy(text)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (ProxyConnection(number=1, opened_s=1.0), "connection 1: 0 bytes up, 0 bytes down"),
        (
            ProxyConnection(number=2, opened_s=1.0, closed_s=2.5, closed_by="client", how="fin", uploaded=3),
            "connection 2: 3 bytes up, 0 bytes down, 1.50 s, closed by the client",
        ),
        (
            ProxyConnection(number=3, opened_s=0, closed_s=1, closed_by="proxy", how="reset", faults=("a fault",)),
            "connection 3: 0 bytes up, 0 bytes down, 1.00 s, reset by the proxy, a fault",
        ),
    ],
)
def test_a_connection_says_how_it_went(seen: ProxyConnection, said: str) -> None:
    assert str(seen) == said


def test_where_resets_cannot_be_watched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll", raising=False)
    with through() as t:
        sent = fill(t.upstream)
        assert receive(t.client, sent) == bytes(sent)
