"""A connection over an async source: a response, an SDK's stream, any async iterator.

Laws kept here: the source is not touched before the block is entered; a wait is ended by cancelling it in the reader's
own task (as `asyncio.timeout` does), so there is no task a token, and a foreign cancellation is never mistaken for
ours; the other side is told first, before anything foreign is awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from typing import TYPE_CHECKING, Any

from headrace.adopt.blocking import CUT, broke
from headrace.adopt.pieces import error_piece
from headrace.adopt.reach import attribute, find_socket, owners, shut
from headrace.errors import BrokenStreamError, TransportError
from headrace.transport.base import SETTLE_S, Head, WaitExpired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace.adopt.pieces import Pieces
    from headrace.adopt.recognise import Found
    from headrace.wire.registry import HTTPRequest

_END = object()


class AsyncSource:
    """A source for one task; `cut` is called in the loop's thread."""

    def __init__(self, found: Found, pieces: Pieces) -> None:
        self._found = found
        self._pieces = pieces
        self._iterator: AsyncIterator[Any] | None = None
        self._waiting: asyncio.Timeout | None = None
        self._cut = False
        self._expired = False
        self._ended = False
        self._closed = False

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:  # noqa: ARG002 - it was asked before
        """Begin to read the source."""
        if self._cut:
            raise BrokenStreamError(CUT)
        self._iterator = aiter(self._found.pieces())
        return self._found.head

    async def read(self, wait_s: float | None) -> bytes:
        """Give the next bytes, b"" at the end."""
        until = None if wait_s is None else time.monotonic() + wait_s
        while True:
            if self._cut:
                raise BrokenStreamError(CUT)
            if wait_s == 0 or self._expired:
                raise WaitExpired
            if self._ended:
                return b""
            piece = await self._next(wait_s)
            data = self._pieces.finish() if piece is _END else self._pieces.feed(piece)
            if data:
                return data
            wait_s = None if until is None else max(0.0, until - time.monotonic())

    def cut(self) -> None:
        """Wake the reader, and tell the other side."""
        self._cut = True
        self._shut()
        waiting = self._waiting
        if waiting is not None and not waiting.expired():
            waiting.reschedule(asyncio.get_running_loop().time())

    async def close(self, *, reuse: bool) -> None:
        """Close the source, and all that it stands on."""
        if self._closed:
            return
        self._closed = True
        try:
            if reuse and self._found.reusable and not (self._ended or self._cut):
                # the last frame has come; the end of the body mostly stands behind it
                with contextlib.suppress(TransportError, WaitExpired):
                    await self._next(SETTLE_S)
        finally:
            self._shut()
            async with contextlib.AsyncExitStack() as closing:
                for owner in reversed(owners(self._found.source, self._iterator)):
                    closing.push_async_callback(_close, owner)

    async def _next(self, wait_s: float | None) -> Any:
        assert self._iterator is not None
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        waiting = self._waiting = asyncio.timeout(wait_s)
        try:
            async with waiting:
                piece = await anext(self._iterator, _END)
        except asyncio.CancelledError as error:
            if task is None or task.cancelling() > cancelled:
                raise
            # nobody has cancelled us: it is what the source stands on that was
            raise BrokenStreamError("what was adopted was cancelled by somebody else") from error
        except Exception as error:
            self._raise_if_cut(waiting)
            piece = error_piece(error)
            if piece is None:
                raise broke(error) from error
        finally:
            self._waiting = None
            self._expired = waiting.expired()
        if piece is _END or self._cut:
            self._raise_if_cut(waiting)
            self._ended = True
        return piece

    def _raise_if_cut(self, waiting: asyncio.Timeout) -> None:
        if self._cut:
            raise BrokenStreamError(CUT) from None
        if waiting.expired():
            raise WaitExpired from None

    def _shut(self) -> None:
        sock = None if self._ended else find_socket(self._found.source)
        if sock is not None:
            shut(sock)


async def _close(thing: Any) -> None:
    close = attribute(thing, "aclose") or attribute(thing, "close")
    if callable(close):
        with contextlib.suppress(Exception):  # it is over, whatever a foreign library finds to say about it
            closed = close()
            if inspect.isawaitable(closed):
                await closed
