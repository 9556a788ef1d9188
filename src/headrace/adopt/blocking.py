"""A connection over a source that blocks: a response, an SDK's stream, a file, any iterator.

Laws kept here: the source is not touched before the block is entered; a cut shuts the socket below it down, so that
the reader wakes and the other side knows; where no socket can be found, it acts when the next piece comes; leaving
closes all that the source stands on, and never drains it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from headrace.adopt.pieces import error_piece
from headrace.adopt.reach import attribute, find_socket, owners, shut
from headrace.adopt.watchdog import Watchdog
from headrace.errors import BrokenStreamError, TransportError
from headrace.transport.base import SETTLE_S, Head, WaitExpired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.adopt.pieces import Pieces
    from headrace.adopt.recognise import Found
    from headrace.wire.registry import HTTPRequest

CUT = "the stream was cut by its reader"
_END = object()


def broke(error: Exception) -> TransportError:
    """Say what a foreign library's error means in ours."""
    if isinstance(error, TransportError):
        return error
    name = type(error).__name__
    said = str(error)
    return BrokenStreamError(f"its source broke: {name}: {said}" if said else f"its source broke: {name}")


class BlockingSource:
    """A source for one thread; `cut` may come from another."""

    def __init__(self, found: Found, pieces: Pieces) -> None:
        self._found = found
        self._pieces = pieces
        self._iterator: Iterator[Any] | None = None
        self._cut = False
        self._ended = False
        self._closed = False
        self._lock = threading.Lock()
        self._dog: Watchdog | None = None
        self._socket: Any = None  # that was shut down

    def open(self, request: HTTPRequest, wait_s: float | None) -> Head:  # noqa: ARG002 - it was asked before
        """Begin to read the source."""
        if self._cut:
            raise BrokenStreamError(CUT)
        self._iterator = iter(self._found.pieces())
        return self._found.head

    def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes, b"" at the end."""
        until = None if wait_s is None else time.monotonic() + wait_s
        while True:
            if self._cut:
                raise BrokenStreamError(CUT)
            if wait_s == 0 or (self._dog is not None and self._dog.expired):
                raise WaitExpired
            if self._ended:
                return b""
            piece = self._next(wait_s)
            data = self._pieces.finish() if piece is _END else self._pieces.feed(piece)
            if data:
                return data
            wait_s = None if until is None else max(0.0, until - time.monotonic())

    def cut(self) -> None:
        """Wake the reader, and tell the other side, from any thread."""
        self._cut = True
        self._shut()

    def close(self, *, reuse: bool) -> None:
        """Close the source, and all that it stands on."""
        if self._closed:
            return
        self._closed = True
        try:
            if reuse and self._found.reusable and not (self._ended or self._cut):
                # the last frame has come; the end of the body mostly stands behind it
                with contextlib.suppress(TransportError, WaitExpired):
                    self._next(SETTLE_S)
        finally:
            self._shut()
            if self._dog is not None:
                self._dog.stop()
            with contextlib.ExitStack() as closing:
                closing.callback(_close, self._socket)  # http.client's connection would keep it
                for owner in reversed(owners(self._found.source, self._iterator)):
                    closing.callback(_close, owner)

    def _next(self, wait_s: float | None) -> Any:
        assert self._iterator is not None
        if wait_s is not None:
            if self._dog is None:
                self._dog = Watchdog(self._shut)
            self._dog.arm(wait_s)
        try:
            piece = next(self._iterator, _END)
        except Exception as error:
            self._raise_if_cut()
            piece = error_piece(error)
            if piece is None:
                raise broke(error) from error
        finally:
            if self._dog is not None:
                self._dog.disarm()
        if piece is _END or self._cut:
            self._raise_if_cut()
            self._ended = True
        return piece

    def _raise_if_cut(self) -> None:
        if self._cut:
            raise BrokenStreamError(CUT) from None
        if self._dog is not None and self._dog.expired:
            raise WaitExpired from None

    def _shut(self) -> None:
        with self._lock:
            sock = None if self._ended else find_socket(self._found.source)
            if sock is not None:
                self._socket = sock
                shut(sock)


def _close(thing: Any) -> None:
    close = attribute(thing, "close")
    if callable(close):
        with contextlib.suppress(Exception):  # it is over, whatever a foreign library finds to say about it
            close()
