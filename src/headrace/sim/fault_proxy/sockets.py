"""What is done with single sockets: how they are connected, and which word they end with."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_DRAIN = 1024 * 1024


def say_fin(sock: socket.socket) -> None:
    """Say FIN. What was not read is read: a socket that is closed with it says RST."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        read = 0
        while read < _DRAIN and (data := sock.recv(65536)):
            read += len(data)


def write_at_once(sock: socket.socket) -> None:
    """Have each write go out at once, in a packet of its own."""
    with contextlib.suppress(OSError):  # it is gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def connect(host: str, port: int) -> socket.socket:
    """Connect to the first of a host's addresses that answers.

    Raises:
        OSError: if none does.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name of a host") from error
    why = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            why = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise why


@contextlib.contextmanager
def watching(sock: socket.socket, told: Callable[[], object]) -> Generator[Callable[[], bool]]:
    """Watch a socket that is not read for a reset; give what asks for it. Only Linux can."""
    if not hasattr(select, "epoll"):
        yield lambda: False
        return
    loop = asyncio.get_running_loop()
    with select.epoll() as watch:
        watch.register(sock, select.EPOLLET)  # errors are always told
        loop.add_reader(watch.fileno(), told)
        try:
            yield lambda: any(what & select.EPOLLERR for _, what in watch.poll(0))
        finally:
            loop.remove_reader(watch.fileno())
