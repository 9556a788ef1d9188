"""Below a foreign object: the socket that it reads, and the objects that are to be closed with it.

Laws kept here: nothing is found by a package's name, only by what an object has; nobody else's socket is cut, so
neither one that other streams share (HTTP/2) nor one that has gone back to its pool.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST = 40  # objects looked at: what pretends to have everything has no end

# openai and anthropic (response, _raw_stream), litellm (completion_stream, …), requests (raw), urllib3 (_fp),
# http.client (fp, raw, _sock), aiohttp's reader (read_func, __self__, _protocol, transport), a generator's inner one
_DOWN = (
    "response",
    "_response",
    "http_response",
    "_raw_stream",
    "completion_stream",
    "streaming_response",
    "response_iterator",
    "raw",
    "_fp",
    "fp",
    "_sock",
    "read_func",
    "__self__",
    "_protocol",
    "_transport",
    "transport",
    "gi_yieldfrom",
)
_WRAPPED = ("completion_stream", "streaming_response", "response_iterator")


def attribute(thing: Any, name: str) -> Any:
    """Give a foreign object's attribute, None if there is none, or it cannot be had."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - whatever a foreign property raises
        return None


def find_socket(source: Any) -> Any:
    """Find the socket that a source reads; None: none that may be cut. It has a `fileno` and may be a look-alike."""
    for thing in _descend(source, _DOWN):
        if isinstance(thing, socket.socket):
            return thing
        if _gave_back(thing):
            return None
        extensions = attribute(thing, "extensions")
        if isinstance(extensions, dict) and "network_stream" in extensions:
            extensions = cast("dict[str, Any]", extensions)
            if extensions.get("http_version", b"HTTP/1.1") not in (b"HTTP/1.1", b"HTTP/1.0"):
                return None
            thing = extensions["network_stream"]
        inside = attribute(thing, "get_extra_info")
        if inside is not None:
            found = inside("socket")
            if attribute(found, "fileno") is not None:
                return found
    return None


def _gave_back(thing: Any) -> bool:
    """Tell whether a response, or aiohttp's reader, has come to its end: its socket may serve somebody else by now."""
    eof = attribute(thing, "is_eof")
    return attribute(thing, "is_closed") is True or (callable(eof) and eof() is True)


def shut(sock: Any) -> None:
    """Wake whoever waits for a socket, and tell the other side; whoever owns it closes it."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(sock, socket.socket):
            # past a TLS object's own, which may wait
            socket.socket.shutdown(getattr(sock, "socket", sock), socket.SHUT_RDWR)
        else:  # an event loop's look-alike: a second descriptor reaches what is below
            with socket.socket(fileno=os.dup(sock.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)


def owners(source: Any, iterator: Any = None) -> list[Any]:
    """List what is to be closed with a source, in this order.

    That is the iterator over it, itself, what it wraps, and the response whose generator it is.
    """
    found = list(_descend(source, _WRAPPED))
    return found if iterator is None or iterator is source else [iterator, *found]


def is_async(source: Any) -> bool | None:
    """Tell by what a source wraps whether it is read in async code; None: it does not say (it can do both)."""
    for thing in _descend(source, _WRAPPED):
        blocking = attribute(thing, "__next__") or attribute(thing, "__iter__")
        asynchronous = attribute(thing, "__anext__") or attribute(thing, "__aiter__")
        if (blocking is None) != (asynchronous is None):
            return asynchronous is not None
    return None


def _descend(source: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """Give a source and what is below it, the nearest first."""
    found: list[Any] = [source]
    for number in range(_MOST):
        if number == len(found):
            return
        thing = found[number]
        yield thing
        below = [attribute(thing, name) for name in names]
        frame = attribute(thing, "gi_frame") or attribute(thing, "ag_frame")
        if frame is not None:
            below.append(frame.f_locals.get("self"))
        found += [each for each in below if each is not None and not any(each is other for other in found)]
