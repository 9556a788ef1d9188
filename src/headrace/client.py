"""Clients: connections and settings that streams share; and the module's functions for the short case."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, TypedDict

from headrace.config import load_config
from headrace.errors import UsageError
from headrace.flow.deadlines import Timeouts, read_timeouts
from headrace.flow.exchange import Exchange
from headrace.local_engines import find_engines
from headrace.request import make_request
from headrace.stream import AsyncStream, Stream
from headrace.targets import resolve
from headrace.wire.registry import encode_http, make_decoder, make_framer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    from headrace.config import Config
    from headrace.local_engines import Engine
    from headrace.request import Prompt
    from headrace.targets import Target
    from headrace.transport.asynchronous import AsyncTransport
    from headrace.transport.blocking import BlockingTransport
    from headrace.wire.registry import HTTPRequest


class Options(TypedDict, total=False):
    """What a request may say beside model and prompt.

    ``messages`` stands in place of the prompt: dicts as OpenAI's, or messages of ours as they were received. ``extra``
    holds fields for the provider, passed on as they are. ``think_tags`` splits ``<think>`` out of the text.
    """

    messages: Prompt | None
    system: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: str | Sequence[str] | None
    n: int | None
    tools: Sequence[Mapping[str, Any]] | None
    tool_choice: str | Mapping[str, Any] | None
    extra: Mapping[str, Any] | None
    headers: Mapping[str, str] | None
    timeouts: Timeouts | tuple[float | None, float | None, float | None] | None
    think_tags: bool | None


class Settings:
    """What both clients are told.

    Args:
        api_key: a key in place of the environment's, for every provider that this client asks.
        base_url: an address in place of the provider's.
        headers: further headers of each request.
        timeouts: (first_token_s, idle_s, total_s) in seconds, None for no limit.
        connect_s: how long a connection may take, in seconds.
        ssl_context: what is trusted, in place of what the system and the environment say.
        config: a configuration file, or one that was read; by default the one that is found (`headrace.config`).
        debug: check every stream's events against the grammar; by default as ``HEADRACE_DEBUG`` says.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | tuple[float | None, float | None, float | None] | None = None,
        connect_s: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        config: Config | str | os.PathLike[str] | None = None,
        debug: bool | None = None,
    ) -> None:
        loaded = load_config(config) if isinstance(config, str | os.PathLike | None) else config
        self.config: Config = loaded
        self._api_key = api_key
        self._base_url = base_url
        self._headers = dict(headers or {})
        self._timeouts = read_timeouts(timeouts) or Timeouts()
        self._connect_s = connect_s
        self._ssl_context = ssl_context
        self._debug = os.environ.get("HEADRACE_DEBUG", "") not in ("", "0") if debug is None else debug
        self._closed = False
        self._engines: list[Engine] | None = None

    def target(self, model: str | None = None) -> Target:
        """Say whom a model's name means.

        Without a name, and without a key, engines on this machine are looked for: once a client, which blocks for a
        fifth of a second at most (async code too; see `headrace.local_engines`).

        Raises:
            UsageError: if it means nobody, or a key is missing.
        """
        return resolve(model, self.config, base_url=self._base_url, api_key=self._api_key, engines=self._local_engines)

    def _local_engines(self) -> list[Engine]:
        if self._engines is None:
            self._engines = find_engines(self.config)
        return self._engines

    def _prepare(
        self, model: str | None, prompt: Prompt | None, options: Options
    ) -> tuple[Target, HTTPRequest, Exchange]:
        if self._closed:
            raise UsageError("this client is closed; make another")
        given = dict(options)
        more: Any = given.pop("headers", None) or {}
        headers: dict[str, str] = {**self._headers, **more}
        _check_headers(headers)
        timeouts: Any = given.pop("timeouts", None)
        think_tags: Any = given.pop("think_tags", None)
        target = self.target(model)
        provider = target.provider
        asked: dict[str, Any] = given
        request = make_request(target.model, prompt, **asked)
        http = encode_http(request, provider, key=target.key, base_url=target.base_url, headers=headers)
        if target.chosen:
            sys.stderr.write(f"headrace: no model was named; asking {target.name} ({target.chosen})\n")
        secrets = [s for s in (target.key, *headers.values()) if s and len(s) >= 8]
        exchange = Exchange(
            make_decoder(provider.wire, provider=provider, think_tags=think_tags, secrets=secrets),
            make_framer(provider.wire),
            provider=provider.name,
            simulated=provider.simulated,
            secrets=secrets,
            timeouts=read_timeouts(timeouts) or self._timeouts,
            debug=self._debug,
        )
        return target, http, exchange


class Client(Settings):
    """Stream in blocking code. Threads may share a client; each stream belongs to one reader.

    Settings are keyword-only: api_key, base_url, headers, timeouts, connect_s, ssl_context, config, debug (`Settings`).
    """

    _transport: BlockingTransport | None = None

    def stream(self, model: str | None = None, prompt: Prompt | None = None, **options: Unpack[Options]) -> Stream:
        """Make a stream; entering it sends the request.

        Args:
            model: ``provider/model``; None: what the configuration, the keys at hand, an engine on this
                machine, or the simulation give.
            prompt: a text, or messages.
            **options: see `Options`.

        Raises:
            UsageError: if the request makes no sense, before anything is sent.
        """
        target, http, exchange = self._prepare(model, prompt, options)
        if target.provider.simulated:
            from headrace.sim.connection import BlockingSimulation

            return Stream(exchange, BlockingSimulation(), http)
        if self._transport is None:
            from headrace.transport.blocking import BlockingTransport

            self._transport = BlockingTransport(connect_s=self._connect_s, ssl_context=self._ssl_context)
        return Stream(exchange, self._transport.connection(), http)

    def close(self) -> None:
        """Close the connections that are idle; streams that are open close theirs."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class AsyncClient(Settings):
    """Stream in async code, in one event loop.

    Settings are keyword-only: api_key, base_url, headers, timeouts, connect_s, ssl_context, config, debug (`Settings`).
    """

    _transport: AsyncTransport | None = None

    def stream(self, model: str | None = None, prompt: Prompt | None = None, **options: Unpack[Options]) -> AsyncStream:
        """Make a stream; entering it sends the request. See `Client.stream`."""
        target, http, exchange = self._prepare(model, prompt, options)
        if target.provider.simulated:
            from headrace.sim.connection import AsyncSimulation

            return AsyncStream(exchange, AsyncSimulation(), http)
        if self._transport is None:
            from headrace.transport.asynchronous import AsyncTransport

            self._transport = AsyncTransport(connect_s=self._connect_s, ssl_context=self._ssl_context)
        return AsyncStream(exchange, self._transport.connection(), http)

    async def aclose(self) -> None:
        """Close all connections, those of open streams included."""
        self._closed = True
        if self._transport is not None:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()


class ClientOptions(Options, total=False):
    """What the module's functions take: a request's options and a client's settings."""

    api_key: str | None
    base_url: str | None
    connect_s: float
    ssl_context: ssl.SSLContext | None
    config: Config | str | os.PathLike[str] | None
    debug: bool | None


_CLIENT_KEYS = ("api_key", "base_url", "connect_s", "ssl_context", "config", "debug")


def stream(model: str | None = None, prompt: Prompt | None = None, **options: Unpack[ClientOptions]) -> Stream:
    """Stream one answer, in blocking code, over a connection of its own.

        with headrace.stream("openai/gpt-4o-mini", "Write a haiku") as s:
            for text in s.text_stream:
                print(text, end="", flush=True)

    Args:
        model: ``provider/model``; None: what the configuration, the keys at hand, an engine on this
                machine, or the simulation give.
        prompt: a text, or messages.
        **options: see `Options` and `Client`.

    Raises:
        UsageError: if the request makes no sense, before anything is sent.
    """
    settings, asked = _divided(options)
    client = Client(**settings)
    made = client.stream(model, prompt, **asked)
    made.on_close(client.close)
    return made


def astream(model: str | None = None, prompt: Prompt | None = None, **options: Unpack[ClientOptions]) -> AsyncStream:
    """Stream one answer, in async code, over a connection of its own.

        async with headrace.astream("anthropic/claude-sonnet-5-5", "Write a haiku") as s:
            async for text in s.text_stream:
                print(text, end="", flush=True)

    See `stream`.
    """
    settings, asked = _divided(options)
    client = AsyncClient(**settings)
    made = client.stream(model, prompt, **asked)
    made.on_close(client.aclose)
    return made


def _divided(options: ClientOptions) -> tuple[Any, Any]:
    settings = {k: v for k, v in options.items() if k in _CLIENT_KEYS}
    return settings, {k: v for k, v in options.items() if k not in _CLIENT_KEYS}


_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        # its value may be a secret: it is not shown
        if not (_HEADER_NAME.fullmatch(name) and value.isascii() and value.replace("\t", " ").isprintable()):
            raise UsageError(f"the header {name!r} has characters in its name or value that no header may have")
