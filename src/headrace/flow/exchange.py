"""One request and its answer, sans-IO: what the two runners (blocking and async) drive.

A runner sends the request, hands in what comes (`head`, `feed`, `eof`, `fail`), waits no longer than `wait_s` and calls
`expire` when it did; each call gives the events that follow.  All decisions are here: what kind of answer it is, when
and how it ends.

Laws kept here: exactly one `End`, and nothing after it; never success by default; what had arrived is folded into the
message, always; a bound that is met, a deadline or a cancel ends the exchange, and so the runner closes the socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from headrace.errors import ErrorInfo, UsageError, WireError, redact
from headrace.events import End, PartDelta, PartEnd, PartStart, PartWhole, StreamWarning, Usage, UsageUpdate
from headrace.flow.bounds import estimate_tokens
from headrace.flow.chunks import Chunks
from headrace.flow.deadlines import Deadlines, Timeouts
from headrace.flow.timing import Timing
from headrace.grammar import Grammar
from headrace.message import Fold
from headrace.wire.failures import error_from_response, request_id, unexpected
from headrace.wire.framing import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from headrace.errors import HeadraceError
    from headrace.events import Event, Outcome
    from headrace.flow.bounds import Bound
    from headrace.message import Message
    from headrace.wire.framing import SSEFramer
    from headrace.wire.registry import Decoder

Batch = list[tuple["Event", "Frame | None"]]
"""Events, each with the native frame that it came from; None: it is our own."""

_MAX_REFUSAL = 64 * 1024  # of an error's body, in bytes
_EARLY_S = 0.005  # event loops' timers may fire a little early
# ends that are the model's own: if the provider gives no usage there, it gives none
_OWN_ENDS = ("complete", "length", "tool_calls", "filtered", "refused", "paused")
_REFUSAL_S = 10.0  # for its body to come; the status says enough by then
_MAX_WHOLE = 16 * 1024 * 1024  # of an answer that came as one document


class Exchange:
    """Turn what a connection gives into events.

    Attributes:
        done: whether the `End` was given.
        cancel_requested: set from any thread; whoever hands something in next gets the end.
        timing: when what came.
    """

    def __init__(
        self,
        decoder: Decoder,
        framer: SSEFramer,
        *,
        provider: str | None = None,
        simulated: bool = False,
        secrets: Iterable[str] = (),
        timeouts: Timeouts | None = None,
        debug: bool = False,
    ) -> None:
        self.done = False
        self.cancel_requested = False
        self.timing = Timing()
        self._decoder = decoder
        self._framer = framer
        self._provider = provider
        self._simulated = simulated
        self._secrets = tuple(secrets)
        self._deadlines = Deadlines(timeouts or Timeouts())
        self._grammar = Grammar() if debug else None
        self._bounds: list[Bound] = []
        self._fold = Fold()
        self._began = 0.0
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._mode: Literal["wait", "sniff", "stream", "whole", "html", "refused"] = "wait"
        self._body = bytearray()
        self._cut_short = False  # the end is our word, not the provider's
        self._chunks: Chunks | None = None
        self._cause: BaseException | None = None

    # -- what a user sets and sees

    def message(self) -> Message:
        """Give the message as far as it has arrived."""
        return self._fold.message()

    def bound(self, stage: Bound) -> None:
        """Add a condition or limit."""
        self._bounds.append(stage)

    def chunks(self) -> Chunks:
        """Keep each frame that comes, with what was read in it.

        Raises:
            UsageError: if frames have come that nobody kept.
        """
        if self._chunks is None:
            if self._mode not in ("wait", "sniff"):
                raise UsageError("this stream was read in another way before: ask for its chunks first")
            self._chunks = Chunks()
        return self._chunks

    def limit_seconds(self, seconds: float) -> None:
        """End the exchange so many seconds after the request."""
        self._deadlines.limit(seconds)

    @property
    def complete(self) -> bool:
        """Whether the answer was read to the provider's own end, so that its connection may be used again."""
        return self._decoder.done and self._mode == "stream" and not self._cut_short

    def error(self) -> HeadraceError | None:
        """Give the exception that the end stands for, with what had arrived; None: the end is no failure."""
        end = self._fold.end
        if end is None or end.error is None:
            return None
        error = end.error.to_exception()
        error.partial = self._fold.message()
        error.__cause__ = self._cause
        return error

    # -- what a runner hands in

    def start(self, now: float) -> None:
        """Say that the request goes out now."""
        self._began = now
        self._deadlines.start(now)

    def wait_s(self, now: float) -> float | None:
        """Give how long the runner may wait; None: without bound."""
        return self._deadlines.wait_s(now)

    def head(self, status: int, headers: Mapping[str, str], now: float) -> Batch:
        """Take the response's status and headers (names in lower case)."""
        self._status, self._headers = status, headers
        self.timing.head_s = now - self._began
        self._mode = "sniff" if 200 <= status < 300 else "refused"
        if self._mode == "refused":
            self._deadlines.limit(self.timing.head_s + _REFUSAL_S)
        batch: Batch = []
        if self._simulated and self._mode == "sniff":
            text = "this is a simulation: no model was called, and nothing was sent anywhere"
            self._emit(batch, StreamWarning("simulation", text), None, now)
        return batch

    def feed(self, chunk: bytes, now: float) -> Batch:
        """Take bytes of the response's body."""
        batch: Batch = []
        if self.done:
            return batch
        if self._mode == "stream":
            self._frames(batch, self._framer.feed(chunk), now)
        else:
            self._body += chunk
            if self._mode == "sniff":
                self._sniff(batch, now)
            elif len(self._body) > (_MAX_WHOLE if self._mode == "whole" else _MAX_REFUSAL):
                self._document(batch, now)
        return batch

    def eof(self, now: float) -> Batch:
        """Say that the body has ended."""
        batch: Batch = []
        if self.done:
            return batch
        if self._mode in ("refused", "whole", "html"):
            self._document(batch, now)
        else:
            self._frames(batch, self._framer.finish(), now)
            if not self.done:
                self._take(batch, self._decoder.finish(), None, now)
        return batch

    def fail(self, error: HeadraceError, now: float) -> Batch:
        """Say that the connection failed."""
        batch: Batch = []
        if self.done:
            return batch
        self._cause = error.__cause__  # what the library below had said
        if self.cancel_requested:
            return self.cancel(now)
        if self._mode in ("refused", "html"):
            self._document(batch, now)
        elif self._mode == "wait":
            info = msgspec.structs.replace(error.info, provider=self._provider)
            self._end(batch, "failed", info, now)
        else:
            # a frame that lacks nothing but its last newline has arrived, as it has at a body's end
            self._frames(batch, self._framer.finish(), now)
            if not self.done:
                self._broken(batch, error, now)
        return batch

    def expire(self, now: float) -> Batch:
        """Say that the wait is over; without a deadline that is due, nothing happens."""
        batch: Batch = []
        due = self._deadlines.next()
        if self.done or due is None or due[0] > now + _EARLY_S:
            return batch
        phase = due[1]
        if self._mode == "refused":
            self._document(batch, now)
        elif self._decoder.finished:
            self._late(batch, f"the stream was held open after its finish ({phase} timeout)", now)
        elif phase == "limit":
            self._end(batch, "stopped", None, now)
        else:
            text = f"{self._provider or 'the provider'}: {self._deadlines.describe(phase)}"
            info = ErrorInfo(type="timeout", message=text, phase=phase, request_id=request_id(self._headers))
            self._end(batch, "timeout", msgspec.structs.replace(info, provider=self._provider), now)
        return batch

    def cancel(self, now: float) -> Batch:
        """End it because the caller wants no more."""
        batch: Batch = []
        if not self.done:
            self._end(batch, "cancelled", None, now)
        return batch

    # -- inside

    def _sniff(self, batch: Batch, now: float) -> None:
        start = bytes(self._body).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if not start and len(self._body) < 1024:
            return
        if start == b"{" or start == b"[":
            self._mode = "whole"
        elif start == b"<":
            self._mode = "html"
        else:
            self._mode = "stream"
            chunk = bytes(self._body)
            self._body.clear()
            self._frames(batch, self._framer.feed(chunk), now)

    def _frames(self, batch: Batch, frames: Iterable[Frame], now: float) -> None:
        try:
            if self._bounds or self._chunks is not None or self._grammar is not None:
                self._watched(batch, frames, now)
            else:
                self._unwatched(batch, frames, now)
        except WireError as error:
            self._broken(batch, error, now)

    def _watched(self, batch: Batch, frames: Iterable[Frame], now: float) -> None:
        for frame in frames:
            before = len(batch)
            try:
                self._take(batch, self._decoder.feed(frame), frame, now)
            finally:
                if self._chunks is not None:
                    # not what is ours: an estimate, the end that a condition makes
                    read = [event for event, of in batch[before:] if of is frame]
                    stop = self._decoder.native_stop_reason
                    self._chunks.feed(frame, read, now - self._began, native_stop_reason=stop)
            if self.done:
                return

    def _unwatched(self, batch: Batch, frames: Iterable[Frame], now: float) -> None:
        """Do what `_watched` does, when nobody but the fold looks at each event: a token costs little here."""
        decode, add = self._decoder.feed, self._fold.add
        moved = False
        for frame in frames:
            for event in decode(frame):
                if type(event) is PartDelta:
                    if not moved:  # all that one chunk brings came at one time
                        moved = True
                        self._progress(now)
                    add(event)
                    batch.append((event, frame))
                else:
                    self._emit(batch, event, frame, now)
                    if self.done:
                        return

    def _take(self, batch: Batch, events: Iterable[Event], frame: Frame | None, now: float) -> None:
        for event in events:
            if self.done:
                return
            self._emit(batch, event, frame, now)

    def _emit(self, batch: Batch, event: Event, frame: Frame | None, now: float) -> None:
        kind = type(event)
        if self._bounds:
            self._bounded(batch, event, frame, now)
            return
        if kind is PartDelta:
            self._progress(now)
        else:
            if isinstance(event, End) and event.outcome not in _OWN_ENDS:
                self._estimate(batch, now)
            event = self._rarer(event, now)
        if self._grammar is not None:
            self._grammar.feed(event)
        self._fold.feed(event)
        batch.append((event, frame))

    def _bounded(self, batch: Batch, event: Event, frame: Frame | None, now: float) -> None:
        bounds, self._bounds = self._bounds, []
        given: Event | None = event
        for bound in bounds:
            if given is not None:
                given = bound.feed(given)
        if given is not None:
            self._emit(batch, given, frame, now)
        self._bounds = bounds
        if self.done or not any(b.done for b in bounds):
            return
        if self._decoder.finished and not isinstance(event, PartDelta | PartWhole):
            self._bounds = []  # the provider's last count met it, when the model had ended by itself
            return
        self._end(batch, "stopped", None, now)

    def _progress(self, now: float) -> None:
        self._deadlines.progress(now)
        timing = self.timing
        timing.last_token_s = now - self._began
        if timing.first_token_s is None:
            timing.first_token_s = timing.last_token_s

    def _rarer(self, event: Event, now: float) -> Event:
        if isinstance(event, PartWhole) or (isinstance(event, PartStart) and event.kind == "tool_call"):
            self._progress(now)
        elif isinstance(event, End):
            self.done = True
            self.timing.total_s = now - self._began
            name = request_id(self._headers)
            if event.error is not None and event.error.request_id is None and name is not None:
                event = msgspec.structs.replace(event, error=msgspec.structs.replace(event.error, request_id=name))
        return event

    def _document(self, batch: Batch, now: float) -> None:
        """Read an answer that is no stream: an error, a whole answer as one document, or something else."""
        body, self._body = bytes(self._body), bytearray()
        who, secrets = self._provider, self._secrets
        if self._mode == "refused" and self._status < 400:
            place = redact(self._headers.get("location", ""), secrets)
            what = f"a redirect to {place!r}" if place else f"HTTP status {self._status}"
            info = unexpected(what, self._headers, b"", provider=who, secrets=secrets)
            info = msgspec.structs.replace(info, status=self._status)
        elif self._mode == "refused":
            info = error_from_response(self._status, self._headers, body, provider=who, secrets=secrets)
        elif self._mode == "html":
            info = unexpected("an HTML page", self._headers, body, provider=who, secrets=secrets)
        else:
            try:
                self._take(batch, self._decoder.whole(body), None, now)
                return
            except WireError:
                info = unexpected("JSON of another kind", self._headers, body, provider=who, secrets=secrets)
            finally:
                if self._chunks is not None:
                    self._chunks.feed(Frame(body), [event for event, _ in batch], now - self._began)
        self._end(batch, "failed", info, now)

    def _broken(self, batch: Batch, error: HeadraceError, now: float) -> None:
        if self._decoder.finished:
            self._late(batch, f"the stream broke after its finish ({error})", now)
            return
        said = redact(str(error), self._secrets)
        info = msgspec.structs.replace(error.info, message=said, provider=self._provider)
        if isinstance(error, WireError):
            self._end(batch, "failed", info, now)
        else:
            text = f"{self._provider or 'the provider'}: the stream broke before the answer was complete: {said}"
            self._end(batch, "truncated", msgspec.structs.replace(info, type="truncated", message=text), now)

    def _late(self, batch: Batch, text: str, now: float) -> None:
        self._emit(batch, StreamWarning("late_break", text), None, now)
        self._take(batch, self._decoder.finish(), None, now)

    def _end(self, batch: Batch, outcome: Outcome, error: ErrorInfo | None, now: float) -> None:
        """End it by our own word: what the decoder held back is given out, and what is open is closed first."""
        self._bounds = []
        self._cut_short = True
        if outcome != "stopped":  # what comes after a bound was met, is not wanted
            for event in self._decoder.finish():
                if isinstance(event, PartStart | PartDelta | PartEnd):
                    self._emit(batch, event, None, now)
        for part in self._fold.open_parts():
            self._emit(batch, PartEnd(part, implicit=True), None, now)
        native = self._fold.message().native_stop_reason
        self._emit(batch, End(outcome=outcome, native_stop_reason=native, error=error), None, now)

    def _estimate(self, batch: Batch, now: float) -> None:
        message = self._fold.message()
        if message.usage.output_tokens is None and message.parts:
            tokens = sum(estimate_tokens(p.text) for p in message.parts)
            self._emit(batch, UsageUpdate(Usage(output_tokens=tokens, estimated=True)), None, now)
