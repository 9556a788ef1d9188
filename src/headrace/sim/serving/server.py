"""The server: plays on sockets, over HTTP/1.1.

Laws kept here: a client that leaves is noticed at that moment, also while it is told nothing, and nothing is made for
it any more; its FIN means that it leaves as much as its RST does. What is counted as sent was taken by the socket. No
CORS header is ever sent: no web page of another site may read what is said here. While connections are refused, the
port stays ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from headrace.errors import UsageError
from headrace.sim.failures import hearing_failures
from headrace.sim.play import Head, Piece, Play
from headrace.sim.serving.clock import Clock
from headrace.sim.serving.connection import Connection
from headrace.sim.serving.holds import Holds
from headrace.sim.serving.journal import Journal
from headrace.sim.serving.sockets import keep_from_children, stay_near_the_reader

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from headrace.sim.play import Call, Source

BODY_LIMIT = 32 * 1024 * 1024
"""How large a request's body may be, in bytes."""

# A socket that is bound but does not listen refuses connections, and keeps the port from others. Where a second one
# cannot be bound beside the one that listens, the port is free while connections are refused.
_CAN_KEEP = sys.platform == "linux"

_BACKLOG = 1024
_PAUSE_S = 0.5

_log = logging.getLogger("headrace.sim")


class CannotListen(UsageError):
    """The port is not to be had."""


class Server:
    """A server for one event loop.

    Args:
        source: what answers. It may be replaced at any time.
        host: where to listen: a name or an address; of a name's addresses the IPv4 one is preferred.
        port: 0: any that is free.
        clock: by which it is played; the real one by default.
        journal: where it is noted.
        body_limit: of a request's body, in bytes.

    Attributes:
        holds: who is held.
        connections: those that are open.
        stopped: whether it has ended.
        failure: what failed first, of the source and of what it asks (a script's functions); None: nothing.
    """

    def __init__(
        self,
        source: Source,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        journal: Journal | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> None:
        self.source = source
        self.host = host
        self.port = port
        self.clock = clock or Clock()
        self.journal = journal or Journal()
        self.body_limit = body_limit
        self.holds = Holds()
        self.connections: set[Connection] = set()
        self.stopped = False
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._family = socket.AF_INET
        self._keeper: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._accepting: set[asyncio.Task[None]] = set()
        self._refusals = 0

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - said, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            CannotListen: naming the port, if it cannot be had.
            UsageError: if the host has no address.
        """
        self._family, self.host = _resolve(self.host, self.port)
        try:
            if _CAN_KEEP:
                self._keeper = self._bind()
            self._listen()
        except OSError as error:
            self._close_sockets()
            why = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListen(
                f"cannot listen on {self.host} port {self.port}: {why}; give another port (0: any that is free)"
            ) from None
        self.clock.start()

    async def stop(self) -> None:
        """Cut all connections, and give up the port."""
        self.stopped = True
        self._close_sockets()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        lost = [connection.lost for connection in self.connections]
        for connection in list(self.connections):
            connection.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *lost, return_exceptions=True)

    async def release(self, name: str = "") -> int:
        """Release a hold, and tell how many go on; when this returns they have. See `Holds.release`."""
        count = self.holds.release(name)
        await asyncio.sleep(0)
        return count

    def refuse(self) -> None:
        """Refuse connections from now on, until `accept` was called as often as this; those that are open stay."""
        self._refusals += 1
        self._close_listener()

    def accept(self) -> None:
        """Accept connections again, on the same port.

        Raises:
            CannotListen: if somebody else has taken it.
        """
        self._refusals -= 1
        if self._refusals or self.stopped:
            return
        try:
            self._listen()
        except OSError as error:
            raise CannotListen(f"port {self.port} was taken while it refused connections: {error.strerror}") from None

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections for a while, by the clock."""
        self.refuse()
        self.clock.join()
        self.spawn(self._accept_after(seconds))

    def play(self, call: Call) -> Play:
        """Ask the source; what it raises is answered as a server's own fault."""
        try:
            with hearing_failures(self._keep_failure):
                play = self.source.play(call)
            return _checked(play)
        except BaseException as error:  # noqa: BLE001 - whatever a source raises
            self.note_failure(error, "a source failed")
            message = f"the simulator's source failed: {type(error).__name__}: {error}"
            body = json.dumps({"error": {"message": message, "type": "simulator_error", "code": None}}).encode()
            head = Head(status=500, headers=(("content-type", "application/json"),), framing="length")
            return Play(head=head, steps=iter((Piece(0.0, body),)), label="failed")

    def note_failure(self, error: BaseException, what: str) -> None:
        """Note that what is not ours has failed."""
        _log.error(what, exc_info=error)
        self._keep_failure(error)

    def _keep_failure(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error

    def spawn(self, playing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin what plays by the clock; it has joined it."""
        task = asyncio.get_running_loop().create_task(playing)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.clock.leave()

    async def _accept_after(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)
        self.accept()

    # -- sockets

    def _bind(self) -> socket.socket:
        # asyncio switches Nagle's algorithm off only where the protocol is named
        sock = socket.socket(self._family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        keep_from_children(sock)
        try:
            # a server that ended leaves the port waiting; on Windows the option means something else
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")
            sock.bind((self.host, self.port))
        except OSError:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        return sock

    def _listen(self) -> None:
        sock = self._bind()
        try:
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        self._listener = sock
        asyncio.get_running_loop().add_reader(sock, self._take, sock)

    def _take(self, listener: socket.socket) -> None:
        """Take a connection that has come."""
        loop = asyncio.get_running_loop()
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # it has gone again
        except OSError as error:  # no descriptors left, mostly
            _log.warning("no connection can be taken for a while: %s", error.strerror)
            loop.remove_reader(listener)
            loop.call_later(_PAUSE_S, self._take_again, listener)
            return
        sock.setblocking(False)
        keep_from_children(sock)
        stay_near_the_reader(sock)
        task = loop.create_task(_accepted(sock, self))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    def _take_again(self, listener: socket.socket) -> None:
        if listener is self._listener:
            asyncio.get_running_loop().add_reader(listener, self._take, listener)

    def _close_listener(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _close_sockets(self) -> None:
        self._close_listener()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None


async def _accepted(sock: socket.socket, server: Server) -> None:
    await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection(server), sock)


def _checked(play: object) -> Play:
    if isinstance(play, Play):
        return play
    raise TypeError(f"play() must give a Play, and gave a {type(play).__name__}")


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    """Find the address that a host means: IPv4 first, as most people type it."""
    if not 0 <= port <= 65535:
        raise UsageError(f"the port must be between 0 and 65535, not {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"the host {host!r} has no address: {error}") from None
    return min((family, str(address[0])) for family, _, _, _, address in found)
