"""Single sockets: how far ahead of its reader one writes, and how it ends."""

import socket

import pytest

from headrace.sim.serving import sockets
from tests.sim.serving.raw import BOUND_S


def test_what_is_not_acknowledged_is_unsent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(BOUND_S)
        reader.connect(listener.getsockname())
        writer, _ = listener.accept()
        with writer:
            sockets.stay_near_the_reader(writer)
            assert not sockets.has_unsent(writer)
            writer.setblocking(False)
            taken = 0
            while True:
                try:
                    taken += writer.send(b"x" * 1000)
                except BlockingIOError:
                    break
            assert taken <= 100_000
            assert sockets.has_unsent(writer)
            read = 0
            while read < taken:
                read += len(reader.recv(65536))
            sockets.say_reset_when_closed(writer)
        with pytest.raises(ConnectionResetError):
            reader.recv(1)


def test_where_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_ON_LINUX", False)
    with socket.socket() as sock:
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        sockets.stay_near_the_reader(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before
        assert not sockets.has_unsent(sock)


def test_a_child_gives_up_what_is_its_parents() -> None:
    with socket.socket() as ours, socket.socket() as another:
        sockets.keep_from_children(ours)
        sockets._close_all()
        assert (ours.fileno(), another.fileno() >= 0) == (-1, True)
