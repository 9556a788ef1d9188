"""What a user holds: `Stream` and `AsyncStream`, two thin runners over one `Exchange`.

Laws kept here: a stream is entered once and read inside its block; leaving the block by whatever way, `cancel`, a met
condition or a deadline closes the upstream's socket now; a second iterator goes on where the first stopped; an end that
is no success raises, after all that had arrived was given out.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from headrace.errors import RetractedError, TransportError, UsageError
from headrace.events import PartDelta, PartReplace, PartWhole, Reset
from headrace.flow.bounds import Limit, Until
from headrace.transport.base import WaitExpired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from types import TracebackType

    from headrace.events import Event
    from headrace.flow.bounds import Condition
    from headrace.flow.exchange import Batch, Exchange, Timing
    from headrace.message import Message
    from headrace.transport.base import AsyncConnection, BlockingConnection
    from headrace.wire.framing import Frame
    from headrace.wire.registry import HTTPRequest

_now = time.monotonic


class _Base:
    """What both streams share: all but waiting."""

    def __init__(self, exchange: Exchange, request: HTTPRequest) -> None:
        self._exchange = exchange
        self._request = request
        self._pending: deque[tuple[Event, Frame | None]] = deque()
        self._state = "new"
        self._reading = threading.Lock()
        self._said = False

    @property
    def message(self) -> Message:
        """What has arrived so far, as one message; whole after the end. See `headrace.Message`."""
        return self._exchange.message()

    @property
    def timing(self) -> Timing:
        """When what came: `first_token_s`, `total_s`, … in seconds from the sending of the request."""
        return self._exchange.timing

    def until(self, condition: Condition) -> Self:
        """Stop the model when a condition on the text (of choice 0) holds; give this stream.

        The text up to the condition, and what fulfils it, is kept; what follows is not given out. The outcome is
        ``stopped``.

        Args:
            condition: a text; a compiled regular expression (of a match of at most 4,096 characters); or a predicate
                over the text so far, such as `headrace.has_complete_code_block`.

        Raises:
            UsageError: if it is none of these, or empty.
        """
        self._exchange.bound(Until(condition))
        return self

    def limit(self, *, tokens: int | None = None, chars: int | None = None, seconds: float | None = None) -> Self:
        """Stop the model after so much; give this stream. The outcome is ``stopped``.

        Args:
            tokens: of everything that the model writes: the provider's count where its stream gives one, else an
                estimate (a quarter of the UTF-8 bytes).
            chars: of the text of choice 0, exactly.
            seconds: since the request was sent.

        Raises:
            UsageError: if a limit is not positive.
        """
        if tokens is not None or chars is not None:
            self._exchange.bound(Limit(tokens=tokens, chars=chars))
        if seconds is not None:
            if seconds <= 0:
                raise UsageError(f"limit(seconds=…) must be above 0, not {seconds}")
            self._exchange.limit_seconds(seconds)
        return self

    def _enter(self) -> None:
        if self._state != "new":
            raise UsageError("a stream can be entered once: make another for another request")
        self._state = "open"

    def _check(self) -> None:
        if self._state == "new":
            raise UsageError("read a stream inside its block: 'with … as s:' (async: 'async with … as s:')")
        if self._state == "closed":
            raise UsageError("this stream's block was left, and its connection closed; its message is still there")

    def _next(self) -> tuple[Event, Frame | None] | None:
        """Give what is pending; after a cancel, only the end is."""
        self._check()
        exchange = self._exchange
        if exchange.cancel_requested and not exchange.done:
            self._pending.clear()
        return self._pending.popleft() if self._pending else None

    def _all(self) -> Batch:
        """Give all that is pending; after a cancel, only the end is."""
        pair = self._next()
        if pair is None:
            return []
        batch = [pair, *self._pending]
        self._pending.clear()
        return batch

    def text_of(self, event: Event) -> str | None:
        """Give the text that an event adds to choice 0's, for a view that only appends; None: it is about no text.

        Raises:
            RetractedError: if the event takes back what was given.
        """
        if type(event) is PartDelta or isinstance(event, PartWhole):
            if event.kind == "text" and event.choice == 0:
                self._said = self._said or bool(event.text)
                return event.text
        elif self._said and (
            isinstance(event, Reset) or (isinstance(event, PartReplace) and event.kind == "text" and not event.choice)
        ):
            error = RetractedError("the answer began anew after text was given out; read the events to follow that")
            error.partial = self.message
            raise error
        return None

    def _take(self, batch: Batch) -> None:
        self._pending.extend(batch)

    def _expired(self) -> Batch:
        exchange = self._exchange
        if exchange.cancel_requested:
            return exchange.cancel(_now())
        return exchange.expire(_now())

    def _begin_reading(self) -> None:
        self._check()
        if not self._reading.acquire(blocking=False):
            raise UsageError("this stream is being read elsewhere: one reader at a time")

    def _raise_if_failed(self) -> None:
        error = self._exchange.error()
        if error is not None:
            raise error


class Stream(_Base):
    """An answer while it is written, in blocking code. Use it in a ``with`` block; read it by one thread at a time.

    Iterating gives `headrace.Event`s, an `End` last; then an outcome of ``failed``, ``truncated`` or ``timeout`` raises
    its error, with what had arrived as `partial`.
    """

    def __init__(self, exchange: Exchange, connection: BlockingConnection, request: HTTPRequest) -> None:
        super().__init__(exchange, request)
        self._connection = connection
        self._on_close: list[Callable[[], None]] = []

    def on_close(self, callback: Callable[[], None]) -> None:
        """Have something called once the stream is closed."""
        self._on_close.append(callback)

    def __enter__(self) -> Self:
        """Send the request and wait for the response's headers.

        Raises:
            HeadraceError: if there is no stream to be had.
        """
        self._enter()
        exchange = self._exchange
        try:
            exchange.start(_now())
            if exchange.cancel_requested:
                self._take(exchange.cancel(_now()))
                return self
            try:
                head = self._connection.open(self._request, exchange.wait_s(_now()))
            except WaitExpired:
                self._take(self._expired())
            except TransportError as error:
                self._take(exchange.fail(error, _now()))
            else:
                self._take(exchange.head(head.status, head.headers, _now()))
                while head.status >= 300 and not exchange.done:
                    self._pull()
            if exchange.done:
                self._connection.close(reuse=False)
            self._raise_if_failed()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the upstream's socket now, if the answer has not ended."""
        self.close()

    def close(self) -> None:
        """End the stream and close its socket; a second call does nothing."""
        if self._state == "closed":
            return
        self._state = "closed"
        exchange = self._exchange
        try:
            exchange.cancel(_now())
            self._connection.close(reuse=exchange.complete)
        finally:
            while self._on_close:
                self._on_close.pop()()

    def cancel(self) -> None:
        """End the stream from any thread: the socket is cut now, the reader gets the end (outcome ``cancelled``)."""
        self._exchange.cancel_requested = True
        if not self._exchange.done:
            self._connection.cut()

    def __iter__(self) -> Iterator[Event]:
        """Give the events."""
        for event, _ in self._pairs():
            yield event

    @property
    def raw_stream(self) -> Iterator[tuple[Event, Frame | None]]:
        """Each event with the native frame that it came from; None where it came from no frame."""
        return self._pairs()

    def batches(self) -> Iterator[Batch]:
        """Give what `raw_stream` gives, in lists: all that is there at once, never an empty one.

        For who passes events on, and wants to write once what came at once.
        """
        self._check()
        while True:
            if batch := self._all():
                yield batch
            if not self._more():
                break
        self._raise_if_failed()

    @property
    def text_stream(self) -> Iterator[str]:
        """The text of choice 0, piece by piece."""
        for event, _ in self._pairs():
            text = self.text_of(event)
            if text:
                yield text

    def get_final_message(self) -> Message:
        """Read to the end and give the message.

        Raises:
            HeadraceError: if the end is no success; its `partial` is what had arrived.
        """
        for _ in self._pairs():
            pass
        return self.message

    def get_final_text(self) -> str:
        """Read to the end and give the text of choice 0.

        Raises:
            HeadraceError: if the end is no success; its `partial` is what had arrived.
        """
        return self.get_final_message().text

    def _pairs(self) -> Iterator[tuple[Event, Frame | None]]:
        self._check()
        while True:
            while (pair := self._next()) is not None:
                yield pair
            if not self._more():
                break
        self._raise_if_failed()

    def _more(self) -> bool:
        """Wait for what comes next; False: nothing comes after the end."""
        if self._exchange.done:
            return False
        self._begin_reading()
        try:
            self._pull()
        finally:
            self._reading.release()
        return True

    def _pull(self) -> None:
        exchange = self._exchange
        if exchange.cancel_requested:
            self._take(exchange.cancel(_now()))
            return
        try:
            chunk = self._connection.read(exchange.wait_s(_now()))
        except WaitExpired:
            self._take(self._expired())
        except TransportError as error:
            self._take(exchange.fail(error, _now()))
        else:
            now = _now()
            self._take(exchange.feed(chunk, now) if chunk else exchange.eof(now))
            if exchange.wait_s(now) == 0:  # frames without a token came all the time
                self._take(exchange.expire(now))
        if exchange.done and not exchange.complete:
            self._connection.close(reuse=False)


class AsyncStream(_Base):
    """An answer while it is written, in async code. Use it in an ``async with`` block; read it by one task at a time.

    Iterating gives `headrace.Event`s, an `End` last; then an outcome of ``failed``, ``truncated`` or ``timeout`` raises
    its error, with what had arrived as `partial`.
    """

    def __init__(self, exchange: Exchange, connection: AsyncConnection, request: HTTPRequest) -> None:
        super().__init__(exchange, request)
        self._connection = connection
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_close: list[Callable[[], Awaitable[None]]] = []

    def on_close(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have something awaited once the stream is closed."""
        self._on_close.append(callback)

    async def __aenter__(self) -> Self:
        """Send the request and wait for the response's headers.

        Raises:
            HeadraceError: if there is no stream to be had.
        """
        self._enter()
        self._loop = asyncio.get_running_loop()
        exchange = self._exchange
        try:
            exchange.start(_now())
            if exchange.cancel_requested:
                self._take(exchange.cancel(_now()))
                return self
            try:
                head = await self._connection.open(self._request, exchange.wait_s(_now()))
            except WaitExpired:
                self._take(self._expired())
            except TransportError as error:
                self._take(exchange.fail(error, _now()))
            else:
                self._take(exchange.head(head.status, head.headers, _now()))
                while head.status >= 300 and not exchange.done:
                    await self._pull()
            if exchange.done:
                await self._connection.close(reuse=False)
            self._raise_if_failed()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the upstream's socket now, if the answer has not ended."""
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream and close its socket; a second call does nothing."""
        if self._state == "closed":
            return
        self._state = "closed"
        exchange = self._exchange
        try:
            exchange.cancel(_now())
            await self._connection.close(reuse=exchange.complete)
        finally:
            while self._on_close:
                await self._on_close.pop()()

    def cancel(self) -> None:
        """End the stream from any task or thread: the socket is cut now, the reader gets the end (``cancelled``)."""
        self._exchange.cancel_requested = True
        loop = self._loop
        if loop is None or self._exchange.done:
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            self._connection.cut()
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it all its sockets
                loop.call_soon_threadsafe(self._connection.cut)

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events."""
        async for event, _ in self._pairs():
            yield event

    @property
    def raw_stream(self) -> AsyncIterator[tuple[Event, Frame | None]]:
        """Each event with the native frame that it came from; None where it came from no frame."""
        return self._pairs()

    async def batches(self) -> AsyncIterator[Batch]:
        """Give what `raw_stream` gives, in lists: all that is there at once, never an empty one.

        For who passes events on, and wants to write once what came at once.
        """
        self._check()
        while True:
            if batch := self._all():
                yield batch
            if not await self._more():
                break
        self._raise_if_failed()

    @property
    async def text_stream(self) -> AsyncIterator[str]:
        """The text of choice 0, piece by piece."""
        async for event, _ in self._pairs():
            text = self.text_of(event)
            if text:
                yield text

    async def get_final_message(self) -> Message:
        """Read to the end and give the message.

        Raises:
            HeadraceError: if the end is no success; its `partial` is what had arrived.
        """
        async for _ in self._pairs():
            pass
        return self.message

    async def get_final_text(self) -> str:
        """Read to the end and give the text of choice 0.

        Raises:
            HeadraceError: if the end is no success; its `partial` is what had arrived.
        """
        return (await self.get_final_message()).text

    async def _pairs(self) -> AsyncIterator[tuple[Event, Frame | None]]:
        self._check()
        while True:
            while (pair := self._next()) is not None:
                yield pair
            if not await self._more():
                break
        self._raise_if_failed()

    async def _more(self) -> bool:
        """Wait for what comes next; False: nothing comes after the end."""
        if self._exchange.done:
            return False
        self._begin_reading()
        try:
            await self._pull()
        finally:
            self._reading.release()
        return True

    async def _pull(self) -> None:
        exchange = self._exchange
        if exchange.cancel_requested:
            self._take(exchange.cancel(_now()))
            return
        try:
            chunk = await self._connection.read(exchange.wait_s(_now()))
        except WaitExpired:
            self._take(self._expired())
        except TransportError as error:
            self._take(exchange.fail(error, _now()))
        else:
            now = _now()
            self._take(exchange.feed(chunk, now) if chunk else exchange.eof(now))
            if exchange.wait_s(now) == 0:  # frames without a token came all the time
                self._take(exchange.expire(now))
        if exchange.done and not exchange.complete:
            await self._connection.close(reuse=False)
