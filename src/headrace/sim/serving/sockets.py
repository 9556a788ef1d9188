"""What a server and the fault proxy do with single sockets: how far ahead of its reader one writes, and how it ends."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import struct
import sys
import weakref
from typing import Any

SEND_BUFFER = 16 * 1024
"""What is asked of the kernel, which takes twice as much."""

_ON_LINUX = sys.platform == "linux"
_LINGER_NOT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_SIOCOUTQ = 0x5411  # Linux: what a socket has taken and the other side has not acknowledged


def has_unsent(sock: Any) -> bool:
    """Say whether bytes wait in the socket, or are on their way, that a reset would take with it; only Linux knows."""
    return _ON_LINUX and any(importlib.import_module("fcntl").ioctl(sock.fileno(), _SIOCOUTQ, struct.pack("i", 0)))


def say_reset_when_closed(sock: Any) -> None:
    """Have the socket say RST when it is closed."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


def say_fin(sock: Any) -> None:
    """Say FIN now, whoever else may hold the socket: a process that was forked meanwhile, say."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def stay_near_the_reader(sock: socket.socket) -> None:
    """Have the kernel take little that is not sent: what it has taken counts as written."""
    if _ON_LINUX:  # elsewhere nobody has measured what it costs
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


# A forked child holds every socket too: the parent's FIN and RST would not be said while it lives, and the port not be
# given up. It cannot serve, since its threads are gone; so it gives them up at once.
_ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def keep_from_children(sock: socket.socket) -> None:
    """Close the socket in each child that is forked from now on."""
    _ours.add(sock)


def _close_all() -> None:
    for sock in list(_ours):
        sock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
