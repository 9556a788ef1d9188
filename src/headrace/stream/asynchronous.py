"""The runner for async code."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Self

from headrace.errors import HeadraceError, TransportError, UsageError
from headrace.stream.base import StreamBase, now
from headrace.stream.callbacks import check_callbacks
from headrace.transport.base import WaitExpired

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from headrace.events import Event
    from headrace.flow.chunks import Chunk
    from headrace.flow.exchange import Batch, Exchange
    from headrace.message import Message
    from headrace.transport.base import AsyncConnection
    from headrace.wire.framing import Frame
    from headrace.wire.registry import HTTPRequest


class AsyncStream(StreamBase):
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
            exchange.start(now())
            if exchange.cancel_requested:
                self._take(exchange.cancel(now()))
                return self
            try:
                head = await self._connection.open(self._request, exchange.wait_s(now()))
            except WaitExpired:
                self._take(self._expired())
            except TransportError as error:
                self._take(exchange.fail(error, now()))
            else:
                self._take(exchange.head(head.status, head.headers, now()))
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
            exchange.cancel(now())
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
        self._check()
        while True:
            for event, _ in self._pairs_there():
                yield event
            if not await self._more():
                break
        self._raise_if_failed()

    @property
    def raw_stream(self) -> AsyncIterator[tuple[Event, Frame | None]]:
        """Each event with the native frame that it came from; None where it came from no frame."""
        return self._pairs()

    @property
    async def chunks(self) -> AsyncIterator[Chunk]:
        """Each frame of the wire as it came, from the first one, with its time and what was read in it.

        In place of the other views: what it goes past is read.

        Raises:
            UsageError: if something was read in another way before.
            HeadraceError: after the last chunk, if the end is a failure.
        """
        self._check()
        chunks = self._exchange.chunks()
        while True:
            while (chunk := self._next_chunk(chunks)) is not None:
                yield chunk
            if not await self._more():
                break
        self._raise_if_failed()

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
        self._check()
        while True:
            for text in self._texts_there():
                yield text
            if not await self._more():
                break
        self._raise_if_failed()

    async def wait_first_token(self) -> bool:
        """Wait for the first token of text, thinking or a tool call; it stays to be read.

        Returns:
            False if the answer ended without one.

        Raises:
            HeadraceError: if the end is a failure.
        """
        self._check()
        while self.timing.first_token_s is None:
            if not await self._more():
                self._raise_if_failed()
                return False
        return True

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

    async def run(
        self,
        *,
        on_text: Callable[[str], Any] | None = None,
        on_event: Callable[[Event], Any] | None = None,
        on_done: Callable[[Message], Any] | None = None,
        on_error: Callable[[HeadraceError], Any] | None = None,
    ) -> Message:
        """Read to the end, calling back, and give the message; see `headrace.Stream.run`.

        Callbacks may be plain functions or coroutine functions; what is awaitable is awaited before the next one.
        """
        given = {"on_text": on_text, "on_event": on_event, "on_done": on_done, "on_error": on_error}
        check_callbacks(given, blocking=False)
        failure: list[HeadraceError] = []
        try:
            async with contextlib.aclosing(self._told(failure, text=on_text is not None)) as told:
                async for event, text in told:
                    if on_event is not None:
                        await _awaited(on_event(event))
                    if text and on_text is not None:
                        await _awaited(on_text(text))
        finally:
            await self.aclose()
        message = self.message
        if not failure:
            if on_done is not None:
                await _awaited(on_done(message))
        elif on_error is None:
            raise failure[0]
        else:
            await _awaited(on_error(failure[0]))
        return message

    async def _told(
        self, failure: list[HeadraceError], *, text: bool
    ) -> AsyncGenerator[tuple[Event, str | None], None]:
        """Give events and their text; what the stream (and not a callback) raises is put aside."""
        try:
            if self._state == "new":
                await self.__aenter__()
            async for event, _ in self._pairs():
                yield event, self.text_of(event) if text else None
        except UsageError:
            raise
        except HeadraceError as error:
            failure.append(error)

    async def _pairs(self) -> AsyncIterator[tuple[Event, Frame | None]]:
        self._check()
        while True:
            for pair in self._pairs_there():
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
            self._take(exchange.cancel(now()))
            return
        try:
            chunk = await self._connection.read(exchange.wait_s(now()))
        except WaitExpired:
            self._take(self._expired())
        except TransportError as error:
            self._take(exchange.fail(error, now()))
        else:
            at = now()
            self._take(exchange.feed(chunk, at) if chunk else exchange.eof(at))
            if exchange.wait_s(at) == 0:  # frames without a token came all the time
                self._take(exchange.expire(at))
        if exchange.done and not exchange.complete:
            await self._connection.close(reuse=False)


async def _awaited(said: Any) -> None:
    if said is not None and inspect.isawaitable(said):
        await said
