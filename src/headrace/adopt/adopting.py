"""`adopt`: what somebody already holds, as a `Stream` or `AsyncStream` of ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import urlsplit

from headrace.errors import UnknownProviderError, UnsupportedError, UsageError
from headrace.flow.deadlines import Timeouts, read_timeouts
from headrace.flow.exchange import Exchange
from headrace.stream import AsyncStream, Stream
from headrace.wire.detect import DetectingDecoder
from headrace.wire.providers import PROVIDERS, Provider
from headrace.wire.registry import WIRES, HTTPRequest, make_decoder, make_framer

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from headrace.wire.providers import WireName
    from headrace.wire.registry import Decoder


@overload
def adopt(
    source: AsyncIterable[Any],
    *,
    wire: str | None = None,
    provider: str | None = None,
    lines: bool | None = None,
    timeouts: Timeouts | tuple[float | None, float | None, float | None] | None = None,
    think_tags: bool | None = None,
) -> AsyncStream: ...
@overload
def adopt(
    source: Iterable[Any],
    *,
    wire: str | None = None,
    provider: str | None = None,
    lines: bool | None = None,
    timeouts: Timeouts | tuple[float | None, float | None, float | None] | None = None,
    think_tags: bool | None = None,
) -> Stream: ...
@overload
def adopt(
    source: Any,
    *,
    wire: str | None = None,
    provider: str | None = None,
    lines: bool | None = None,
    timeouts: Timeouts | tuple[float | None, float | None, float | None] | None = None,
    think_tags: bool | None = None,
) -> Any: ...
def adopt(
    source: Any,
    *,
    wire: str | None = None,
    provider: str | None = None,
    lines: bool | None = None,
    timeouts: Timeouts | tuple[float | None, float | None, float | None] | None = None,
    think_tags: bool | None = None,
) -> Stream | AsyncStream:
    """Make a stream of ours out of what is already being streamed; leaving its block closes it.

        with headrace.adopt(client.chat.completions.create(…, stream=True)) as s:
            for text in s.text_stream:
                print(text, end="", flush=True)

    Taken are streams of the openai and anthropic SDKs and of litellm, responses of httpx, requests, aiohttp, urllib3
    and http.client, binary files, and iterators of bytes, of lines of server-sent events, or of chunk objects. What is
    read in async code becomes an `AsyncStream`, all else a `Stream`.

    Args:
        source: what is being streamed. It is not touched before the block is entered.
        wire: how it is to be read (``openai-chat``, ``anthropic``); by default as the SDK, or the first frame, says.
        provider: whose it is: its name stands in the events, and its habits are kept.
        lines: whether an iterator gives lines without their ends (True), or bytes in any cutting (False); by default
            the first pieces tell.
        timeouts: (first_token_s, idle_s, total_s) in seconds from the entering; by default none: whoever asked set its
            own.
        think_tags: whether to split ``<think>`` out of the text.

    Raises:
        UsageError: if it cannot be read, saying what to do.
        UnsupportedError: if it is the stream of an API that is not read.
    """
    from headrace.adopt.pieces import Pieces
    from headrace.adopt.recognise import recognise, secrets_in

    named = _wire(wire)
    found = recognise(source, wire=named)
    if lines is not None and found.raw:
        raise UsageError("lines=… is for iterators: what a response or a file gives is known")
    asked = found.asked
    row = _provider(provider) or _provider_at(asked.url)
    name = named or found.wire or (row.wire if row and provider else None)
    secrets = secrets_in(asked.headers)
    pieces = Pieces(lines=False if found.raw else lines)

    def make(detected: WireName) -> Decoder:
        return make_decoder(
            name or detected,
            provider=row,
            think_tags=think_tags,
            secrets=secrets,
            marker_seen=not pieces.objects,
        )

    exchange = Exchange(
        DetectingDecoder(make),  # makes it when the first piece has come, and with it the kind of pieces
        make_framer(name or WIRES[0]),
        provider=row.name if row else None,
        secrets=secrets,
        timeouts=read_timeouts(timeouts) or Timeouts(None, None, None),
        debug=os.environ.get("HEADRACE_DEBUG", "") not in ("", "0"),
    )
    # its headers are nobody's business any more
    request = HTTPRequest(asked.method, asked.url, {}, b"")
    if not found.asynchronous:
        from headrace.adopt.blocking import BlockingSource

        return Stream(exchange, BlockingSource(found, pieces), request)
    if found.aiohttp:
        from headrace.adopt.aiohttp_response import AiohttpResponse

        return AsyncStream(exchange, AiohttpResponse(found.response, found.head), request)
    from headrace.adopt.asynchronous import AsyncSource

    return AsyncStream(exchange, AsyncSource(found, pieces), request)


def _wire(given: str | None) -> WireName | None:
    """Read a wire's name.

    Raises:
        UnsupportedError: naming those that are known.
    """
    for name in WIRES:
        if given == name:
            return name
    if given is not None:
        raise UnsupportedError(f"the wire {given!r} is not read; known are: {', '.join(WIRES)}")
    return None


def _provider(given: str | None) -> Provider | None:
    """Find the row of a provider's name.

    Raises:
        UnknownProviderError: naming those that are known.
    """
    if given is None:
        return None
    from headrace.config import load_config

    known = load_config().providers
    if given not in known:
        raise UnknownProviderError(f"no provider {given!r} is known (known: {', '.join(known)})")
    return known[given]


def _provider_at(url: str) -> Provider | None:
    """Find whose address it is."""
    place = urlsplit(url).netloc
    return next((row for row in PROVIDERS.values() if place and urlsplit(row.base_url).netloc == place), None)
