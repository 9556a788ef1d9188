"""The async transport: aiohttp, with its own timeouts and limits off.

Laws kept here: one timer a connection, re-armed only when it fires, so that a token costs no timer; what had arrived
before a connection broke is given out; a cut wakes the reader at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

from headrace.errors import BrokenStreamError, ConnectError, TLSError
from headrace.transport.base import SETTLE_S, Head, WaitExpired, check_url, default_ssl_context, proxy_for

if TYPE_CHECKING:
    from headrace.wire.registry import HTTPRequest


class AsyncTransport:
    """Connections of one client, pooled, in one event loop.

    Args:
        connect_s: how long a connection may take, in seconds.
        ssl_context: what is trusted; by default what the system and the environment say.
    """

    def __init__(self, *, connect_s: float = 10.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.connect_s = connect_s
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    def connection(self) -> _Connection:
        """Make a connection for one request."""
        return _Connection(self)

    def session(self) -> aiohttp.ClientSession:
        """Give the session; it is made in the loop that first asks for it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=2**18,
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
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Connection:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._response: aiohttp.ClientResponse | None = None
        self._opening: asyncio.Task[aiohttp.ClientResponse] | None = None
        self._cut = False
        self._expired = False
        self._broken: Exception | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:
        check_url(request.url)
        if self._cut:
            raise BrokenStreamError("the stream was cut by its reader")
        session, proxy = self._transport.session(), proxy_for(request.url)
        self._opening = asyncio.ensure_future(
            session.request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                proxy=proxy,
                ssl=self._transport.ssl_context(request.url, proxy),
            )
        )
        self._arm(wait_s)
        try:
            self._response = response = await self._opening
        except asyncio.CancelledError:
            if self._expired:
                raise WaitExpired from None
            if self._cut:
                raise BrokenStreamError("the stream was cut by its reader") from None
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise _error(error) from error
        finally:
            self._opening = None
            self._deadline = None
        if self._cut:
            raise BrokenStreamError("the stream was cut by its reader")
        return Head(response.status, {name.lower(): value for name, value in response.headers.items()})

    async def read(self, wait_s: float | None) -> bytes:
        assert self._response is not None
        if self._broken is not None:
            raise self._broken
        content = self._response.content
        self._arm(wait_s)
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._cut:
                raise BrokenStreamError("the stream was cut by its reader") from None
            self._broken = WaitExpired() if self._expired else _error(error)
            rest = _salvage(content)
            if rest:
                return rest
            raise self._broken from error
        finally:
            self._deadline = None

    def cut(self) -> None:
        self._cut = True
        self._abort()

    async def close(self, *, reuse: bool) -> None:
        self._disarm()
        response, self._response = self._response, None
        if response is None:
            return
        if reuse and not self._cut:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with asyncio.timeout(SETTLE_S):
                    # the last frame has come; the end of the body mostly stands behind it
                    if not await response.content.readany():
                        response.release()
        response.close()

    def _abort(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._response is not None:
            self._response.close()

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
        self._expired = True
        self._abort()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _salvage(content: Any) -> bytes:
    """Take what a reader still held when its connection broke: aiohttp itself drops it (seen in 3.14)."""
    content._exception = None
    data: bytes = content.read_nowait()
    return data


def _error(error: BaseException) -> Exception:
    """Say what a library's error means in ours."""
    text = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return TLSError(f"the server's certificate is not trusted: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return TLSError(f"no TLS connection: {text}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectError("no connection within the connect timeout")
    if isinstance(
        error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError
    ):
        return ConnectError(f"no connection: {text}")
    if isinstance(error, aiohttp.ClientPayloadError):
        text = "the server closed it in the middle of the body"
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        text = "the server closed it without an answer"
    return BrokenStreamError(f"the connection broke: {text}")
