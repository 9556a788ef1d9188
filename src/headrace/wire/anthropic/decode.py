"""Frames to events for ``anthropic``.

Laws kept here: only `WireError` escapes; blocks are known by their index, within their message; the JSON's ``type``
counts, not the ``event:`` line; the last stop reason and the last figure of each usage key count; an answer that is
spliced in after an upstream's retry resets what the first had said.

Sources: Anthropic's API reference ("Streaming Messages"), anthropic-sdk-python's types, and recorded streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, WireError
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.wire.anthropic.blocks import GROWING
from headrace.wire.anthropic.frame import (
    MISFITS,
    Body,
    Delta,
    decode,
    decode_patiently,
    delta_from_value,
    read_stop_reason,
    read_usage,
)
from headrace.wire.failures import error_from_value
from headrace.wire.lenient_json import (
    as_dict,
    as_list,
    as_text,
    compact,
    loads_frame,
    loads_leniently,
    repaired,
    repaired_deep,
)
from headrace.wire.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Event, Outcome, PartKind
    from headrace.wire.framing import Frame
    from headrace.wire.parts import OpenPart

_BY_DELTA: dict[str, str] = {
    "text_delta": "text",
    "citations_delta": "text",
    "input_json_delta": "tool_use",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "compaction_delta": "compaction",
}


class AnthropicDecoder:
    """Decode one attempt's frames.

    Args:
        provider: whose stream it is, for `StepStart` and errors.
        step: number of the request within the run.
        attempt: number of the try within the step.
        secrets: what must not get into errors.
    """

    def __init__(
        self, *, provider: str | None = None, step: int = 0, attempt: int = 0, secrets: Iterable[str] = ()
    ) -> None:
        self.done = False
        self._provider = provider
        self._step = step
        self._attempt = attempt
        self._secrets = tuple(secrets)
        self._parts = Parts(step, attempt)
        self._inputs: dict[int, str] = {}  # a tool's input that stood in the block's start, until a delta comes
        self._started = False
        self._named = False  # whether a message_start came
        self._id: str | None = None
        self._usage = Usage()
        self._stop: str | None = None
        self._details: dict[str, Any] = {}
        self._said = False

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self.done or self._stop is not None

    @property
    def native_stop_reason(self) -> str | None:
        """The provider's word for why the answer (its first choice) ended; None: it has not said one."""
        return self._stop

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in and give its events; after the end, nothing.

        Raises:
            WireError: if the frame's data is not JSON.
        """
        out: list[Event] = []
        if self.done:
            return out
        try:
            body = decode(frame.data)
        except MISFITS:
            word = frame.data.strip()
            if word == b"[DONE]" and self._stop is not None:  # not Anthropic's; some proxies add it
                self._finish(out)
            if word in (b"[DONE]", b""):
                return out
            body = decode_patiently(frame, self._secrets)
        if type(body) is Body:
            kind = body.type or ("error" if body.error else frame.event)
            delta = body.delta
            if kind == "content_block_delta" and delta is not None:
                if not self._started:
                    self._begin(out)
                part = self._parts.get(body.index or 0)
                if delta.type == "text_delta" and delta.text and part is not None:
                    self._said = True
                    self._parts.delta(out, part, delta.text)
                else:
                    self._delta(out, part, body.index or 0, delta, frame)
            else:
                self._other(out, kind, body, frame)
        elif frame.event == "error":
            self._fail(out, body)
        else:
            out.append(Raw(frame.event, repaired_deep(body)))
        return out

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document instead of a stream: a message, or an error.

        Raises:
            WireError: if it is neither.
        """
        out: list[Event] = []
        try:
            value = as_dict(loads_leniently(body)) or {}
        except ValueError:
            value = {}
        blocks = as_list(value.get("content"))
        if value.get("error"):
            self._fail(out, value)
        elif blocks is not None:
            self._message(out, value)
            for index, block in enumerate(blocks):
                self._block(out, index, as_dict(block) or {"type": "text", "text": as_text(block)})
                self._block_end(out, index)
            self._stopped(delta_from_value(value))
            self._finish(out)
        else:
            raise WireError("the body is neither a message nor an error")
        return out

    def finish(self) -> list[Event]:
        """Say that no more frames come: the end, if none was given yet."""
        out: list[Event] = []
        if not self.done:
            if self._stop is not None:
                out.append(StreamWarning("no_terminal_marker", "the stream ended without its message_stop"))
            self._finish(out)
        return out

    # -- frames

    def _other(self, out: list[Event], kind: str, body: Body, frame: Frame) -> None:
        match kind:
            case "content_block_start" if body.content_block is not None:
                self._begin(out)
                self._block(out, body.index or 0, body.content_block)
            case "content_block_stop":
                self._block_end(out, body.index or 0)
            case "message_start" if body.message is not None:
                self._message(out, body.message)
            case "message_delta":
                self._begin(out)
                self._message_delta(out, body)
            case "message_stop":
                self._finish(out)
            case "ping":
                pass
            case "error":
                self._fail(out, loads_frame(frame.data, self._secrets))
            case _:
                self._raw(out, kind, frame)

    def _raw(self, out: list[Event], name: str, frame: Frame) -> None:
        out.append(Raw(name, repaired_deep(loads_frame(frame.data, self._secrets))))

    def _begin(self, out: list[Event], *, name: str | None = None, model: str | None = None) -> None:
        if not self._started:
            self._started = True
            out.append(
                StepStart(
                    v=VERSION,
                    step=self._step,
                    attempt=self._attempt,
                    provider=self._provider,
                    model=model,
                    id=name,
                )
            )

    def _message(self, out: list[Event], message: dict[str, Any]) -> None:
        name = repaired(as_text(message.get("id"))) or None
        model = repaired(as_text(message.get("model"))) or None
        if self._named and name == self._id:
            text = "the message was started twice; the second is left out"
            out.append(StreamWarning("duplicate_message_start", text))
            return
        if self._named:
            # a router retried upstream and spliced the second answer into the first one's stream
            self._close(out)
            out.append(Reset("another message was spliced in"))
            self._started = self._said = False
            self._stop = None
            self._details = {}
            self._attempt += 1
        elif self._started:  # blocks came before it
            out.append(StepUpdate(model=model, id=name))
        self._begin(out, name=name, model=model)
        self._id, self._named = name, True
        self._usage = Usage()
        self._use(out, as_dict(message.get("usage")))

    def _block(self, out: list[Event], index: int, block: dict[str, Any]) -> None:
        word = as_text(block.get("type"))
        if index in self._parts:
            self._block_end(out, index, implicit=True)
        kind = GROWING.get(word)
        if kind is not None:
            self._grow(out, index, kind, block)
            return
        if word == "redacted_thinking":
            self._parts.whole(out, "thinking", native_index=index, data=block)
        elif word == "fallback":
            self._parts.whole(out, "model_switch", native_index=index, data=block)
            model = repaired(as_text((as_dict(block.get("to")) or {}).get("model")))
            if model:
                out.append(StepUpdate(model=model))
        elif word.endswith("_tool_result"):
            call = as_text(block.get("tool_use_id")) or None
            self._parts.whole(out, "tool_result", name=word, call_id=call, native_index=index, data=block)
        else:
            self._parts.whole(out, "raw", name=word or None, native_index=index, data=block)

    def _grow(self, out: list[Event], index: int, kind: PartKind, block: dict[str, Any]) -> None:
        left_out = ("type", "text", "thinking", "content", "name", "id", "input", "citations")
        data = {k: v for k, v in block.items() if k not in left_out and v not in (None, "")}
        if kind == "server_tool_call":
            data["type"] = block["type"]
        part = self._parts.start(
            out,
            index,
            kind,
            name=as_text(block.get("name")) or None,
            call_id=as_text(block.get("id")) or None,
            native_index=index,
            data=data or None,
        )
        said = (as_text(block.get(name)) for name in ("text", "thinking", "content"))
        self._grown(out, part, next(filter(None, said), ""))
        for citation in as_list(block.get("citations")) or ():
            self._cite(out, part, citation)
        if block.get("input"):
            self._inputs[index] = compact(block["input"])

    def _delta(self, out: list[Event], part: OpenPart | None, index: int, delta: Delta, frame: Frame) -> None:
        word = delta.type or ""
        if part is None:
            if word not in _BY_DELTA:
                self._raw(out, word, frame)
                return
            part = self._parts.start(out, index, GROWING[_BY_DELTA[word]], native_index=index, implicit=True)
        match word:
            case "text_delta":
                self._grown(out, part, delta.text)
            case "input_json_delta":
                if delta.partial_json:
                    self._inputs.pop(index, None)
                    self._grown(out, part, delta.partial_json)
            case "thinking_delta":
                self._grown(out, part, delta.thinking)
            case "signature_delta":
                self._parts.update(out, part.id, data={"signature": delta.signature})
            case "citations_delta":
                self._cite(out, part, delta.citation)
            case "compaction_delta":
                self._parts.replace(out, part, as_text(delta.content))
                if delta.encrypted_content is not None:
                    self._parts.update(out, part.id, data={"encrypted_content": delta.encrypted_content})
            case _:
                self._raw(out, word, frame)

    def _cite(self, out: list[Event], part: OpenPart, citation: Any) -> None:
        self._parts.whole(out, "citation", data=as_dict(citation) or {"value": citation}, parent=part.id)

    def _grown(self, out: list[Event], part: OpenPart, text: str | None) -> None:
        if text:
            self._said = True
            self._parts.delta(out, part, text)

    def _block_end(self, out: list[Event], index: int, *, implicit: bool = False) -> None:
        held = self._inputs.pop(index, None)
        part = self._parts.get(index)
        if part is not None and held:
            self._grown(out, part, held)
        self._parts.end(out, index, implicit=implicit)

    def _message_delta(self, out: list[Event], body: Body) -> None:
        if body.delta is not None:
            self._stopped(body.delta)
        self._use(out, body.usage)

    def _stopped(self, delta: Delta) -> None:
        self._stop = delta.stop_reason or self._stop
        for name, value in (("stop_sequence", delta.stop_sequence), ("stop_details", delta.stop_details)):
            if value:
                self._details[name] = repaired_deep(value)

    def _use(self, out: list[Event], raw: dict[str, Any] | None) -> None:
        if raw:
            usage = self._usage.merged(read_usage(raw))
            if usage != self._usage:
                self._usage = usage
                out.append(UsageUpdate(usage))

    # -- ends

    def _close(self, out: list[Event]) -> None:
        for index in sorted(self._inputs):
            self._block_end(out, index, implicit=True)
        self._parts.end_all(out)

    def _fail(self, out: list[Event], value: Any) -> None:
        self._begin(out)
        self._close(out)
        self._end(out, "failed", error_from_value(value, provider=self._provider, secrets=self._secrets))

    def _finish(self, out: list[Event]) -> None:
        began = self._started
        self._begin(out)
        self._close(out)
        native, who = self._stop, self._provider or "the provider"
        if native is None:
            what = "before the answer was complete" if began else "before the answer began"
            text = f"{who} closed the stream early, {what}"
            self._end(out, "truncated", ErrorInfo(type="truncated", message=text, provider=self._provider))
            return
        reason = read_stop_reason(native)
        if reason is None:
            out.append(StreamWarning("unknown_stop_reason", f"the stop reason {native!r} is not known"))
            reason = "complete"
        if reason == "refused" and self._said:
            out.append(Retract(reason="refusal"))  # Anthropic: what was streamed before a refusal is to be discarded
        out.append(ChoiceFinish(0, reason, native, self._details or None))
        self._end(out, reason, None)

    def _end(self, out: list[Event], outcome: Outcome, error: ErrorInfo | None) -> None:
        self.done = True
        out.append(End(outcome=outcome, native_stop_reason=self._stop, error=error))
