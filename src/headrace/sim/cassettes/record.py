"""The recorder: a proxy between any client and the providers, which keeps every exchange as a cassette.

A request's path begins with the provider's name: ``/openai/chat/completions`` is asked of the base address of the row
``openai``, whether the client adds the ``/v1`` that stands there already or not.

Laws kept here: whoever asks sits at this machine and is no web page, since he spends the keys of this machine's user;
the recorder has no keys, what clients send is passed on and scrubbed from what is kept.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aiohttp import web

from headrace.errors import UsageError
from headrace.sim.cassettes.cassette import RecordedRequest, body_of
from headrace.sim.cassettes.credentials import Secrets
from headrace.sim.cassettes.likeness import is_coded, scrubbed_body
from headrace.sim.cassettes.memory import Memory
from headrace.sim.cassettes.relay import Relay, Upstream, listed, refusal, remove_added, upgrade
from headrace.sim.cassettes.tape import Tape, begun
from headrace.sim.serving.control import is_loopback, why_not
from headrace.sim.serving.http import Request
from headrace.sim.serving.server import CannotListen
from headrace.transport.base import check_url
from headrace.wire.providers import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

    from headrace.sim.cassettes.cassette import Headers
    from headrace.sim.cassettes.relay import Exchange
    from headrace.wire.providers import Provider

BODY_LIMIT = 64 * 1024 * 1024
"""How large a request's body may be, in bytes."""

_FIELD = 64 * 1024
_LARGE = 64 * 1024  # bytes of a body that take long enough to scrub for others to notice
_STOP_S = 1.0


class Recorder:
    """Record what clients and providers say to each other.

    It is a context manager: ``async with`` in an event loop; ``with`` runs it in a thread of its own.

    Args:
        folder: where the cassettes are put; it is made if it is not there.
        upstream: where everything is asked; by default the provider is asked whom the path names.
        providers: the rows that are known, by name.
        host: where to listen: a loopback address, or a name of one.
        port: 0: any that is free.
        secrets: values that are never kept, beside those that requests show: keys above all.
        on_exchange: called when an exchange has ended.

    Raises:
        UsageError: for an upstream that is no address.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        upstream: str | None = None,
        providers: Mapping[str, Provider] = PROVIDERS,
        host: str = "127.0.0.1",
        port: int = 0,
        secrets: Iterable[str] = (),
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        if upstream is not None:
            check_url(upstream)
            if "@" in urlsplit(upstream).netloc or "?" in upstream or "#" in upstream:
                raise UsageError(
                    "the upstream is an address without a user and without a query: keys come from clients"
                )
        self.folder = Path(folder)
        self.host = host
        self.port = port
        self._upstream_url = upstream
        self._providers = providers
        self._memory = Memory(secrets)
        self._report = on_exchange or _nothing
        self._upstream: Upstream | None = None
        self._runner: web.AppRunner | None = None
        self._relays: dict[asyncio.Task[object], Relay] = {}
        self._thread: _Thread | None = None

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def env(self) -> dict[str, str]:
        """Give the variables that lead the providers' SDKs here."""
        if self._upstream_url is not None:
            return {"OPENAI_BASE_URL": f"{self.url}/v1", "ANTHROPIC_BASE_URL": self.url}
        return {f"{name.upper()}_BASE_URL": f"{self.url}/{name}" for name in ("openai", "anthropic")}

    async def start(self) -> None:
        """Make the folder, and listen.

        Raises:
            UsageError: if the folder or the address cannot be had.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.folder}: no folder can be made there: {error.strerror or error}") from None
        sock = _listen(self.host, self.port)
        self.host, self.port = sock.getsockname()[:2]
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(remove_added)
        self._upstream = Upstream()
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            max_line_size=_FIELD,
            max_field_size=_FIELD,
            shutdown_timeout=_STOP_S,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def stop(self) -> None:
        """Cut what is going on, whose cassettes stay without an end, and close the port."""
        for task, relay in list(self._relays.items()):
            relay.stopped = True
            task.cancel()
        if self._runner is not None and self._upstream is not None:
            await self._runner.cleanup()
            await self._upstream.session.close()

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop it."""
        await self.stop()

    def __enter__(self) -> Self:
        """Start it in a thread of its own."""
        self._thread = _Thread(self)
        self._thread.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop it, and its thread."""
        assert self._thread is not None
        self._thread.end()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        refused = self._why_not(request)
        if refused is not None:
            return refusal(403, refused)
        wanted = upgrade(request.raw_headers)
        if wanted is not None:
            return refusal(501, f"the recorder keeps no {wanted}, only exchanges of HTTP: ask without an upgrade")
        try:
            provider, url = self._where(request.raw_path)
        except LookupError as error:
            return refusal(404, str(error.args[0]))
        body = await request.read()
        secrets = Secrets(memory=self._memory)
        begin = (request.method, listed(request.raw_headers), url, body, secrets, provider)
        recorded, first = _scrubbed(*begin) if len(body) < _LARGE else await asyncio.to_thread(_scrubbed, *begin)
        try:
            tape = Tape(self.folder, recorded, secrets=secrets, provider=provider, first=first)
        except OSError as error:
            return refusal(500, f"{self.folder}: no cassette can be written there: {error.strerror or error}")
        assert self._upstream is not None
        relay = Relay(request, url, body, tape=tape, upstream=self._upstream, provider=provider)
        task = asyncio.current_task()
        assert task is not None
        self._relays[task] = relay
        try:
            return await relay.run(self._report)
        finally:
            del self._relays[task]

    def _why_not(self, request: web.Request) -> str | None:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        asked = Request(
            method=request.method,
            path=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            hosts=tuple(request.headers.getall("host", ())),
            body=b"",
            is_1_0=False,
            keep=True,
        )
        return why_not(asked, peer=peer[0] if peer else "", ours=self.host)

    def _where(self, path: str) -> tuple[str | None, str]:
        """Find whom a path asks.

        Raises:
            LookupError: saying that there is nobody.
        """
        if not path.startswith("/"):
            raise LookupError("ask for a path, and not for another server")
        if self._upstream_url is not None:
            name, base, rest = None, self._upstream_url, path
        else:
            first = path[1:].partition("?")[0].partition("/")[0]
            name, rest = unquote(first), path[1 + len(first) :]
            row = self._providers.get(name)
            if row is None:
                known = ", ".join(self._providers)
                raise LookupError(f"the path begins with no provider's name: {self.url}/openai (known: {known})")
            if not row.base_url.startswith(("http://", "https://")):
                raise LookupError(
                    f"{name} has no address: give it one in headrace.toml, as base_url, or use --upstream"
                )
            base = row.base_url
        parts = urlsplit(base)
        if parts.port == self.port and (parts.hostname == "localhost" or is_loopback(parts.hostname or "")):
            raise LookupError(f"the provider's address, {base}, is this recorder itself")
        return name, joined(base, rest)


def _scrubbed(
    method: str, headers: Headers, url: str, body: bytes, secrets: Secrets, provider: str | None
) -> tuple[RecordedRequest, bytes]:
    """Scrub a request, learn what it holds, and write a recording's first line."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    secrets.learn_headers(headers)
    secrets.learn_address(path)
    kept = scrubbed_body(body_of(body, coded=is_coded(headers) is not None), body, secrets)
    request = RecordedRequest(
        method=secrets.text(method), path=secrets.address(path), headers=secrets.headers(headers), body=kept
    )
    return request, begun(request, provider=provider)


def _nothing(exchange: Exchange) -> None:
    pass


class _Thread:
    """A recorder in an event loop of its own."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="headrace-recorder", daemon=True)

    def begin(self) -> None:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._recorder.start(), self._loop).result()
        except BaseException:
            self._join()
            raise

    def end(self) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._recorder.stop(), self._loop).result()
        finally:
            self._join()

    def _join(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def joined(base: str, rest: str) -> str:
    """Put a path behind a base address; what it repeats of the base's end, like ``/v1``, is not said twice."""
    path, mark, query = rest.partition("?")
    asked = path.split("/")[1:]
    there = [part for part in urlsplit(base).path.split("/") if part]
    for count in range(min(len(there), len(asked)), 0, -1):
        if there[-count:] == asked[:count]:
            asked = asked[count:]
            break
    return "".join((base.rstrip("/"), *(f"/{part}" for part in asked), mark, query))


def _listen(host: str, port: int) -> socket.socket:
    """Listen, on this machine's own address.

    Raises:
        UsageError: if it is another's.
        CannotListen: if it cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"the host {host!r} has no address: {error}") from None
    addresses = sorted((family, str(address[0])) for family, _, _, _, address in found)
    if not all(is_loopback(address) for _, address in addresses):
        raise UsageError(f"will not listen on {host!r}: the recorder is for its own machine; use 127.0.0.1")
    family, address = addresses[0]
    sock = socket.socket(family)
    try:
        # a server that ended leaves the port waiting; elsewhere the option would share it with another server
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
        sock.bind((address, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        why = error.strerror or str(error)
        raise CannotListen(f"cannot listen on {address} port {port}: {why}; give another port (0: any)") from None
    return sock
