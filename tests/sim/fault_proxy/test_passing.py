"""What is passed on: every byte, in order, late, slowly or in slices; and no more is held than may be."""

import socket
import ssl
import threading
from typing import Any

import pytest
import trustme
from hypothesis import given, settings, strategies as st

from headrace.sim.fault_proxy import FaultProxy, Toxics
from headrace.sim.serving.clock import VirtualClock
from tests.sim.fault_proxy.through import BOUND_S, address, connect, fill, is_silent, receive, receive_all, through

WAYS = ("upload", "download")
_HELD = 64 * 1024 + 16 * 1024


@settings(max_examples=40)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    slice_bytes=st.none() | st.integers(1, 400),
    way=st.sampled_from(WAYS),
    lateness=st.sampled_from([{}, {"latency_s": 0.5}, {"jitter_s": 2.0}, {"bandwidth": 700.0}, {"slice_gap_s": 1.0}]),
    seed=st.integers(0, 9),
)
def test_bytes_are_exact_whatever_is_done(
    pieces: list[bytes], slice_bytes: int | None, way: str, lateness: Any, seed: int
) -> None:
    toxics = Toxics(slice_bytes=slice_bytes, **lateness)
    with through(clock=VirtualClock(auto=True), direction=way, faults=toxics, seed=seed) as t:
        sender, receiver = t.ends(way)
        for piece in pieces:
            sender.sendall(piece)
        sender.shutdown(socket.SHUT_WR)
        assert receive_all(receiver) == (b"".join(pieces), "fin")
        seen = t.proxy.connections[0]
        assert (seen.uploaded if way == "upload" else seen.downloaded) == len(b"".join(pieces))


@pytest.mark.parametrize("way", WAYS)
def test_a_half_that_is_closed_leaves_the_other_open(way: str) -> None:
    with through() as t:
        first, second = t.ends(way)
        first.sendall(b"all of it")
        first.shutdown(socket.SHUT_WR)
        assert receive_all(second) == (b"all of it", "fin")
        second.sendall(b"and the answer")
        second.shutdown(socket.SHUT_WR)
        assert receive_all(first) == (b"and the answer", "fin")
        t.proxy.wait_closed()
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("client" if way == "upload" else "upstream", "fin")
        assert t.proxy.open_connections == 0


def test_latency_delays_and_takes_no_throughput() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(latency_s=0.5)) as t:
        for sent in range(1, 11):  # ten on the way at once
            t.upstream.sendall(b"0123456789")
            t.proxy.wait(lambda c, size=sent * 10: c.held == size)  # type: ignore[misc]
        clock.advance(0.499)
        assert is_silent(t.client)
        clock.advance(0.001)
        assert receive(t.client, 100) == b"0123456789" * 10
        t.upstream.shutdown(socket.SHUT_WR)  # an end is late as well
        t.proxy.wait(lambda c: c.closed_by == "upstream")
        assert is_silent(t.client)
        clock.advance(0.5)
        assert t.client.recv(1) == b""


def test_what_is_on_its_way_may_be_more_than_what_waits() -> None:
    # else the latency would be a bound on the bandwidth
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(latency_s=1.0)) as t:
        data = bytes(range(256)) * 2048
        t.upstream.sendall(data)
        t.proxy.wait(lambda c: c.held == len(data))
        clock.advance(1.0)
        assert receive(t.client, len(data)) == data


def test_jitter_keeps_the_order() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(latency_s=1.0, jitter_s=1.0)) as t:
        came = []
        for number in range(50):
            t.upstream.sendall(bytes([number]))
            seen = t.proxy.wait(lambda c, size=number + 1: c.held + c.downloaded == size)  # type: ignore[misc]
            came.append(seen.downloaded)
            clock.advance(0.1)
        assert came[10] == 0  # before the latency
        assert came[49] >= 28  # what is later than both
        assert len(set(came)) > 10
        clock.advance(2.0)
        assert receive(t.client, 50) == bytes(range(50))


def test_bandwidth_is_shared_out() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(bandwidth=1000)) as t:
        t.upstream.sendall(bytes(500))
        t.proxy.wait(lambda c: c.held == 500)
        came = []
        for _ in range(4):
            clock.advance(0.13)
            came.append(t.proxy.connections[0].downloaded)
        assert came == [120, 260, 380, 500]  # in writes of 20


def test_a_bandwidth_that_was_not_used_is_lost() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(bandwidth=100)) as t:
        clock.advance(60.0)
        t.upstream.sendall(bytes(100))
        t.proxy.wait(lambda c: c.held == 100)
        clock.advance(0.51)
        assert t.proxy.connections[0].downloaded == 50


def test_slices_come_one_by_one() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(slice_bytes=3, slice_gap_s=1.0)) as t:
        t.upstream.sendall(b"abcdefgh")
        came = [t.client.recv(100)]
        for _ in range(2):
            assert is_silent(t.client)
            clock.advance(1.0)
            came.append(t.client.recv(100))
        assert came == [b"abc", b"def", b"gh"]


@pytest.mark.parametrize("way", WAYS)
def test_a_receiver_that_does_not_read_slows_the_sender_down(way: str) -> None:
    with through() as t:
        sender, receiver = t.ends(way)
        sent = fill(sender)
        assert 64 * 1024 <= t.proxy.connections[0].held <= _HELD
        more = threading.Thread(target=sender.sendall, args=(bytes(sent),))
        more.start()
        most = came = 0
        while came < 2 * sent:
            came += len(receiver.recv(1 << 20))
            most = max(most, t.proxy.connections[0].held)
        more.join(BOUND_S)
        assert came == 2 * sent
        assert most <= _HELD


def test_tls_goes_through_untouched() -> None:
    authority = trustme.CA()
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("models.example").configure_cert(server_side)
    authority.configure_trust(client_side)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with server_side.wrap_socket(peer, server_side=True) as peer:
                peer.sendall(receive(peer, 4).upper())

        other = threading.Thread(target=answer)
        other.start()
        with FaultProxy(f"https://{address(listener)}/v1", faults=Toxics(slice_bytes=7)) as proxy:
            assert proxy.url == f"https://127.0.0.1:{proxy.port}/v1"
            with client_side.wrap_socket(connect(proxy), server_hostname="models.example") as client:
                client.sendall(b"ping")
                assert receive(client, 4) == b"PING"
                other.join(BOUND_S)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        with FaultProxy(f"[::1]:{listener.getsockname()[1]}", host="::1") as proxy:
            assert proxy.url == f"http://[::1]:{proxy.port}"
            with connect(proxy) as client:
                upstream, _ = listener.accept()
                with upstream:
                    upstream.sendall(b"hello")
                    assert receive(client, 5) == b"hello"
