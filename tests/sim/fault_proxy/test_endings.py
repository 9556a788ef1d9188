"""How a connection ends: by a fault at exactly its place, or by a side, which the other learns as what it is."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

import pytest

from headrace.sim.fault_proxy import FaultProxy, Toxics, lane
from headrace.sim.serving.clock import VirtualClock
from tests.servers import open_sockets
from tests.sim.fault_proxy.through import (
    BOUND_S,
    Through,
    address,
    connect,
    fill,
    is_silent,
    receive,
    receive_all,
    refused,
    reset,
    through,
)

WAYS = ("upload", "download")
DATA = bytes(range(256)) * 20
PLACES = (0, 1, 17, 4096, len(DATA))


def passed(t: Through, way: str) -> int:
    seen = t.proxy.connections[0]
    return seen.uploaded if way == "upload" else seen.downloaded


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize(("ending", "how"), [("reset", "reset"), ("close", "fin")])
def test_both_sides_end_at_a_byte(ending: Any, how: str, at: int, way: str) -> None:
    with through(direction=way, faults=Toxics(ending=ending, at_byte=at)) as t:
        sender, receiver = t.ends(way)
        with contextlib.suppress(ConnectionError):  # at byte 0 it may be over already
            sender.sendall(DATA)
        assert receive_all(receiver) == (DATA[:at], how)
        if ending == "reset" and at:
            assert receive_all(sender) == (b"", how)
        seen = t.proxy.wait(lambda c: c.closed_s is not None)
        assert (seen.closed_by, seen.how, seen.held) == ("proxy", how, 0)
        assert seen.faults == (f"{way} {ending} at byte {at}",)
        assert passed(t, way) == at


def test_a_close_is_a_fin_to_a_sender_who_was_not_heard_to_his_end() -> None:
    with through(faults=Toxics(ending="stall")) as t:
        t.upstream.sendall(bytes(200_000))
        t.proxy.wait(lambda c: c.held >= 64 * 1024)
        t.proxy.set(Toxics(ending="close"))
        assert receive_all(t.upstream) == (b"", "fin")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", PLACES)
def test_truncated_at_a_byte(at: int, way: str) -> None:
    with through(direction=way, faults=Toxics(ending="truncate", at_byte=at)) as t:
        sender, receiver = t.ends(way)
        sender.sendall(DATA)
        assert receive_all(receiver) == (DATA[:at], "fin")
        sender.sendall(DATA)  # thrown away
        receiver.sendall(b"the other way is open")
        assert receive(sender, 21) == b"the other way is open"
        receiver.close()
        assert receive_all(sender) == (b"", "fin")
        t.proxy.wait_closed()
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("proxy", "fin")
        assert passed(t, way) == at


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", PLACES)
def test_stalled_at_a_byte_until_it_is_released(at: int, way: str) -> None:
    with through(direction=way, faults=Toxics(ending="stall", at_byte=at)) as t:
        sender, receiver = t.ends(way)
        sender.sendall(DATA)
        assert receive(receiver, at) == DATA[:at]
        t.proxy.wait(lambda c: c.held == len(DATA) - at and bool(c.faults))
        sender.shutdown(socket.SHUT_WR)  # an end is held, too
        t.proxy.wait(lambda c: c.how == "fin")
        assert is_silent(receiver)
        t.proxy.release()
        assert receive_all(receiver) == (DATA[at:], "fin")
        assert t.proxy.connections[0].faults == (f"{way} stall at byte {at}",)


def test_a_stall_slows_the_sender_down() -> None:
    with through(faults=Toxics(ending="stall")) as t:
        sending = threading.Thread(target=t.upstream.sendall, args=(bytes(16 * 1024 * 1024),))
        sending.start()
        seen = t.proxy.wait(lambda c: c.held >= 64 * 1024)
        assert seen.held <= 64 * 1024 + 16 * 1024
        t.proxy.release()
        assert len(receive(t.client, 16 * 1024 * 1024)) == 16 * 1024 * 1024
        sending.join(BOUND_S)


def test_a_stall_that_nobody_waits_for_ends_with_the_other_side() -> None:
    with through(faults=Toxics(ending="stall", at_byte=3)) as t:
        t.upstream.sendall(b"abcdef")
        assert receive(t.client, 3) == b"abc"
        t.client.close()
        assert receive_all(t.upstream) == (b"", "fin")  # told at once
        t.upstream.sendall(b"to nobody")
        t.upstream.close()
        t.proxy.wait_closed()
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how, seen.downloaded) == ("client", "fin", 3)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", PLACES)
def test_a_black_hole_at_a_byte(at: int, way: str) -> None:
    with through(direction=way, faults=Toxics(ending="blackhole", at_byte=at)) as t:
        sender, receiver = t.ends(way)
        for _ in range(100):  # more than is held
            sender.sendall(DATA)
        sender.shutdown(socket.SHUT_WR)
        assert receive(receiver, at) == DATA[:at]
        t.proxy.wait(lambda c: c.how == "fin" and c.held == 0)
        assert is_silent(receiver)
        receiver.sendall(b"the other way is open")
        assert receive(sender, 21) == b"the other way is open"
        receiver.close()
        assert receive_all(sender) == (b"", "fin")
        t.proxy.wait_closed()
        assert passed(t, way) == at


@pytest.mark.parametrize(("ending", "how"), [("reset", "reset"), ("close", "fin"), ("truncate", "fin")])
def test_at_a_time(ending: Any, how: str) -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(ending=ending, at_s=2.0, at_byte=1000)) as t:
        t.upstream.sendall(b"before")
        assert receive(t.client, 6) == b"before"
        clock.advance(1.99)
        t.upstream.sendall(b"!")
        assert receive(t.client, 1) == b"!"
        clock.advance(0.01)
        assert receive_all(t.client) == (b"", how)


def test_a_stall_at_a_time_and_a_byte_that_comes_first() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(ending="stall", at_s=2.0, latency_s=3.0)) as t:
        t.upstream.sendall(b"late")
        t.proxy.wait(lambda c: c.held == 4)
        clock.advance(3.0)
        assert is_silent(t.client)
        t.proxy.release()
        assert receive(t.client, 4) == b"late"
    with through(clock=clock, faults=Toxics(ending="reset", at_s=2.0, at_byte=2)) as t:
        t.upstream.sendall(b"abc")
        assert receive_all(t.client) == (b"ab", "reset")


def test_a_reset_at_a_time_does_not_wait_for_a_slow_reader() -> None:
    clock = VirtualClock(auto=False)
    with through(clock=clock, faults=Toxics(ending="reset", at_s=1.0)) as t:
        fill(t.upstream)
        clock.advance(1.0)
        t.proxy.wait_closed()
        assert t.proxy.connections[0].how == "reset"


def test_a_reset_at_a_byte_waits_for_the_bytes_before_it() -> None:
    size = 200_000
    with through(faults=Toxics(ending="reset", at_byte=size), receive_buffer=4096) as t:
        t.upstream.sendall(bytes(size))
        t.proxy.wait(lambda c: c.downloaded == size)  # the system has them, and nobody has read them
        with pytest.raises(TimeoutError):
            t.proxy.wait(lambda c: bool(c.faults), deadline_s=0.05)
        data, how = receive_all(t.client)
        assert (len(data), how) == (size, "reset")


def test_without_a_place_it_is_at_once() -> None:
    with through(faults=Toxics(ending="reset")) as t:
        assert receive_all(t.client) == (b"", "reset")


# ---- ends that the sides say


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("toxics", [Toxics(), Toxics(latency_s=0.5), Toxics(slice_bytes=1)])
def test_a_reset_is_a_reset_to_the_other_side_after_what_came_before(way: str, toxics: Toxics) -> None:
    with through(clock=VirtualClock(auto=True), direction=way, faults=toxics) as t:
        sender, receiver = t.ends(way)
        sender.sendall(b"last words")
        assert receive(receiver, 10) == b"last words"
        reset(sender)
        assert receive_all(receiver) == (b"", "reset")
        t.proxy.wait_closed()
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("client" if way == "upload" else "upstream", "reset")


def test_a_reset_comes_after_all_that_was_said_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 200_000
    monkeypatch.setattr(lane, "_PATIENCE_S", BOUND_S)
    with through(receive_buffer=4096) as t:
        t.upstream.sendall(bytes(size))
        t.proxy.wait(lambda c: c.downloaded == size)
        reset(t.upstream)
        t.proxy.wait(lambda c: c.how == "reset")
        data, how = receive_all(t.client)
        assert (len(data), how) == (size, "reset")


@pytest.mark.parametrize("way", WAYS)
def test_a_side_that_does_not_read_learns_of_a_reset_as_well(way: str) -> None:
    with through(direction=way) as t:
        sender, receiver = t.ends(way)
        fill(sender)
        receiver.sendall(b"never read")  # so that its end is a reset
        assert receive(sender, 5) == b"never"
        threading.Timer(0.0, reset, (sender,)).start()
        t.proxy.wait_closed()
        assert receive_all(receiver)[1] == "reset"


def test_a_reset_that_only_a_write_finds() -> None:
    with through() as t:
        t.client.shutdown(socket.SHUT_WR)
        assert receive_all(t.upstream) == (b"", "fin")
        reset(t.client)
        with contextlib.suppress(ConnectionError):
            while True:
                t.upstream.sendall(b"is anybody there?")
        t.proxy.wait_closed()
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("client", "fin")  # the first of its ends


def test_a_reset_before_the_faults_byte_is_passed_on() -> None:
    with through(faults=Toxics(ending="reset", at_byte=100)) as t:
        t.upstream.sendall(b"abc")
        assert receive(t.client, 3) == b"abc"
        reset(t.upstream)
        assert receive_all(t.client) == (b"", "reset")
        t.proxy.wait_closed()
        assert t.proxy.connections[0].faults == ()


def test_a_black_hole_takes_resets_too() -> None:
    with through(faults=Toxics(ending="blackhole")) as t:
        t.proxy.wait(lambda c: bool(c.faults))
        reset(t.upstream)
        t.proxy.wait(lambda c: c.how == "reset")
        assert is_silent(t.client)
        t.client.sendall(b"is anybody there?")
        t.client.close()
        t.proxy.wait_closed()


# ---- no upstream


@pytest.fixture
def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return address(listener)


def test_an_upstream_that_refuses_is_a_reset(nowhere: str) -> None:
    with FaultProxy(nowhere) as proxy:
        assert refused(proxy)
        proxy.wait()
        seen = proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("upstream", "unreachable")
        assert "the upstream cannot be reached" in str(seen)


def test_a_host_without_an_address_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultProxy("a..b:80") as proxy:
        assert refused(proxy)

    async def none(*_: object, **__: object) -> list[object]:
        return []

    monkeypatch.setattr(asyncio.SelectorEventLoop, "getaddrinfo", none)
    with FaultProxy("nobody:80") as proxy:
        assert refused(proxy)


@pytest.mark.parametrize("leave", ["client", "proxy"])
def test_leaving_while_the_upstream_is_waited_for(leave: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets: list[socket.socket] = []
    waiting = threading.Event()

    async def never(_loop: object, sock: socket.socket, _address: object) -> None:
        sockets.append(sock)
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", never)
    with FaultProxy("127.0.0.1:9") as proxy:
        client = connect(proxy)
        assert waiting.wait(BOUND_S)
        if leave == "client":
            reset(client)
            proxy.wait_closed()
            assert (proxy.connections[0].closed_by, proxy.connections[0].how) == ("client", "reset")
        else:
            proxy.close()
            assert receive_all(client)[0] == b""
            client.close()
    assert sockets[0].fileno() == -1


def test_closing_the_proxy_closes_all() -> None:
    with through(faults=Toxics(ending="stall")) as t:
        t.client.sendall(b"hello")
        assert receive(t.upstream, 5) == b"hello"
        port = t.proxy.port
        t.proxy.close()
        assert receive_all(t.client) == (b"", "fin")
        assert receive_all(t.upstream) == (b"", "fin")
        seen = t.proxy.connections[0]
        assert (seen.closed_by, seen.how) == ("proxy", "fin")
        assert not [thread for thread in threading.enumerate() if thread.name == "fault-proxy"]
        t.client.close()
        assert open_sockets(port) == 0
        t.proxy.close()
        with pytest.raises(ConnectionRefusedError):
            connect(t.proxy)


def test_a_clock_that_fails_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(VirtualClock):
        def join(self) -> None:
            raise RuntimeError("no time")

    with through(clock=Broken()) as t:
        assert receive_all(t.client) == (b"", "fin")
        t.proxy.wait_closed()
    assert "no time" in caplog.text
