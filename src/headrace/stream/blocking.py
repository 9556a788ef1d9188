"""The runner for blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from headrace.errors import HeadraceError, TransportError, UsageError
from headrace.stream.base import StreamBase, now
from headrace.stream.callbacks import check_callbacks, refuse_awaitable
from headrace.transport.base import WaitExpired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from headrace.events import Event
    from headrace.flow.chunks import Chunk
    from headrace.flow.exchange import Batch, Exchange
    from headrace.message import Message
    from headrace.transport.base import BlockingConnection
    from headrace.wire.framing import Frame
    from headrace.wire.registry import HTTPRequest


class Stream(StreamBase):
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
            exchange.start(now())
            if exchange.cancel_requested:
                self._take(exchange.cancel(now()))
                return self
            try:
                head = self._connection.open(self._request, exchange.wait_s(now()))
            except WaitExpired:
                self._take(self._expired())
            except TransportError as error:
                self._take(exchange.fail(error, now()))
            else:
                self._take(exchange.head(head.status, head.headers, now()))
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
            exchange.cancel(now())
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
        self._check()
        while True:
            for event, _ in self._pairs_there():
                yield event
            if not self._more():
                break
        self._raise_if_failed()

    @property
    def raw_stream(self) -> Iterator[tuple[Event, Frame | None]]:
        """Each event with the native frame that it came from; None where it came from no frame."""
        return self._pairs()

    @property
    def chunks(self) -> Iterator[Chunk]:
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
            if not self._more():
                break
        self._raise_if_failed()

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
        self._check()
        while True:
            yield from self._texts_there()
            if not self._more():
                break
        self._raise_if_failed()

    def wait_first_token(self) -> bool:
        """Wait for the first token of text, thinking or a tool call; it stays to be read.

        Returns:
            False if the answer ended without one.

        Raises:
            HeadraceError: if the end is a failure.
        """
        self._check()
        while self.timing.first_token_s is None:
            if not self._more():
                self._raise_if_failed()
                return False
        return True

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

    def run(
        self,
        *,
        on_text: Callable[[str], Any] | None = None,
        on_event: Callable[[Event], Any] | None = None,
        on_done: Callable[[Message], Any] | None = None,
        on_error: Callable[[HeadraceError], Any] | None = None,
    ) -> Message:
        """Read to the end, calling back, and give the message; a stream that was not entered is entered first.

        A callback that raises ends the stream: its socket is closed, and what it raised comes out of here.

        Args:
            on_text: gets each piece of the text of choice 0.
            on_event: gets each event, before its text goes to `on_text`.
            on_done: gets the message at an end that is no failure (``stopped`` and ``cancelled`` are none).
            on_error: gets the error of an end that is one, in place of its being raised. Its `partial` is what had
                arrived.

        Raises:
            HeadraceError: if the end is a failure and there is no `on_error`.
            UsageError: if a callback cannot be called here, or the stream's block was left.
        """
        given = {"on_text": on_text, "on_event": on_event, "on_done": on_done, "on_error": on_error}
        check_callbacks(given, blocking=True)
        failure: list[HeadraceError] = []
        try:
            for event, text in self._told(failure, text=on_text is not None):
                if on_event is not None:
                    refuse_awaitable(on_event(event))
                if text and on_text is not None:
                    refuse_awaitable(on_text(text))
        finally:
            self.close()
        message = self.message
        if not failure:
            if on_done is not None:
                refuse_awaitable(on_done(message))
        elif on_error is None:
            raise failure[0]
        else:
            refuse_awaitable(on_error(failure[0]))
        return message

    def _told(self, failure: list[HeadraceError], *, text: bool) -> Iterator[tuple[Event, str | None]]:
        """Give events and their text; what the stream (and not a callback) raises is put aside."""
        try:
            if self._state == "new":
                self.__enter__()
            for event, _ in self._pairs():
                yield event, self.text_of(event) if text else None
        except UsageError:
            raise
        except HeadraceError as error:
            failure.append(error)

    def _pairs(self) -> Iterator[tuple[Event, Frame | None]]:
        self._check()
        while True:
            yield from self._pairs_there()
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
            self._take(exchange.cancel(now()))
            return
        try:
            chunk = self._connection.read(exchange.wait_s(now()))
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
            self._connection.close(reuse=False)
