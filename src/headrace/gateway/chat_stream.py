"""One answer on its way to one viewer: ``text/event-stream`` with a JSON object a frame.

    data: {"content":"","model":"openai/gpt-4o-mini"}        at once, before the model has said a word
    data: {"content":"Hel"}                                   a frame a piece of text
    data: {"content":"","outcome":"complete","usage":{…},"model":"…","warnings":[…]}
    data: [DONE]

Laws kept here: a failure is a frame ``{"error": {…}}`` and no ``[DONE]``, so nothing but an answer that came to its
end looks like one.  The viewer leaving stops the model now: also before its first token, while it is silent, and while
the viewer does not read.  The model is read no faster than the viewer reads.  What came at once is written at once; a
token costs no task and no log line.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from headrace.errors import ErrorInfo, HeadraceError
from headrace.events import PartDelta

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from headrace.events import Event
    from headrace.flow.exchange import Batch
    from headrace.message import Message
    from headrace.stream import AsyncStream
    from headrace.targets import Target

logger = logging.getLogger("headrace.gateway")

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",  # no proxy may compress it: that would hold tokens back
    "x-accel-buffering": "no",  # nginx's word for the same
    "x-content-type-options": "nosniff",
}
_KEEP_ALIVE = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"
_SHUTDOWN = ErrorInfo(
    type="truncated", code="shutdown", message="the gateway was shut down before the answer was complete"
)
_BUG = ErrorInfo(type="internal", message="the gateway failed; its log says more")
_SHOWN = ("type", "message", "status", "code", "request_id", "retry_after_s", "phase")

_encode = msgspec.json.Encoder().encode


class OpenStreams:
    """The answers that are on their way."""

    def __init__(self) -> None:
        self._streams: set[AsyncStream] = set()

    def __len__(self) -> int:
        """Count them."""
        return len(self._streams)

    def add(self, stream: AsyncStream) -> None:
        """Take note of one that begins."""
        self._streams.add(stream)

    def discard(self, stream: AsyncStream) -> None:
        """Take note of its end."""
        self._streams.discard(stream)

    def stop(self) -> None:
        """End them all: their models stop now, their viewers are told."""
        for stream in self._streams:
            stream.cancel()


class ChatStream(Response):
    """The response: it enters the stream, writes what comes, and leaves it when the viewer leaves.

    Args:
        stream: the answer, not entered yet.
        target: whom it asks.
        streams: where it is listed while it runs.
        keep_alive_s: after so many seconds without output a comment is written.
    """

    def __init__(self, stream: AsyncStream, target: Target, *, streams: OpenStreams, keep_alive_s: float) -> None:
        # Not the base's: that one has a body and says how long it is.
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._stream = stream
        self._target = target
        self._streams = streams
        self._keep_alive_s = keep_alive_s
        self._writing = asyncio.Lock()
        self._wrote_at = 0.0
        self._over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Run from the first byte to the last."""
        self._send = send
        self._streams.add(self._stream)
        try:
            await self._put({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch(receive))
                await self._answer()
                watch.cancel()
        finally:
            self._streams.discard(self._stream)
            self._log()

    async def _answer(self) -> None:
        stream = self._stream
        await self._write(self._first_frame())
        try:
            async with stream:
                async for batch in stream.batches():
                    await self._write_batch(batch)
                if stream.message.outcome != "cancelled":
                    # Inside the block: the upstream may take a moment to let go.
                    await self._write(self._last_frame(stream.message) + _DONE, more=False)
                    return
            await self._write(_error_frame(_SHUTDOWN), more=False)  # to nobody, if it was the viewer who left
        except HeadraceError as error:
            await self._write(_error_frame(error.info), more=False)
        except Exception:
            await self._write(_error_frame(_BUG), more=False)
            raise

    async def _write_batch(self, batch: Batch) -> None:
        """Write at once what came at once; also what came before something that cannot be said here."""
        frames: list[bytes] = []
        try:
            for event, _ in batch:
                if (frame := self._content(event)) is not None:
                    frames.append(frame)
        finally:
            if frames:
                await self._write(b"".join(frames))

    def _content(self, event: Event) -> bytes | None:
        text = self._stream.text_of(event)
        if text:
            return b'data: {"content":%b}\n\n' % _encode(text)
        if isinstance(event, PartDelta) and event.kind == "refusal" and event.choice == 0:
            # a wire may have a place of its own for it; here it is what there is to read
            return _frame({"content": event.text, "refusal": True})
        return None

    async def _watch(self, receive: Receive) -> None:
        """Wait for the viewer to leave; meanwhile break silences."""
        while not self._over:
            try:
                async with asyncio.timeout_at(self._wrote_at + self._keep_alive_s):
                    message = await receive()
            except TimeoutError:
                await self._break_silence()
            else:
                if message["type"] == "http.disconnect":
                    self._leave()

    def _leave(self) -> None:
        """Stop the model: there is nobody left to read it."""
        self._over = True
        self._stream.cancel()

    async def _break_silence(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._wrote_at + self._keep_alive_s:
            return  # something was written since
        if self._writing.locked():
            self._wrote_at = now  # the viewer is not reading what it has
        else:
            await self._write(_KEEP_ALIVE)

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        async with self._writing:
            await self._put({"type": "http.response.body", "body": body, "more_body": more})
            self._over |= not more

    async def _put(self, message: dict[str, Any]) -> None:
        if self._over:
            return
        try:
            await self._send(message)
        except OSError:  # so ASGI's servers may say that the viewer has left
            self._leave()
        self._wrote_at = asyncio.get_running_loop().time()

    def _first_frame(self) -> bytes:
        said: dict[str, Any] = {"content": "", "model": self._target.name}
        if self._target.provider.simulated:
            said["simulated"] = True
        return _frame(said)

    def _last_frame(self, message: Message) -> bytes:
        usage = message.usage
        rarer = ("cached_input_tokens", "reasoning_tokens", "estimated")
        counts: dict[str, Any] = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        counts |= {name: value for name in rarer if (value := getattr(usage, name))}
        return _frame(
            {
                "content": "",
                "outcome": message.outcome,
                "usage": counts,
                "model": f"{self._target.provider.name}/{message.model or self._target.model}",
                "warnings": [{"code": w.code, "text": w.text} for w in message.warnings],
            }
        )

    def _log(self) -> None:
        message, timing = self._stream.message, self._stream.timing
        logger.info(
            "model=%r outcome=%s input_tokens=%s output_tokens=%s first_token_s=%s total_s=%s error=%s",
            self._target.name,
            message.outcome,
            message.usage.input_tokens,
            message.usage.output_tokens,
            _rounded(timing.first_token_s),
            _rounded(timing.total_s),
            message.error.type if message.error else None,
        )


def failed_stream(error: HeadraceError) -> Response:
    """Make the stream of an answer that failed before it could be asked for."""
    return Response(_error_frame(error.info), headers=_HEADERS)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _frame(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(value)


def _error_frame(info: ErrorInfo) -> bytes:
    said = {name: value for name in _SHOWN if (value := getattr(info, name)) is not None}
    return _frame({"error": said})
