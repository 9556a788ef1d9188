"""The blocking transport: urllib3, with sockets that another thread can cut.

Laws kept here: sync is not a loop behind a facade; a cut is a `shutdown` of the socket from the other thread, and the
reader closes it (closing a urllib3 response from another thread hangs on a silent read, and before the headers there is
no response to close); a thread that waits for a connection, a handshake or headers is woken by it too.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import urllib3
import urllib3.connection
import urllib3.exceptions

from headrace.errors import BrokenStreamError, ConnectError, TLSError, UsageError
from headrace.transport.base import SETTLE_S, Head, WaitExpired, check_url, default_ssl_context, proxy_for, why_not
from headrace.transport.chunked import Dechunker

if TYPE_CHECKING:
    from headrace.wire.registry import HTTPRequest

_CHUNK = 65536
_MOMENT_S = 0.02


class _Handle:
    """A socket that can be cut by whoever holds the handle, and the moment before there is one.

    Attributes:
        cut_requested: whether somebody has cut it.
        connected: whether the connection stands, TLS included.
        deadline: when the headers must be there at the latest, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.cut_requested = False
        self.connected = False
        self.deadline: float | None = None
        self._lock = threading.Lock()
        self._socket: Any = None
        self._ours = False

    def attach(self, sock: Any, *, ours: bool = False) -> None:
        """Take the socket that is about to be waited for; one of `ours` is closed here when it is let go."""
        with self._lock:
            self._let_go()
            self._socket, self._ours = sock, ours
            if self.cut_requested:
                self._shutdown()

    def detach(self) -> None:
        """Let go of the socket: from now on a cut does not touch it."""
        with self._lock:
            self._let_go()

    def drop(self) -> None:
        """Cut the socket and close it."""
        with self._lock:
            self._shutdown()
            self._ours = True
            self._let_go()

    def cut(self) -> None:
        """Wake whoever waits for the socket, and tell the other side, now."""
        with self._lock:
            self.cut_requested = True
            self._shutdown()

    def settimeout(self, seconds: float | None) -> None:
        """Bound the next wait for the socket; 0 would make it non-blocking, and is a moment instead."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed by its response, whose end has come
                self._socket.settimeout(None if seconds is None else max(seconds, 0.001))

    def left_s(self) -> float | None:
        """Give the seconds until the deadline, 0 once it has passed."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _let_go(self) -> None:
        sock, self._socket = self._socket, None
        if sock is not None and self._ours:
            sock.close()

    def _shutdown(self) -> None:
        if self._socket is not None:
            # past the TLS object, whose own shutdown may wait: the raw socket's
            raw = getattr(self._socket, "socket", self._socket)
            with contextlib.suppress(OSError):
                socket.socket.shutdown(raw, socket.SHUT_RDWR)


class _Opening(threading.local):
    handle: _Handle


_opening = _Opening()
"""The handle of the request that this thread is opening: urllib3 makes its connections by itself."""


class _Cuttable:
    """Mixed into urllib3's connections: the handle of the request that is being opened learns of the socket."""

    sock: Any
    timeout: Any

    def _new_conn(self) -> socket.socket:
        return _connect(self, _opening.handle)

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._tell()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._tell()  # a connection of the pool that was connected before
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        left_s = _opening.handle.left_s()  # connecting and sending took their share of the wait
        self.timeout = None if left_s is None else max(left_s, 0.001)
        return super().getresponse()  # type: ignore[misc]

    def _tell(self) -> None:
        if self.sock is not None:
            handle = _opening.handle
            handle.attach(self.sock)
            handle.connected = True
            handle.settimeout(handle.left_s())


def _connect(connection: Any, handle: _Handle) -> socket.socket:
    """Connect as urllib3 does, but let the handle have each socket before it is waited for."""
    host, port = connection._dns_host, connection.port
    try:
        addresses = socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise urllib3.exceptions.NameResolutionError(connection.host, connection, error) from error  # type: ignore[arg-type]
    last: OSError | None = None
    until = time.monotonic() + connection.timeout
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(max(until - time.monotonic(), 0.001))
            handle.attach(sock)
            if handle.cut_requested:
                raise ConnectionAbortedError("cut")
            sock.connect(address)
            sock.settimeout(connection.timeout)
            # a TLS object takes a socket's place before its handshake, and hides it: a second descriptor reaches it
            handle.attach(sock.dup(), ours=True)
        except OSError as error:
            handle.detach()
            sock.close()
            last = error
            if handle.cut_requested:
                break
        else:
            return sock
    if isinstance(last, TimeoutError):
        raise urllib3.exceptions.ConnectTimeoutError(connection, "connect timeout") from last
    raise urllib3.exceptions.NewConnectionError(connection, str(last)) from last


class _HTTPConnection(_Cuttable, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_Cuttable, urllib3.connection.HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection  # pyright: ignore[reportAssignmentType]


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection  # pyright: ignore[reportAssignmentType]


class BlockingTransport:
    """Connections of one client, pooled.

    Args:
        connect_s: how long a connection may take, in seconds.
        ssl_context: what is trusted; by default what the system and the environment say.
    """

    def __init__(self, *, connect_s: float = 10.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.connect_s = connect_s
        self.closed = False
        self._ssl_context = ssl_context
        self._pools: dict[tuple[str | None, bool], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def connection(self) -> _Connection:
        """Make a connection for one request."""
        return _Connection(self)

    def pool(self, url: str) -> urllib3.PoolManager:
        """Give the pool that the URL is to be asked through, a proxy's or none's."""
        check_url(url)
        proxy = proxy_for(url)
        # certificates take their time to load: a plain connection on this machine does without
        tls = url.startswith("https:") or (proxy or "").startswith("https:")
        with self._lock:
            pool = self._pools.get((proxy, tls))
            if pool is None:
                context = (self._ssl_context or default_ssl_context()) if tls else None
                pool = self._pools[proxy, tls] = self._make(proxy, context)
            return pool

    def close(self) -> None:
        """Close all connections that nobody uses; those in use are closed by their users."""
        with self._lock:
            self.closed = True
            for manager in self._pools.values():
                for host in manager.pools.keys():  # noqa: SIM118 - a container of urllib3's, no dict
                    # urllib3 itself leaves them to the garbage collector
                    manager.pools[host].close()
                manager.clear()
            self._pools.clear()

    def _make(self, proxy: str | None, context: ssl.SSLContext | None) -> urllib3.PoolManager:
        settings: dict[str, Any] = {"ssl_context": context, "retries": False, "maxsize": 32}
        if proxy is None:
            pool = urllib3.PoolManager(**settings)
        else:
            auth = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
            headers = urllib3.make_headers(proxy_basic_auth=auth) if auth else None
            pool = urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=context, **settings)
        vars(pool)["pool_classes_by_scheme"] = {"http": _HTTPPool, "https": _HTTPSPool}  # urllib3's own hook
        return pool


class _Connection:
    def __init__(self, transport: BlockingTransport) -> None:
        self._transport = transport
        self._handle = _Handle()
        self._response: Any = None
        self._pool: Any = None
        self._bound_s: float | None = -1.0  # what the socket's waits are bound to; below 0: not known
        self._chunks: Dechunker | None = None
        self._ended = False

    def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        if self._transport.closed:
            raise UsageError("the client of this stream is closed; make another")
        pool = self._transport.pool(request.url)
        connect_s = self._transport.connect_s if wait_s is None else min(self._transport.connect_s, wait_s)
        handle, around = self._handle, sys.exc_info()[1]
        handle.deadline = None if wait_s is None else time.monotonic() + wait_s
        _opening.handle = handle
        try:
            response: Any = pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                timeout=urllib3.Timeout(connect=max(connect_s, 0.001), read=None),
                preload_content=False,
                redirect=False,
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException) as error:
            handle.drop()
            problem = _error(error, around)
            if isinstance(problem, WaitExpired) and not handle.connected and handle.left_s() != 0:
                problem = ConnectError("no connection within the connect timeout")
            raise problem from error
        # urllib3 would give the connection back with the body's last byte, while the handle still reaches its socket:
        # a late cut would hit whoever has it next
        self._pool, response._pool, self._response = response._pool, None, response
        # asked for without compression, and mostly given so: then the chunks are cut here, not by urllib3
        if response._fp.chunked is True and response.headers.get("content-encoding", "identity") == "identity":
            self._chunks = Dechunker()
        return Head(response.status, {name.lower(): value for name, value in response.headers.items()})

    def read(self, wait_s: float | None) -> bytes:
        around = sys.exc_info()[1]
        try:
            data = self._read(self._response, wait_s)
        except (urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError) as error:
            if self._handle.cut_requested:
                raise BrokenStreamError("the stream was cut by its reader") from None
            raise _error(error, around) from error
        if self._handle.cut_requested:
            raise BrokenStreamError("the stream was cut by its reader")
        return data

    def _read(self, response: Any, wait_s: float | None) -> bytes:
        self._bind(wait_s)
        if self._chunks is None:
            content: bytes = response.read1(_CHUNK)
            self._ended = not content
            return content
        chunks, body = self._chunks, response._fp
        until = None if wait_s is None else time.monotonic() + wait_s
        content = b""
        while not (content or chunks.done):
            if chunks.error is not None:
                raise http.client.HTTPException(chunks.error)
            data = body.fp.read1(_CHUNK)  # one read of the socket, or what came with the headers
            if data:
                content = chunks.feed(data)
            else:
                chunks.finish()
            if until is not None and not content:  # half a chunk's size is no content: the wait goes on
                wait_s = until - time.monotonic()
                if wait_s <= 0:
                    raise TimeoutError
                self._bind(wait_s)
        if chunks.done:
            body.close()  # of the response alone: its connection may take the next request
            self._ended = not chunks.rest
        return content

    def _bind(self, wait_s: float | None) -> None:
        """Bound each wait for the socket; a bound that is a moment longer stays: setting one is a system call."""
        bound_s = wait_s
        if wait_s is not None:
            moment_s = min(_MOMENT_S, wait_s / 50)
            if self._bound_s is not None and wait_s <= self._bound_s <= wait_s + moment_s:
                return
            bound_s = wait_s + moment_s / 2
        elif self._bound_s is None:
            return
        self._bound_s = bound_s
        self._handle.settimeout(bound_s)

    def cut(self) -> None:
        self._handle.cut()

    def close(self, *, reuse: bool) -> None:
        response, self._response = self._response, None
        pool, self._pool = self._pool, None
        if response is not None and reuse and not self._ended and not self._handle.cut_requested:
            # the last frame has come; the end of the body mostly stands behind it
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, http.client.HTTPException, ValueError):
                self._read(response, SETTLE_S)
        if response is not None and self._ended and not self._handle.cut_requested:
            self._handle.settimeout(None)
            self._handle.detach()
            response._pool = pool
            response.release_conn()
            return
        self._handle.drop()
        if response is not None:
            response.close()


def _error(error: BaseException, around: BaseException | None = None) -> Exception:
    """Say what a library's error means in ours.

    Args:
        error: what was raised.
        around: what the caller was handling before, which is no part of the story.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause is not around and cause not in seen:
        seen.append(cause)
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__ or cause.__context__
    text = str(seen[-1]) or type(seen[-1]).__name__
    if any(isinstance(e, ssl.SSLCertVerificationError) for e in seen):
        return TLSError(f"the server's certificate is not trusted: {text}")
    if any(isinstance(e, TimeoutError | urllib3.exceptions.TimeoutError) for e in seen) and not any(
        isinstance(e, urllib3.exceptions.NewConnectionError) for e in seen
    ):
        return WaitExpired()
    if any(isinstance(e, ssl.SSLError | urllib3.exceptions.SSLError) for e in seen):
        return TLSError(f"no TLS connection: {text}")
    last = seen[-1]
    for e in seen:
        if isinstance(e, urllib3.exceptions.NewConnectionError) and isinstance(last, OSError):
            return ConnectError(why_not(e.conn.host, e.conn.port, last))
    if any(isinstance(e, urllib3.exceptions.ProxyError) for e in seen):
        return ConnectError(f"no connection through the proxy: {text}")
    if any(isinstance(e, http.client.IncompleteRead | urllib3.exceptions.InvalidChunkLength) for e in seen):
        text = "the server closed it in the middle of the body"
    elif any(isinstance(e, http.client.RemoteDisconnected) for e in seen):
        text = "the server closed it without an answer"
    return BrokenStreamError(f"the connection broke: {text}")
