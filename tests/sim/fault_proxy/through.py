"""Both ends of a connection through the proxy, as raw sockets in one thread."""

import contextlib
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from headrace.sim.fault_proxy import FaultProxy

BOUND_S = 30.0


class Through(NamedTuple):
    """A proxy with a connection through it."""

    proxy: FaultProxy
    client: socket.socket
    upstream: socket.socket

    def ends(self, direction: str) -> tuple[socket.socket, socket.socket]:
        """Give the sender and the receiver of a direction."""
        return (self.client, self.upstream) if direction == "upload" else (self.upstream, self.client)


@contextmanager
def through(
    clock: Any = None, seed: int = 0, direction: str = "download", faults: Any = None, receive_buffer: int | None = None
) -> Iterator[Through]:
    """Connect through a proxy, and give it faults in a direction: earlier, a reset could come before `connect` ends."""
    given = {"faults" if direction == "download" else "upload": faults}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(BOUND_S)
        with FaultProxy(address(listener), clock=clock, seed=seed) as proxy:
            with connect(proxy, receive_buffer) as client:
                upstream, _ = listener.accept()
                upstream.settimeout(BOUND_S)
                with upstream:
                    proxy.set(**given)
                    yield Through(proxy, client, upstream)


def address(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def connect(proxy: FaultProxy, receive_buffer: int | None = None) -> socket.socket:
    """Connect to the proxy; the system receives little more than the reader reads, if it is told so."""
    sock = socket.socket(socket.AF_INET6 if ":" in proxy.host else socket.AF_INET)
    sock.settimeout(BOUND_S)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        sock.connect((proxy.host, proxy.port))
    except OSError:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    """Receive exactly so many bytes; fewer if the end comes before."""
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def receive_all(sock: socket.socket) -> tuple[bytes, str]:
    """Receive to the end; give how it ended, too."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        return data, "reset"
    return data, "fin"


def refused(proxy: FaultProxy) -> bool:
    """Say whether the proxy resets; it may do so before `connect` returns."""
    try:
        with connect(proxy) as client:
            return receive_all(client) == (b"", "reset")
    except ConnectionResetError:
        return True


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def is_silent(sock: socket.socket) -> bool:
    """Say whether nothing has come, not even an end."""
    sock.setblocking(False)
    try:
        sock.recv(1)
    except BlockingIOError:
        return True
    finally:
        sock.settimeout(BOUND_S)
    return False


def fill(sender: socket.socket) -> int:
    """Send until nobody takes more for a while; give how much was taken. What is tested holds earlier as well."""
    sender.setblocking(False)
    sent = 0
    while select.select([], [sender], [], 0.2)[1]:
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(bytes(65536))
    sender.settimeout(BOUND_S)
    return sent
