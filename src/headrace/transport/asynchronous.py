"""The async transport: aiohttp, with its own timeouts and limits off.

Laws kept here: one timer a connection, re-armed only when it fires, so that a token costs no timer; what had arrived
before a connection broke is given out; a cut wakes the reader at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

from headrace.errors import BrokenStreamError, ConnectError, TLSError, UsageError
from headrace.transport.base import SETTLE_S, Head, WaitExpired, check_url, default_ssl_context, proxy_for, why_not

if TYPE_CHECKING:
    from headrace.wire.registry import HTTPRequest


class _Connector(aiohttp.TCPConnector):
    """Tells the request that is being opened which transport it got, new or of the pool."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        _opening.get().transport = connection.transport
        return connection


class AsyncTransport:
    """Connections of one client, pooled, in one event loop.

    Args:
        connect_s: how long a connection may take, in seconds.
        ssl_context: what is trusted; by default what the system and the environment say.
    """

    def __init__(self, *, connect_s: float = 10.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.connect_s = connect_s
        self.open: set[_Connection] = set()
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def connection(self) -> _Connection:
        """Make a connection for one request."""
        return _Connection(self)

    def session(self) -> aiohttp.ClientSession:
        """Give the session; it is made in the loop that first asks for it.

        Raises:
            UsageError: if the client was closed.
        """
        if self._closed:
            raise UsageError("the client of this stream is closed; make another")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0),
                # a proxy's answer counts as connecting too
                timeout=aiohttp.ClientTimeout(total=None, connect=self.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def ssl_context(self, url: str, proxy: str | None) -> ssl.SSLContext | bool:
        """Give what is trusted; certificates take their time to load, and a plain connection does without."""
        if not (url.startswith("https:") or (proxy or "").startswith("https:")):
            return True
        if self._ssl_context is None:
            self._ssl_context = default_ssl_context()
        return self._ssl_context

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for connection in list(self.open):
            connection.cut()  # the session would leave their readers waiting
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Connection:
    def __init__(self, transport: AsyncTransport) -> None:
        self.transport: asyncio.Transport | None = None
        self._of = transport
        self._response: aiohttp.ClientResponse | None = None
        self._request: asyncio.Task[aiohttp.ClientResponse] | None = None
        self._cut = False
        self._expired = False
        self._broken: Exception | None = None
        self._rest = _NOTHING  # what was read, and not given out yet
        self._fed = 0
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        check_url(request.url)
        proxy = proxy_for(request.url)
        self._request = asyncio.ensure_future(self._ask(self._of.session(), request, proxy))
        self._of.open.add(self)
        self._arm(wait_s)
        try:
            # waited for from outside: whose cancellation it is, is never in doubt, and no response gets lost
            await asyncio.wait((self._request,))
        finally:
            self._deadline = None
            asked, self._request = self._request, None
            if not asked.done():
                self._end(asked)
            elif not asked.cancelled() and asked.exception() is None:
                self._response = asked.result()
        if self._cut:
            self._abort()
            raise BrokenStreamError(_CUT)
        if self._expired:
            raise WaitExpired
        try:
            response = asked.result()
        except (aiohttp.ClientError, OSError) as error:
            raise _error(error) from error
        return Head(response.status, {name.lower(): value for name, value in response.headers.items()})

    async def _ask(
        self, session: aiohttp.ClientSession, request: HTTPRequest, proxy: str | None
    ) -> aiohttp.ClientResponse:
        _opening.set(self)
        return await session.request(
            request.method,
            request.url,
            data=io.BytesIO(request.body),  # as bytes, aiohttp warns of a large one
            headers=request.headers,
            allow_redirects=False,
            proxy=proxy,
            ssl=self._of.ssl_context(request.url, proxy),
        )

    async def read(self, wait_s: float | None) -> bytes:
        if not self._rest:
            data = await self._read(wait_s)
            if len(data) <= _CHUNK:
                return data
            self._rest = memoryview(data)
        data, self._rest = bytes(self._rest[:_CHUNK]), self._rest[_CHUNK:]
        return data

    async def _read(self, wait_s: float | None) -> bytes:
        assert self._response is not None
        if self._broken is not None:
            raise self._broken
        content = self._response.content
        self._fed = content.total_bytes
        self._arm(wait_s)
        try:
            return await _read_all(content)
        except WaitExpired as expired:
            if content.exception() is expired:  # else it broke in the meantime, and the next read says so
                _forget_exception(content)
            raise
        except (aiohttp.ClientError, OSError) as error:
            self._broken = BrokenStreamError(_CUT) if self._cut else _error(error)
            rest = b"" if self._cut else _salvage(content)
            if rest:
                return rest
            raise self._broken from error
        finally:
            self._deadline = None

    def cut(self) -> None:
        self._cut = True
        self._rest = _NOTHING
        self._abort()

    async def close(self, *, reuse: bool) -> None:
        self._disarm()
        self._of.open.discard(self)
        response = self._response
        if response is None:
            return
        try:
            if reuse and not self._cut and self._broken is None:
                with contextlib.suppress(aiohttp.ClientError, OSError, WaitExpired):
                    async with asyncio.timeout(SETTLE_S):
                        # the last frame has come; the end of the body mostly stands behind it
                        if not await response.content.readany():
                            response.release()
        finally:
            self._abort()
            self._response = None

    def _abort(self) -> None:
        """Close the socket now: aiohttp closes gently, after what could not be sent and a TLS peer's farewell."""
        if self._request is not None:
            self._end(self._request)
        response = self._response
        if response is not None:
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    def _end(self, asked: asyncio.Task[aiohttp.ClientResponse]) -> None:
        asked.cancel()
        asked.add_done_callback(_close_late)
        if self.transport is not None:
            self.transport.abort()

    def _arm(self, wait_s: float | None) -> None:
        if wait_s is None:
            self._deadline = None
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + wait_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self._disarm()
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._fire, loop)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._deadline is None:
            return  # nobody waits; the next wait arms it again
        if loop.time() < self._deadline - 0.001:
            self._timer = loop.call_at(self._deadline, self._fire, loop)
            return
        if self._response is None:
            self._expired = True
            self._abort()
            return
        content = self._response.content
        if content.exception() is None and not content.is_eof() and content.total_bytes == self._fed:
            content.set_exception(WaitExpired())
        # else something came in this very turn, and the reader is about to wake

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_opening: contextvars.ContextVar[_Connection] = contextvars.ContextVar("_opening")
_CHUNK = 65536  # given out at once: of a large backlog, more would be in no cache any more when its events are read
_NOTHING = memoryview(b"")
_CUT = "the stream was cut by its reader"


def _close_late(asked: asyncio.Task[aiohttp.ClientResponse]) -> None:
    """Close the response of a request that nobody waits for any more."""
    if not asked.cancelled() and asked.exception() is None:
        asked.result().close()


async def _read_all(content: aiohttp.StreamReader) -> bytes:
    """Wait for data, and give all that is there, as `readany` does.

    Alone, that takes out each HTTP chunk by itself, and asks the parser after each whether it may go on; here it finds
    one. Servers write each event as a chunk of its own.
    """
    if _READER_IS_KNOWN and type(content) is aiohttp.StreamReader:
        await _gather(content)
    return await content.readany()


async def _gather(content: Any) -> None:
    while not (content._buffer or content._eof or content._exception):
        await content._wait("readany")
    if len(content._buffer) > 1:
        whole = b"".join(content._buffer)
        content._buffer.clear()
        content._buffer.append(whole)
        if content._http_chunk_splits:  # where chunks end, for who asks
            content._http_chunk_splits.clear()


_READER_IS_KNOWN = {"_buffer", "_eof", "_exception", "_http_chunk_splits", "_wait"} <= set(dir(aiohttp.StreamReader))
"""Whether aiohttp's reader has inside what it had in 3.14."""


def _salvage(content: Any) -> bytes:
    """Take what a reader still held when its connection broke: aiohttp itself drops it (seen in 3.14)."""
    _forget_exception(content)
    data: bytes = content.read_nowait()
    return data


def _forget_exception(content: Any) -> None:
    content._exception = None


def _error(error: BaseException) -> Exception:
    """Say what a library's error means in ours."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return TLSError(f"the server's certificate is not trusted: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return TLSError(f"no TLS connection: {text}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectError("no connection within the connect timeout")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectError(why_not(error.host, error.port, error.os_error))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return ConnectError(f"no connection through the proxy: HTTP {error.status} {error.message}".rstrip())
    if isinstance(error, aiohttp.ClientResponseError):
        text = f"the answer is not HTTP: {error.message.splitlines()[0]}"
    elif isinstance(error, aiohttp.ClientPayloadError):
        text = "the server closed it in the middle of the body"
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        text = "the server closed it without an answer"
    return BrokenStreamError(f"the connection broke: {text}")
