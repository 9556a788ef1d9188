"""One choice's share of the chunks, to events: text, thinking, refusal, tool calls and the rarer parts.

Laws kept here: text, thinking and refusal are said one at a time, in the order of their coming, each run of them a part
of its own; tool calls stay open until the choice finishes, since their fragments may interleave; thinking that a server
gives under two names is counted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.events import ChoiceFinish, Retract, StreamWarning
from headrace.wire.lenient_json import as_dict, as_list, as_text, compact, repaired
from headrace.wire.openai_chat.tool_calls import Call, Calls
from headrace.wire.openai_chat.usage import read_stop_reason
from headrace.wire.think_tags import ThinkTags

if TYPE_CHECKING:
    from headrace.events import Event, PartKind, StopReason
    from headrace.wire.openai_chat.chunk import ChunkChoice, Delta
    from headrace.wire.parts import OpenPart, Parts


class ChoiceDecoder:
    """Decode what the chunks say of one choice.

    Attributes:
        finish: the finish that was given, or None.
        filtered: whether a filter spoke against text that was given out already.
    """

    def __init__(self, parts: Parts, index: int, *, think_tags: bool) -> None:
        self.finish: ChoiceFinish | None = None
        self.filtered = False
        self._parts = parts
        self._index = index
        self._voice: OpenPart | None = None  # the text, thinking or refusal that is being said
        self._thinking: str | None = None  # the last part of thinking: its signature may come late
        self._calls = Calls()
        self._tags = ThinkTags() if think_tags else None

    def feed(self, out: list[Event], given: ChunkChoice) -> None:
        """Take this choice's share of a chunk."""
        delta = given.delta
        if delta is not None:
            content = delta.content
            if (
                type(content) is str
                and content
                and self._tags is None
                and not (delta.tool_calls or delta.reasoning_content or delta.reasoning or delta.reasoning_details)
                and not (delta.refusal or delta.function_call or delta.annotations or delta.audio or delta.images)
                and not (delta.executed_tools or delta.extra_content)
            ):
                voice = self._voice
                if voice is not None and voice.kind == "text" and not given.logprobs:
                    self._parts.delta(out, voice, content)
                else:
                    self._say(out, "text", content, as_list((given.logprobs or {}).get("content")))
            else:
                self._delta(out, delta, given.logprobs or {})
        elif given.text:  # the legacy completions; beside a delta it only repeats it
            self._say(out, "text", given.text)
        if given.content_filter_offsets and not self.filtered:
            self._late_filter(out, given.content_filter_results or {})
        if given.finish_reason and self.finish is None:
            self.end(out, given.finish_reason)

    def release(self, out: list[Event]) -> None:
        """Say what was held back."""
        if self._tags is not None:
            for kind, text in self._tags.finish():
                self._say(out, kind, text)

    def flush(self, out: list[Event]) -> None:
        """Say what was held back, and close what is open."""
        self.release(out)
        self._parts.end_all(out, self._index)
        self._voice = None

    def end(self, out: list[Event], native: str | None) -> None:
        """Finish the choice with the provider's word, or with None where its marker alone ends well."""
        self.flush(out)
        reason: StopReason | None = "complete" if native is None else read_stop_reason(native)
        if reason is None:
            out.append(StreamWarning("unknown_stop_reason", f"the finish reason {native!r} is not known"))
            reason = "complete"
        if reason == "complete" and self._calls.all:
            reason = "tool_calls"
        elif reason == "tool_calls" and not self._calls.all:
            out.append(StreamWarning("no_tool_calls", f"the finish reason is {native!r}, but no call came"))
            reason = "complete"
        self.finish = ChoiceFinish(self._index, reason, native)
        out.append(self.finish)

    def _say(self, out: list[Event], kind: PartKind, text: str, logprobs: list[Any] | None = None) -> OpenPart:
        voice = self._voice
        if voice is None or voice.kind != kind:
            self._silence(out)
            voice = self._parts.start(out, ("voice", self._index), kind, self._index, implicit=True)
            self._voice = voice
            if kind == "thinking":
                self._thinking = voice.id
        self._parts.delta(out, voice, text, logprobs)
        return voice

    def _silence(self, out: list[Event]) -> None:
        if self._voice is not None:
            self._parts.end(out, ("voice", self._index), implicit=True)
            self._voice = None

    def _delta(self, out: list[Event], delta: Delta, logprobs: dict[str, Any]) -> None:
        # several servers give the same thinking under two names at once: count it once
        thinking = delta.reasoning_content or delta.reasoning or _details_text(delta.reasoning_details)
        if thinking:
            self._say(out, "thinking", thinking)
        if delta.reasoning_details:
            self._details(out, delta.reasoning_details)
        if isinstance(delta.content, list):
            self._typed_content(out, delta.content)
        elif delta.content and self._tags is not None:
            probs = as_list(logprobs.get("content"))
            for kind, text in self._tags.feed(delta.content):
                self._say(out, kind, text, probs)
                probs = None
        else:
            self._say_if(out, "text", delta.content or "", as_list(logprobs.get("content")))
        self._say_if(out, "refusal", delta.refusal or "", as_list(logprobs.get("refusal")))
        if delta.audio:
            self._audio(out, delta.audio)
        for item in delta.images or ():
            self._whole(out, "media", as_dict(item) or {"value": item})
        for item in delta.executed_tools or ():  # Groq
            data = as_dict(item) or {"value": item}
            self._whole(out, "server_tool_call", data, as_text(data.get("arguments")), as_text(data.get("type")))
        for item in delta.annotations or ():
            self._whole(out, "citation", as_dict(item) or {"value": item})
        for fragment in delta.tool_calls or ():
            function, custom = fragment.function, fragment.custom or {}
            name = (function.name if function else as_text(custom.get("name"))) or ""
            arguments = function.arguments if function else custom.get("input")
            call = self._calls.find(fragment.index, fragment.id or "", name)
            extra = fragment.extra_content and {"extra_content": fragment.extra_content}
            self._call(out, call, fragment.index, fragment.id or "", name, arguments, extra)
        if delta.function_call is not None:  # the legacy form: one call, no id
            known = self._calls.all[-1] if self._calls.all else None
            called = delta.function_call
            self._call(out, known, None, "", called.name or "", called.arguments)
        if delta.extra_content:  # Gemini's signatures, which want to be sent back
            self._extra(out, {"extra_content": delta.extra_content})

    def _call(
        self,
        out: list[Event],
        call: Call | None,
        index: int | None,
        call_id: str,
        name: str,
        arguments: Any,
        data: dict[str, Any] | None = None,
    ) -> None:
        if call is None or call.key not in self._parts:
            self._silence(out)
            key = ("call", self._index, len(self._calls.all))
            part = self._parts.start(
                out,
                key,
                "tool_call",
                self._index,
                name=name or None,
                call_id=call_id or None,
                native_index=index,
                data=data,
                implicit=True,
            )
            call = Call(key, part, call_id, name)
            self._calls.all.append(call)
        elif data or (name and not call.name) or (call_id and not call.id):
            call.name, call.id = call.name or name, call.id or call_id
            self._parts.update(out, call.part.id, name=call.name or None, call_id=call.id or None, data=data)
        self._calls.went_on(index, call)
        if arguments:
            self._parts.delta(out, call.part, arguments if isinstance(arguments, str) else compact(arguments))

    def _extra(self, out: list[Event], data: dict[str, Any]) -> None:
        last = self._voice or (self._calls.all[-1].part if self._calls.all else self._say(out, "text", ""))
        self._parts.update(out, last.id, data=data)

    def _details(self, out: list[Event], details: list[Any]) -> None:
        for item in details:
            data = as_dict(item)
            if data is None:
                continue
            kept = {k: v for k, v in data.items() if k not in ("text", "summary") and v is not None}
            if data.get("type") == "reasoning.encrypted":
                self._whole(out, "thinking", kept)
            elif kept.keys() - {"type", "format", "index"}:
                self._sign(out, kept)

    def _typed_content(self, out: list[Event], items: list[Any]) -> None:
        for item in items:  # Mistral
            data = as_dict(item) or {"type": "text", "text": as_text(item)}
            kind = data.get("type")
            if kind == "text":
                self._say_if(out, "text", as_text(data.get("text")))
            elif kind == "thinking":
                inner = data.get("thinking")
                self._say_if(out, "thinking", as_text(inner) or _details_text(as_list(inner)))
                if data.get("signature"):
                    self._sign(out, {"signature": data["signature"]})
            else:
                self._whole(out, "citation" if kind == "reference" else "media", data)

    def _say_if(self, out: list[Event], kind: PartKind, text: str, logprobs: list[Any] | None = None) -> None:
        if text or logprobs:
            self._say(out, kind, text, logprobs)

    def _sign(self, out: list[Event], data: dict[str, Any]) -> None:
        if self._thinking is None:
            self._whole(out, "thinking", data)
        else:
            self._parts.update(out, self._thinking, data=data)

    def _audio(self, out: list[Event], audio: dict[str, Any]) -> None:
        self._say_if(out, "text", as_text(audio.get("transcript")))
        key = ("audio", self._index)
        part = self._parts.get(key)
        data = {k: v for k, v in audio.items() if k not in ("transcript", "data")}
        if part is None:
            part = self._parts.start(out, key, "media", self._index, data={"type": "audio", **data}, implicit=True)
        elif data:
            self._parts.update(out, part.id, data=data)
        self._parts.delta(out, part, as_text(audio.get("data")))

    def _whole(self, out: list[Event], kind: PartKind, data: dict[str, Any], text: str = "", name: str = "") -> None:
        self._parts.whole(out, kind, self._index, text, name=name or None, data=data)

    def _late_filter(self, out: list[Event], verdicts: dict[str, Any]) -> None:
        # Azure's asynchronous filter speaks after the text was given out. Its offsets count from the beginning of
        # the prompt, in characters of its own: they say that something is to be taken back, not what.
        for name, verdict in verdicts.items():
            if any((as_dict(v) or {}).get("filtered") is True for v in as_list(verdict) or [verdict]):
                self.filtered = True
                out.append(Retract(self._index, reason=repaired(name)))
                return


def _details_text(details: list[Any] | None) -> str:
    items = [as_dict(item) or {} for item in details or ()]
    return "".join([as_text(d.get("text")) or as_text(d.get("summary")) for d in items])
