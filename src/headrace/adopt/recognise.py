"""What a source is, and how it is read: told by what it can do.

Laws kept here: no foreign package is imported; nothing is read and nothing closed while looking; what cannot be read is
a `UsageError` that says what to do instead.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from headrace.adopt.reach import attribute, is_async
from headrace.errors import UnsupportedError, UsageError
from headrace.stream.base import StreamBase
from headrace.transport.base import Head
from headrace.wire.providers import WireName
from headrace.wire.registry import HTTPRequest

_READ = 64 * 1024
_SDKS: dict[str, WireName] = {"openai": "openai-chat", "anthropic": "anthropic"}
_OK = Head(200, {})


class Found(Struct, kw_only=True):
    """How a source is read.

    Attributes:
        source: what was adopted; it is closed in the end.
        asynchronous: whether it is read in async code.
        pieces: makes the iterator (or async iterator) over what it gives.
        head: its status and headers; those of a plain success where it has none.
        response: the response below it, if any.
        raw: whether the pieces are the bytes of the body, and need no looking at.
        wire: its wire, where that is known.
        reusable: whether its connection goes back to a pool when it was read to its end.
        aiohttp: whether `response` is aiohttp's, and is read without `pieces`.
    """

    source: Any
    asynchronous: bool
    pieces: Callable[[], Any]
    head: Head = _OK
    response: Any = None
    raw: bool = False
    wire: WireName | None = None
    reusable: bool = False
    aiohttp: bool = False

    @property
    def asked(self) -> HTTPRequest:
        """What had been asked, as far as a response says."""
        request = attribute(self.response, "request") or attribute(self.response, "request_info")
        url = attribute(request, "url") or attribute(self.response, "url") or ""
        headers: Any = attribute(request, "headers")
        sent = {str(name).lower(): str(value) for name, value in headers.items()} if _has(headers, "items") else {}
        return HTTPRequest(str(attribute(request, "method") or "GET"), str(url), sent, b"")


def recognise(source: Any, *, wire: WireName | None = None) -> Found:
    """Find out what a source is.

    Args:
        source: anything.
        wire: what the caller says of it.

    Raises:
        UsageError: if it cannot be read, saying what to do.
        UnsupportedError: if it is the stream of an API that is not read.
    """
    _refuse(source)
    sdk = _sdk(source)
    if sdk is not None:
        return _sdk_stream(source, sdk, wire)
    found = _response(source)
    if found is not None:
        return found
    if isinstance(source, io.TextIOBase):
        raise UsageError("this file is open as text: open it in binary mode ('rb'), or adopt an iterator of its lines")
    if _has(source, "read") and not _has(source, "__anext__") and not _has(source, "iter_any"):
        if not _has(source, "__iter__"):
            raise _unknown(source)
        if attribute(source, "closed"):
            raise UsageError("this file is closed: open it again")
        read = partial(source.read1 if _has(source, "read1") else source.read, _READ)
        return Found(source=source, asynchronous=False, pieces=partial(iter, read, b""), raw=True)
    return _iterable(source)


def _refuse(source: Any) -> None:
    """Refuse what is mistaken for a stream."""
    what = type(source).__name__
    if isinstance(source, StreamBase):
        raise UsageError("this is a stream of Headrace already: use it as it is")
    if isinstance(source, str | os.PathLike):
        raise UsageError("adopt takes what is being read, no text, no path: open the file in binary mode, and adopt it")
    if isinstance(source, bytes | bytearray | memoryview):
        raise UsageError("adopt takes an iterator of bytes: adopt([body])")
    if isinstance(source, Mapping):
        raise UsageError("adopt takes an iterator of chunks, not one: adopt([chunk])")
    if source is None or isinstance(source, type):
        raise _unknown(source)
    if inspect.isawaitable(source) and not _has(source, "__aiter__"):
        raise UsageError(f"this {what} was not awaited: adopt(await …), or enter it ('async with … as r:') and adopt r")
    if _has(source, "model_dump_json"):
        raise UsageError(f"this {what} is an answer that was read whole: ask with stream=True, and adopt what comes")
    enter = "with" if _has(source, "__enter__") else "async with" if _has(source, "__aenter__") else None
    if enter and not _iterates(source) and not _has(source, "headers"):
        raise UsageError(f"this {what} was not entered: '{enter} … as stream:', and adopt(stream) inside its block")


def _unknown(source: Any) -> UsageError:
    what = "None" if source is None else f"a {source.__name__}" if isinstance(source, type) else type(source).__name__
    return UsageError(
        f"adopt cannot read {what}: it takes an SDK's stream, an HTTP response, a binary file, or an iterator (or "
        "async iterator) of bytes, of lines of server-sent events, or of chunk objects"
    )


# -- SDKs


def _sdk(source: Any) -> str | None:
    """Name the SDK that a stream's class comes from."""
    for cls in type(source).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in _SDKS:
            return package
    return None


def _sdk_stream(source: Any, sdk: str, wire: WireName | None) -> Found:
    what = type(source).__name__
    # the helpers' events are made of raw ones, which the stream below gives; it is at the same place
    raw = attribute(source, "_raw_stream") or source
    response = attribute(raw, "response") or attribute(raw, "http_response")
    if response is None or not _has(response, "is_stream_consumed"):
        if not _iterates(source):
            raise _unknown(source)
        raise UnsupportedError(f"{what} is the stream of an API that is not read: chat completions and messages are")
    if wire is None:
        _check_api(raw, response, sdk)
        wire = _SDKS[sdk]
    asynchronous = _has(raw, "__anext__") or (not _iterates(raw) and _has(response.stream, "__aiter__"))
    framed = response.headers.get("content-type", "").startswith("application/vnd.amazon.eventstream")
    if response.is_closed:
        raise UsageError(f"this {what} was read to its end, or closed: adopt it before")
    if _iterates(raw) and (response.is_stream_consumed or framed):
        return Found(
            source=source,
            asynchronous=asynchronous,
            pieces=partial(_same, raw),
            head=_head(response.status_code, response.headers),
            response=response,
            wire=wire,
        )
    found = _httpx(source, response, asynchronous=asynchronous)
    found.wire = wire
    return found


def _check_api(raw: Any, response: Any, sdk: str) -> None:
    """Refuse the streams of other APIs.

    Raises:
        UnsupportedError: naming it.
    """
    path = urlsplit(str(response.request.url)).path
    if sdk == "openai":
        good = (
            path.endswith("/chat/completions")
            or attribute(attribute(raw, "_cast_to"), "__name__") == "ChatCompletionChunk"
        )
    else:
        good = not path.endswith("/complete")
    if not good:
        raise UnsupportedError(
            f"this is a stream of {sdk}'s {path}, which is not read: chat completions and messages are (say wire=… if "
            "it is one of these)"
        )


# -- responses


def _response(source: Any) -> Found | None:
    """Recognise a response of an HTTP library."""
    if not _has(source, "headers"):
        return None
    if _has(source, "aiter_bytes") and _has(source, "is_stream_consumed"):
        return _httpx(
            source, source, asynchronous=_has(source.stream, "__aiter__") and not _has(source.stream, "__iter__")
        )
    if _has(source, "iter_content") and _has(source, "raw"):
        return _requests(source)
    if _has(attribute(source, "content"), "readany"):
        return _aiohttp(source)
    if _has(source, "read1") and isinstance(attribute(source, "status"), int):
        return _http_client(source)
    return None


def _consumed(what: str, how: str) -> UsageError:
    return UsageError(
        f"this {what} was read already: ask for a stream ({how}), and adopt the response before it is read; of one "
        "that is being read, adopt the iterator that reads it"
    )


def _httpx(source: Any, response: Any, *, asynchronous: bool) -> Found:
    if response.is_stream_consumed or response.is_closed:
        raise _consumed("response", "client.stream(…), or client.send(…, stream=True)")
    return Found(
        source=source,
        asynchronous=asynchronous,
        pieces=response.aiter_bytes if asynchronous else response.iter_bytes,
        head=_head(response.status_code, response.headers),
        response=response,
        raw=True,
        reusable=True,
    )


def _requests(source: Any) -> Found:
    if attribute(source, "_content_consumed"):
        raise _consumed("response", "stream=True")
    body = source.raw
    if _has(body, "release_conn"):  # urllib3's: what there is, not until a size is full
        pieces = _bytes_of(body)
    else:
        pieces = partial(source.iter_content, None)
    return Found(
        source=source,
        asynchronous=False,
        pieces=pieces,
        head=_head(source.status_code, source.headers),
        response=source,
        raw=True,
        reusable=True,
    )


def _http_client(source: Any) -> Found:
    """Recognise urllib3's response, and http.client's below it."""
    of_urllib3 = _has(source, "release_conn")
    over = source.closed if of_urllib3 else source.isclosed()
    if over and source.headers.get("content-length") != "0":
        raise _consumed("response", "preload_content=False" if of_urllib3 else "not read()")
    coding = source.headers.get("content-encoding", "identity")
    if not of_urllib3 and coding.lower() != "identity":
        raise UsageError(
            f"this response is compressed ({coding}), which http.client leaves as it is: ask with the header "
            "accept-encoding: identity"
        )
    return Found(
        source=source,
        asynchronous=False,
        pieces=_bytes_of(source) if of_urllib3 else partial(iter, partial(source.read1, _READ), b""),
        head=_head(source.status, source.headers),
        response=source,
        raw=True,
        reusable=True,
    )


def _bytes_of(body: Any) -> Callable[[], Any]:
    return partial(iter, partial(body.read1, _READ, decode_content=True), b"")


def _aiohttp(source: Any) -> Found:
    content = source.content
    if attribute(source, "_body") is not None or (content.at_eof() and content.total_bytes):
        raise _consumed("response", "async with session.post(…) as response")
    return Found(
        source=source,
        asynchronous=True,
        pieces=content.iter_any,
        head=_head(source.status, source.headers),
        response=source,
        raw=True,
        aiohttp=True,
    )


def _head(status: int, headers: Any) -> Head:
    return Head(status, {str(name).lower(): str(value) for name, value in headers.items()})


# -- iterators


def _iterable(source: Any) -> Found:
    if not _iterates(source):
        raise _unknown(source)
    if _has(source, "iter_any"):  # aiohttp's reader, whose own iterator gives lines
        return Found(source=source, asynchronous=True, pieces=source.iter_any, raw=True)
    blocking, asynchronous = _has(source, "__iter__"), _has(source, "__aiter__")
    if blocking and asynchronous:  # litellm's wrapper is both, whatever it wraps
        below = is_async(source)
        asynchronous = _in_a_loop() if below is None else below
    return Found(source=source, asynchronous=asynchronous, pieces=partial(_same, source))


def _same(source: Any) -> Any:
    return source


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _iterates(source: Any) -> bool:
    return _has(source, "__iter__") or _has(source, "__aiter__")


def _has(thing: Any, name: str) -> bool:
    return attribute(thing, name) is not None


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """List what a request's headers hold that must not be shown."""
    found = [headers.get(name, "") for name in ("authorization", "x-api-key", "api-key", "x-goog-api-key")]
    found += [value.partition(" ")[2] for value in found]
    return [value for value in found if len(value) >= 8]
