"""Frames to events for ``anthropic``.

Laws kept here: only `WireError` escapes; blocks are known by their index, within their message; the JSON's ``type``
counts, not the ``event:`` line; the last stop reason and the last figure of each usage key count; an answer that is
spliced in after an upstream's retry resets what the first had said.

Sources: Anthropic's API reference ("Streaming Messages"), anthropic-sdk-python's types, and recorded streams.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headrace.errors import ErrorInfo, WireError
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    PartUpdate,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    Usage,
    UsageUpdate,
)
from headrace.wire.anthropic.frame import Body, Delta, parse, read_stop_reason, read_usage
from headrace.wire.failures import error_from_value
from headrace.wire.parts import Parts, as_dict, as_text, compact, loads_leniently, repaired_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Event, Outcome, PartKind
    from headrace.wire.framing import Frame
    from headrace.wire.parts import OpenPart

_GROWING: dict[str, PartKind] = {
    "text": "text",
    "thinking": "thinking",
    "tool_use": "tool_call",
    "server_tool_use": "server_tool_call",
    "mcp_tool_use": "server_tool_call",
    "compaction": "compaction",
}

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
        self._id: str | None = None
        self._model: str | None = None
        self._usage = Usage()
        self._stop: str | None = None
        self._details: dict[str, Any] = {}
        self._said = False

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the answer ended."""
        return self.done or self._stop is not None

    def feed(self, frame: Frame) -> list[Event]:
        """Take a frame in and give its events; after the end, nothing.

        Raises:
            WireError: if the frame's data is not JSON.
        """
        out: list[Event] = []
        if self.done or not frame.data:
            return out
        if frame.data[:1] == b"[" and frame.data.strip() == b"[DONE]":  # not Anthropic's; some proxies add it
            if self._stop is not None:
                self._finish(out)
            return out
        body = parse(frame)
        if not isinstance(body, Body):
            out.append(Raw(frame.event, repaired_deep(body)))
            return out
        kind = body.type or ("error" if body.error else frame.event)
        if kind == "content_block_delta" and body.delta is not None:
            self._begin(out)
            self._delta(out, body.index or 0, body.delta, frame)
        else:
            self._other(out, kind, body, frame)
        return out

    def whole(self, body: bytes) -> list[Event]:
        """Take an answer that came as one JSON document instead of a stream: a message, or an error.

        Raises:
            WireError: if it is neither.
        """
        out: list[Event] = []
        try:
            value = json.loads(body.decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and value.get("error"):
            self._fail(out, value)
        elif isinstance(value, dict) and isinstance(value.get("content"), list):
            self._message(out, repaired_deep(value))
            for index, block in enumerate(value["content"]):
                self._block(out, index, as_dict(repaired_deep(block)) or {"type": "text", "text": as_text(block)})
                self._block_end(out, index)
            self._stop = as_text(value.get("stop_reason")) or None
            self._finish(out)
        else:
            raise WireError("the body is JSON, but neither a message nor an error")
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
                self._fail(out, loads_leniently(frame))
            case _:
                out.append(Raw(kind, repaired_deep(loads_leniently(frame))))

    def _begin(self, out: list[Event], *, name: str | None = None, model: str | None = None) -> None:
        if not self._started:
            self._started = True
            self._id, self._model = name, model
            start = StepStart(
                v=VERSION, step=self._step, attempt=self._attempt, provider=self._provider, model=model, id=name
            )
            out.append(start)

    def _message(self, out: list[Event], message: dict[str, Any]) -> None:
        name, model = as_text(message.get("id")) or None, as_text(message.get("model")) or None
        if self._started and name == self._id:
            out.append(StreamWarning("duplicate_message_start", "the message was started twice; the second is left out"))
            return
        if self._started and self._id is not None:
            # a router retried upstream and spliced the second answer into the first one's stream
            self._close(out)
            out.append(Reset("another message was spliced in"))
            self._started = self._said = False
            self._stop = None
            self._details = {}
            self._attempt += 1
        if self._started:
            self._id, self._model = name, model
            out.append(StepUpdate(model=model, id=name))
        self._begin(out, name=name, model=model)
        self._usage = Usage()
        self._use(out, as_dict(message.get("usage")))

    def _block(self, out: list[Event], index: int, block: dict[str, Any]) -> None:
        word = as_text(block.get("type"))
        if index in self._parts:
            self._block_end(out, index, implicit=True)
        kind = _GROWING.get(word)
        if kind is not None:
            self._grow(out, index, kind, block)
            return
        if word == "redacted_thinking":
            self._parts.whole(out, "thinking", native_index=index, data=block)
        elif word == "fallback":
            self._parts.whole(out, "model_switch", native_index=index, data=block)
            self._model = as_text((as_dict(block.get("to")) or {}).get("model")) or self._model
            out.append(StepUpdate(model=self._model))
        elif word.endswith("_tool_result"):
            call = as_text(block.get("tool_use_id")) or None
            self._parts.whole(out, "tool_result", name=word, call_id=call, native_index=index, data=block)
        else:
            self._parts.whole(out, "raw", name=word or None, native_index=index, data=block)

    def _grow(self, out: list[Event], index: int, kind: PartKind, block: dict[str, Any]) -> None:
        left_out = ("type", "text", "thinking", "name", "id", "input", "citations")
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
        self._grown(out, part, as_text(block.get("text")) or as_text(block.get("thinking")))
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            self._parts.whole(out, "citation", data=as_dict(citation), parent=part.id)
        if block.get("input"):
            self._inputs[index] = compact(block["input"])

    def _delta(self, out: list[Event], index: int, delta: Delta, frame: Frame) -> None:
        word = delta.type or ""
        part = self._parts.get(index)
        if part is None:
            if word not in _BY_DELTA:
                out.append(Raw(word, repaired_deep(loads_leniently(frame))))
                return
            part = self._parts.start(out, index, _GROWING[_BY_DELTA[word]], native_index=index, implicit=True)
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
                out.append(PartUpdate(part.id, data={"signature": delta.signature}))
            case "citations_delta":
                data = as_dict(delta.citation) or {"value": delta.citation}
                self._parts.whole(out, "citation", data=data, parent=part.id)
            case "compaction_delta":
                self._parts.replace(out, part, as_text(delta.content))
                if delta.encrypted_content is not None:
                    out.append(PartUpdate(part.id, data={"encrypted_content": delta.encrypted_content}))
            case _:
                out.append(Raw(word, repaired_deep(loads_leniently(frame))))

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
        delta = body.delta
        if delta is not None:
            self._stop = delta.stop_reason or self._stop
            if delta.stop_sequence:
                self._details["stop_sequence"] = delta.stop_sequence
            if delta.stop_details:
                self._details["stop_details"] = delta.stop_details
        self._use(out, body.usage)

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
