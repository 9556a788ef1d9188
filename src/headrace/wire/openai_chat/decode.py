"""Frames to events for ``openai-chat``.

Laws kept here: only `WireError` escapes; the first finish reason of a choice counts, the last usage counts; an end is
never assumed: a finish reason or the terminal marker makes one, and a marker alone is no success unless the provider's
row says so.

Sources: OpenAI's API reference (chat.completion.chunk), openai-python's types, and streams recorded from the servers
that the comments name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, WireError
from headrace.events import (
    VERSION,
    End,
    Raw,
    StepStart,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.wire.failures import error_from_value
from headrace.wire.lenient_json import as_dict, compact, loads_frame, loads_leniently, repaired_deep
from headrace.wire.openai_chat.choice import ChoiceDecoder
from headrace.wire.openai_chat.chunk import MISFITS, Chunk, decode, decode_patiently, from_value
from headrace.wire.openai_chat.usage import read_usage
from headrace.wire.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Event, Outcome
    from headrace.wire.framing import Frame


class OpenAIChatDecoder:
    """Decode one attempt's frames.

    Args:
        provider: whose stream it is, for `StepStart` and errors.
        step: number of the request within the run.
        attempt: number of the try within the step.
        marker: whether this provider ends its streams with ``[DONE]``; if so its lack is worth a warning.
        marker_ends: whether ``[DONE]`` without a finish reason is this provider's way to end well.
        extension_usage: whether to read Groq's ``x_groq.usage``, which is all it gives when usage was not asked for.
        think_tags: whether to split ``<think>`` out of the text.
        secrets: what must not get into errors.
    """

    def __init__(
        self,
        *,
        provider: str | None = None,
        step: int = 0,
        attempt: int = 0,
        marker: bool = True,
        marker_ends: bool = False,
        extension_usage: bool = False,
        think_tags: bool = False,
        secrets: Iterable[str] = (),
    ) -> None:
        self.done = False
        self._provider = provider
        self._step = step
        self._attempt = attempt
        self._marker = marker
        self._marker_ends = marker_ends
        self._extension_usage = extension_usage
        self._think_tags = think_tags
        self._secrets = tuple(secrets)
        self._parts = Parts(step, attempt)
        self._choices: dict[int, ChoiceDecoder] = {}
        self._started = False
        self._id: str | None = None
        self._model: str | None = None
        self._usage: Usage | None = None
        self._cited: set[str] = set()

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self.done or any(c.finish for c in self._choices.values())

    @property
    def native_stop_reason(self) -> str | None:
        """The provider's word for why the answer (its first choice) ended; None: it has not said one."""
        main = self._main()
        return main.finish.native_stop_reason if main and main.finish else None

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in and give its events; after the end, nothing.

        Raises:
            WireError: if the frame's data is not JSON.
        """
        out: list[Event] = []
        if self.done:
            return out
        try:
            chunk = decode(frame.data)
        except MISFITS:
            word = frame.data.strip()
            if word == b"[DONE]":
                self._finish(out, marker=True)
            if word in (b"[DONE]", b""):
                return out
            chunk = decode_patiently(frame, self._secrets)
        if type(chunk) is Chunk:
            self._chunk(out, chunk, frame)
        elif frame.event == "error":
            self._fail(out, chunk)
        else:
            out.append(Raw(frame.event, repaired_deep(chunk)))
        return out

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document instead of a stream: a completion, or an error.

        Raises:
            WireError: if it is neither.
        """
        out: list[Event] = []
        try:
            value = as_dict(loads_leniently(body)) or {}
        except ValueError:
            value = {}
        if not (value.get("error") or value.get("choices") or _is_vllm_error(value)):
            raise WireError("the body is neither a chat completion nor an error")
        self._chunk(out, from_value(value, said="message"), value)
        if not self.done:
            self._finish(out, marker=True)
        return out

    def finish(self) -> list[Event]:
        """Say that no more frames come: the end, if none was given yet."""
        out: list[Event] = []
        if not self.done:
            self._finish(out, marker=False)
        return out

    # -- a chunk

    def _chunk(self, out: list[Event], chunk: Chunk, of: Frame | dict[str, Any]) -> None:
        if chunk.model != self._model or self._id is None:
            self._identity(out, chunk)
        choices = chunk.choices
        for choice in choices or ():
            decoder = self._choices.get(choice.index)
            if decoder is None:
                decoder = ChoiceDecoder(self._parts, choice.index, think_tags=self._think_tags)
                self._choices[choice.index] = decoder
            decoder.feed(out, choice)
        if not choices or chunk.usage or chunk.error or chunk.x_groq or chunk.citations or chunk.search_results:
            self._beside(out, chunk, of)

    def _beside(self, out: list[Event], chunk: Chunk, of: Frame | dict[str, Any]) -> None:
        told = bool(chunk.choices)
        if chunk.citations or chunk.search_results:
            self._citations(out, chunk)
        usage = chunk.usage or (self._extension_usage and chunk.x_groq and as_dict(chunk.x_groq.get("usage")))
        if usage:
            told = True
            read = read_usage(usage)
            if read != self._usage:
                self._usage = read
                out.append(UsageUpdate(read))
        named = "" if isinstance(of, dict) else of.event
        if chunk.error or (not chunk.choices and "error" in (chunk.object, named)):
            self._fail(out, self._value(of))
        elif not told:  # prompt filters (Azure), moderation, events of other APIs
            out.append(Raw(named or chunk.object or "", repaired_deep(self._value(of))))

    def _value(self, of: Frame | dict[str, Any]) -> Any:
        return of if isinstance(of, dict) else loads_frame(of.data, self._secrets)

    def _identity(self, out: list[Event], chunk: Chunk) -> None:
        # Azure's first chunk has both empty; a router may change the model on the way
        model, name = chunk.model or None, chunk.id or None
        if not self._started:
            self._started = True
            self._id, self._model = name, model
            start = StepStart(
                v=VERSION, step=self._step, attempt=self._attempt, provider=self._provider, model=model, id=name
            )
            out.append(start)
            return
        new_id = name if self._id is None else None
        new_model = model if model != self._model else None
        if new_id or new_model:
            self._id, self._model = self._id or name, model or self._model
            out.append(StepUpdate(model=new_model, id=new_id))

    def _citations(self, out: list[Event], chunk: Chunk) -> None:
        # Perplexity repeats its lists on every chunk
        for item in chunk.search_results or chunk.citations or ():
            data = as_dict(item) or {"url": item}
            name = compact(data.get("url", data))
            if name not in self._cited:
                self._cited.add(name)
                self._parts.whole(out, "citation", 0, data=data)

    # -- ends

    def _fail(self, out: list[Event], value: Any) -> None:
        self._start_bare(out)
        for choice in self._choices.values():
            choice.release(out)
        self._parts.end_all(out)
        info = error_from_value(value, provider=self._provider, secrets=self._secrets)
        self._end(out, "failed", info)

    def _start_bare(self, out: list[Event]) -> None:
        if not self._started:
            out.append(StepStart(v=VERSION, step=self._step, attempt=self._attempt, provider=self._provider))

    def _finish(self, out: list[Event], *, marker: bool) -> None:
        main = self._main()
        if main and main.finish is None and marker and self._marker_ends:
            main.end(out, None)
        unfinished = [index for index, choice in self._choices.items() if choice.finish is None]
        for choice in self._choices.values():
            choice.flush(out)
        if main is None or main.finish is None:
            self._start_bare(out)
            how = "sent its terminal marker without a finish reason" if marker else "closed the stream early"
            what = "before the answer began" if main is None else "before the answer was complete"
            text = f"{self._provider or 'the provider'} {how}, {what}"
            self._end(out, "truncated", ErrorInfo(type="truncated", message=text, provider=self._provider))
            return
        if unfinished:
            text = f"no finish reason came for the choices {sorted(unfinished)}"
            out.append(StreamWarning("unfinished_choice", text))
        if self._marker and not marker:
            out.append(StreamWarning("no_terminal_marker", "the stream ended without its marker [DONE]"))
        # a filter that spoke after the finish gives no other one
        reason = "filtered" if main.filtered else main.finish.stop_reason
        info = None
        if reason == "failed":
            text = f"{self._provider or 'the provider'} ended the answer with {main.finish.native_stop_reason!r}"
            info = ErrorInfo(type="server", message=text, code=main.finish.native_stop_reason, provider=self._provider)
        self._end(out, reason, info)

    def _main(self) -> ChoiceDecoder | None:
        return self._choices[min(self._choices)] if self._choices else None

    def _end(self, out: list[Event], outcome: Outcome, error: ErrorInfo | None) -> None:
        self.done = True
        out.append(End(outcome=outcome, native_stop_reason=self.native_stop_reason, error=error))


def _is_vllm_error(value: dict[str, Any]) -> bool:
    return value.get("object") == "error"
