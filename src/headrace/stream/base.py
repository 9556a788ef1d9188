"""What both streams share: conditions, limits, what is pending, and the rules of reading. It waits for nothing."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from headrace.errors import RetractedError, UsageError
from headrace.events import PartDelta, PartReplace, PartWhole, Reset
from headrace.flow.bounds import Limit, Until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.events import Event
    from headrace.flow.bounds import Condition
    from headrace.flow.chunks import Chunk, Chunks
    from headrace.flow.exchange import Batch, Exchange
    from headrace.flow.timing import Timing
    from headrace.message import Message
    from headrace.wire.framing import Frame
    from headrace.wire.registry import HTTPRequest

now = time.monotonic


class StreamBase:
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
    def entered(self) -> bool:
        """Whether its block was entered: the request was sent then."""
        return self._state != "new"

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

    def _wanted(self) -> bool:
        """Whether something is pending; after a cancel, only the end is."""
        if self._state != "open":
            self._check()
        exchange = self._exchange
        if exchange.cancel_requested and not exchange.done:
            self._pending.clear()
        return bool(self._pending)

    def _pairs_there(self) -> Iterator[tuple[Event, Frame | None]]:
        """Give what is pending, one by one: between two of them the user may do whatever comes to mind."""
        pending, exchange = self._pending, self._exchange
        while (pending and self._state == "open" and not exchange.cancel_requested) or self._wanted():
            yield pending.popleft()

    def _texts_there(self) -> Iterator[str]:
        """Give the pending texts of choice 0, in the same way."""
        pending, exchange = self._pending, self._exchange
        while (pending and self._state == "open" and not exchange.cancel_requested) or self._wanted():
            event = pending.popleft()[0]
            if type(event) is PartDelta and event.kind == "text" and event.choice == 0 and event.text:
                self._said = True
                yield event.text
            elif text := self.text_of(event):
                yield text

    def _all(self) -> Batch:
        """Give all that is pending; after a cancel, only the end is."""
        batch = list(self._pending) if self._wanted() else []
        self._pending.clear()
        return batch

    def _next_chunk(self, chunks: Chunks) -> Chunk | None:
        """Give the chunk that is next, and go past its events; after a cancel, none is."""
        if self._state != "open":
            self._check()
        exchange = self._exchange
        if exchange.cancel_requested and not exchange.done:
            chunks.waiting.clear()
        if chunks.waiting:
            return chunks.waiting.popleft()
        self._pending.clear()
        return None

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
            return exchange.cancel(now())
        return exchange.expire(now())

    def _begin_reading(self) -> None:
        self._check()
        if not self._reading.acquire(blocking=False):
            raise UsageError("this stream is being read elsewhere: one reader at a time")

    def _raise_if_failed(self) -> None:
        error = self._exchange.error()
        if error is not None:
            raise error
