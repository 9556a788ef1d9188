"""One exchange between a client and a provider, passed on as it comes, and recorded.

Laws kept here: bytes pass unchanged, a chunk at once, and are noted after that; how one side ends is how the other
side's connection is ended: a cut is passed on as a cut and a reset as a reset, and a client that leaves closes the
provider's connection in the same moment; a client that reads slowly slows the provider, and fills no memory. What goes
wrong with the file harms the recording alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import io
import json
import re
import socket
import struct
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import aiohttp
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from headrace.errors import HeadraceError
from headrace.sim.cassettes.cassette import Ending
from headrace.sim.cassettes.tape import Tape
from headrace.transport.base import default_ssl_context, proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from headrace.sim.cassettes.cassette import Framing, Headers

_P = ParamSpec("_P")

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "expect",
    }
)  # fmt: skip
_OFFERED = re.compile(r"(?:h2c?|tls|http)(?![a-z])", re.IGNORECASE)
_OWN = frozenset({"host", "content-length", "accept-encoding"})
_ADDED = ("content-type", "date", "server")
_PASSED = web.RequestKey("_PASSED", frozenset[str])
_FIELD = 64 * 1024
_CONNECT_S = 30.0


class Exchange(Struct, frozen=True, kw_only=True):
    """What became of an exchange.

    Attributes:
        cassette: its file's name, None if none was kept.
        provider: whom it was with, if that has a name.
        status: of the answer, if there was one.
        ending: how it ended; None: it did not come about, or was broken off.
        seconds: how long it took.
        problem: what went wrong with the connection or with the file.
    """

    cassette: str | None
    provider: str | None
    status: int | None
    ending: Ending | None
    seconds: float
    problem: str | None = None


class Upstream:
    """Connections to providers, one an exchange."""

    def __init__(self) -> None:
        self.session = aiohttp.ClientSession(
            # one that another exchange has left over might close in this moment, which no recording should show
            connector=_Connector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
            read_bufsize=2**16,
            max_line_size=_FIELD,
            max_field_size=_FIELD,
        )
        self._ssl_context: ssl.SSLContext | None = None

    async def ask(self, method: str, url: str, headers: CIMultiDict[str], body: bytes) -> aiohttp.ClientResponse:
        """Send a request, and wait for the answer's head."""
        return await self.session.request(
            method,
            URL(url, encoded=True),
            data=io.BytesIO(body) if body else None,
            headers=headers,
            allow_redirects=False,
            proxy=proxy_for(url),
            ssl=self._trusted(url),
        )

    def _trusted(self, url: str) -> ssl.SSLContext | bool:
        if not url.startswith("https:"):
            return True
        if self._ssl_context is None:
            self._ssl_context = default_ssl_context()
        return self._ssl_context


class Relay:
    """One exchange.

    Args:
        request: as it came; its body was read.
        url: whom to ask.
        body: of the request.
        tape: where it is noted.
        upstream: connections to providers.
        provider: its name, for the report.
    """

    def __init__(
        self, request: web.Request, url: str, body: bytes, *, tape: Tape, upstream: Upstream, provider: str | None
    ) -> None:
        assert request.transport is not None
        self._request = request
        self._client = request.transport
        self._url = url
        self._body = body
        self._tape: Tape | None = tape
        self._upstream = upstream
        self._provider = provider
        self._now = asyncio.get_running_loop().time
        self._began_s = self._now()
        self._line = _Line()
        self._status: int | None = None
        self._problem: str | None = None
        self._name: str | None = tape.path.name
        self._ending: Ending | None = None
        self.stopped = False
        """Whether the recorder itself is what ends it."""

    async def run(self, report: Callable[[Exchange], None]) -> web.StreamResponse:
        """Pass it on to its end."""
        try:
            response = await self._run()
        except (asyncio.CancelledError, ConnectionError):
            # the answer cannot be written any more, or need not
            self._ending = None if self.stopped else "client_left"
            raise
        finally:
            self._line.abort()
            if self._name is not None:
                self._note(Tape.end, self._at(), self._ending)
            report(
                Exchange(
                    cassette=self._name,
                    provider=self._provider,
                    status=self._status,
                    ending=self._ending,
                    seconds=self._at(),
                    problem=self._problem,
                )
            )
        return response

    async def _run(self) -> web.StreamResponse:
        _asking.set(self._line)
        try:
            answer = await self._upstream.ask(
                self._request.method, self._url, passed(self._request.raw_headers, asking=True), self._body
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return self._unreachable(f"no connection to the provider: {error}")
        except aiohttp.ServerDisconnectedError:
            return self._cut("close")
        except aiohttp.ClientOSError:
            return self._cut("reset")
        except (aiohttp.ClientError, HeadraceError, ValueError) as error:
            return self._unreachable(f"the provider could not be asked: {error}")
        self._line.answer = answer
        if answer.status < 200:
            return self._unreachable(f"the provider leaves HTTP with status {answer.status}, which nobody asked it for")
        self._status = answer.status
        headers = passed(answer.raw_headers)
        framing = _framing(answer, self._request.method)
        if framing != "length":
            headers.popall("content-length", None)
        at_s = self._at()
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        self._request[_PASSED] = frozenset(name.lower() for name in headers)
        await response.prepare(self._request)
        self._note(Tape.head, at_s, status=answer.status, headers=listed(answer.raw_headers), framing=framing)
        return await self._pass_body(answer.content, response, framing)

    async def _pass_body(self, content: Any, response: web.StreamResponse, framing: Framing) -> web.StreamResponse:
        broken = False
        while True:
            try:
                data: bytes = await content.readany()
            except (aiohttp.ClientError, OSError):
                broken, data = True, _salvage(content)
            at_s = self._at()
            if data:
                await response.write(data)
                self._note(Tape.chunk, at_s, data)
            if broken or (not data and framing == "close" and self._line.was_reset):
                return self._cut("reset" if self._line.was_reset else "close", response)
            if not data:
                await response.write_eof()
                self._ending = "end"
                return response

    def _cut(self, ending: Ending, response: web.StreamResponse | None = None) -> web.StreamResponse:
        """End the client's connection in the way in which the provider's has ended."""
        self._ending = ending
        if ending == "reset":
            with contextlib.suppress(OSError):  # it is closed already
                linger = struct.pack("ii", 1, 0)
                self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._client.abort()
        else:
            self._client.close()
        return response or web.Response()  # which is not sent any more

    def _unreachable(self, why: str) -> web.StreamResponse:
        """Say that nobody was reached, which is no exchange, and is not kept."""
        self._problem = why
        self._note(Tape.discard)
        self._name = None
        return refusal(502, why)

    def _note(self, write: Callable[Concatenate[Tape, _P], None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        if self._tape is None:
            return
        try:
            write(self._tape, *args, **kwargs)
        except OSError as error:
            self._problem = f"{self._tape.path}: cannot be written any more: {error.strerror or error}"
            self._tape = None

    def _at(self) -> float:
        return self._now() - self._began_s


class _Line:
    """The connection to the provider, as far as it has come about."""

    def __init__(self) -> None:
        self.answer: aiohttp.ClientResponse | None = None
        self.transport: Any = None
        self.protocol: Any = None

    @property
    def was_reset(self) -> bool:
        """Whether it ended with an error of the socket; a body that goes on until the end does not tell."""
        return self.protocol is not None and isinstance(self.protocol.exception(), OSError)

    def abort(self) -> None:
        """Close it now, whatever could not be sent yet."""
        if self.transport is not None:
            self.transport.abort()
        if self.answer is not None:
            self.answer.close()


_asking: contextvars.ContextVar[_Line] = contextvars.ContextVar("_asking")


class _Connector(aiohttp.TCPConnector):
    """Tells whoever asks which connection he got."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        line = _asking.get()
        line.transport, line.protocol = connection.transport, connection.protocol
        return connection


def passed(raw: tuple[tuple[bytes, bytes], ...], *, asking: bool = False) -> CIMultiDict[str]:
    """Give the headers that go on to the other side; `asking`: they are a request's."""
    names = [name.decode("latin-1").lower() for name, _ in raw]
    listed = {
        part.strip().lower()
        for name, (_, value) in zip(names, raw, strict=True)
        if name == "connection"
        for part in value.decode("latin-1").split(",")
    }
    kept: CIMultiDict[str] = CIMultiDict()
    for name, (written, value) in zip(names, raw, strict=True):
        if name not in _HOP_BY_HOP and name not in listed and not (asking and name in _OWN):
            kept.add(written.decode("latin-1"), _text(value))
    if asking:
        kept["accept-encoding"] = "identity"  # a compressing hop holds tokens back, and a cassette is to be read
    return kept


def listed(raw: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Give the headers that are noted: without those of the connection."""
    left_out = _HOP_BY_HOP - {"proxy-authorization"} | {"host", "content-length"}
    pairs = [(name.decode("latin-1").lower(), _text(value)) for name, value in raw]
    return tuple(pair for pair in pairs if pair[0] not in left_out)


def upgrade(raw: tuple[tuple[bytes, bytes], ...]) -> str | None:
    """Give the protocol that a client wants to change to, if it must have it: HTTP/2 and TLS are but offered."""
    wanted = [value.decode("latin-1").strip() for name, value in raw if name.lower() == b"upgrade"]
    return next((name for name in wanted if name and not _OFFERED.match(name)), None)


async def remove_added(request: web.Request, response: web.StreamResponse) -> None:
    """Take out what the HTTP library adds to an answer that is passed on."""
    names = request.get(_PASSED)
    if names is not None:
        for name in _ADDED:
            if name not in names:
                response.headers.popall(name, None)


def refusal(status: int, message: str) -> web.Response:
    """Say no by ourselves, in the words that most clients know an error by."""
    error = {"error": {"message": message, "type": "recorder_error", "code": None}}
    return web.Response(status=status, body=json.dumps(error).encode(), content_type="application/json")


def _framing(answer: aiohttp.ClientResponse, method: str) -> Framing:
    if method == "HEAD" or answer.status in (204, 304):
        return "length"
    if "chunked" in answer.headers.get("transfer-encoding", "").lower():
        return "chunked"
    return "length" if "content-length" in answer.headers else "close"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _salvage(content: Any) -> bytes:
    """Take what a reader still held when its connection broke; aiohttp itself drops it (seen in 3.14)."""
    content._exception = None
    data: bytes = content.read_nowait()
    return data
