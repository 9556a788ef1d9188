"""Events to frames for ``openai-chat``: server-sent events, ``[DONE]`` at the end of a success.

Laws kept here: what a client reads is what the events said, or an error: nothing is taken back in silence, and only an
end that is a success gives ``[DONE]``; an event costs what it brings.

Decoding the frames gives the events again, but for what this wire has no words for:

- Parts of text, thinking and refusal have no borders: what comes after each other of one kind is one part, an empty
  part vanishes, one that came whole has a start, a delta and an end.  A tool call ends with its choice.  The wire's own
  numbers of the parts are counted anew, log probabilities of thinking and of tool calls are left out.
- A tool call without an id gets its part's, as in `headrace.Message.tool_calls`; the id, and the first name, stay.
- Of what parts carry beside their text, the keys that servers of this kind send are written: anything of thinking (as
  ``reasoning_details``, beside the last thinking that was written), ``extra_content`` of text, refusals and calls, that
  of calls only before the finish.  Citations, images and server-side tools are written if they come whole, tool results
  and the like not at all.  From the second on, the entries of a list tell their place as ``index`` if they have none:
  the accumulators of OpenAI's libraries fail without it.
- Steps and attempts are none: the first id stays, the model may change.  A `Reset` or a `PartReplace` after something
  was written, a step after a finish, and a call or audio that goes on after its choice's, become an error.
- Usage is one snapshot at the end, the sum of all attempts; the total is filled in if both its parts are known.
- A finish keeps the provider's word if it is one of OpenAI's own five, since clients may know no others; any other
  becomes the one for ours, and its details are lost.  ``stopped`` becomes ``stop``; ``refused`` and ``paused``, for
  which OpenAI has no word, become ``refusal`` and ``pause_turn``, as its followers write them.  ``cancelled``,
  ``timeout`` and ``truncated`` become an error; errors lose the time to wait.  A `Retract` is written as Azure's late
  filter: the first of a choice counts, its place does not, and the answer then is ``filtered``.
- Warnings are left out, and `Raw` if it is no frame of this wire.

Sources: OpenAI's API reference (chat.completion.chunk, stream_options); what its followers add as `decode` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import ErrorInfo
from headrace.events import (
    ChoiceFinish,
    End,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    UsageUpdate,
)
from headrace.wire.openai_chat.beside import LISTS, extra_content, is_audio, reasoning_detail
from headrace.wire.openai_chat.failure import error_object
from headrace.wire.openai_chat.usage import write_stop_reason, write_usage

if TYPE_CHECKING:
    from headrace.events import Event, PartKind, Usage

DONE = b"data: [DONE]\n\n"

_VOICES: dict[PartKind, str] = {"text": "content", "thinking": "reasoning_content", "refusal": "refusal"}

_encode = msgspec.json.encode


class _Part:
    """What is to be known of a part that has begun."""

    __slots__ = ("audio", "choice", "data", "index", "kind", "named", "over", "said")

    def __init__(self, event: PartStart | PartWhole) -> None:
        self.kind: PartKind = event.kind
        self.choice = event.choice
        self.index = 0  # of a tool call, within its choice
        self.audio = is_audio(event.kind, event.data)
        self.named = bool(event.name)
        self.said = False  # whether text of it was written, or its end
        self.over = False  # whether its choice has finished since it began
        self.data = event.data  # what is still to be written


class OpenAIChatEncoder:
    """Encode a run's events, in an order that `headrace.grammar` allows.

    Args:
        created: seconds since the epoch, for every chunk.
        include_usage: whether to write the chunk with the usage.

    Attributes:
        done: whether the end was written.
    """

    def __init__(self, *, created: int = 0, include_usage: bool = True) -> None:
        self.done = False
        self._created = created
        self._include_usage = include_usage
        self._id = ""
        self._model = ""
        self._head = b""
        self._prefixes: dict[tuple[int, PartKind], bytes] = {}
        self._parts: dict[str, _Part] = {}
        self._calls: dict[int, int] = {}  # how many, by choice
        self._entries: dict[tuple[int, str], int] = {}  # how many, by choice and list
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._spent: Usage | None = None  # by the attempts before
        self._usage: Usage | None = None
        self._name(None, None)

    def feed(self, event: Event) -> bytes:
        """Take an event and give its frames, or nothing; after the end, nothing."""
        if self.done:
            return b""
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStart():
                return self._start(event)
            case PartEnd():
                part = self._parts[event.part]
                part.said = True
                return self._rest(part)
            case PartWhole():
                return self._whole(event)
            case PartUpdate():
                return self._update(event)
            case PartReplace():
                if self._parts[event.part].said:
                    return self._unsayable("retracted", "a part of the answer was replaced after it had been given out")
                return self._delta(PartDelta(event.part, event.text, event.kind, event.choice))
            case UsageUpdate():
                self._usage = self._usage.merged(event.usage) if self._usage else event.usage
            case ChoiceFinish():
                self._finished.add(event.choice)
                for part in self._parts.values():
                    part.over = part.over or part.choice == event.choice
                # "error" is no word of OpenAI's own, but its followers'
                word = write_stop_reason(event.stop_reason, event.native_stop_reason) or "error"
                return self._chunk(event.choice, finish=word)
            case StepStart():
                self._spent, self._usage = self._total(), None
                if self._finished:
                    return self._unsayable("unsupported", "the answer goes on after its finish, in a further step")
                return self._name(event.id, event.model)
            case StepUpdate():
                return self._name(event.id, event.model)
            case Reset() if self._begun:
                return self._unsayable("retracted", "the answer began anew after something had been given out")
            case Retract():
                verdict = {event.reason: {"filtered": True}}
                place = {"start_offset": event.start, "end_offset": event.end}
                return self._chunk(event.choice, content_filter_results=verdict, content_filter_offsets=place)
            case End():
                return self._end(event)
            case Raw(name, {"choices": []}) if event.data.get("object", "") == name:
                return b"data: " + _encode(event.data) + b"\n\n"
            case _:  # warnings, what a reset has nothing to take back from, frames of other wires
                pass
        return b""

    def finish(self) -> bytes:
        """Say that no more events come; without an `End`, that is an error."""
        if self.done:
            return b""
        return self._unsayable("truncated", "the answer broke off before it was complete")

    # -- frames

    def _name(self, name: str | None, model: str | None) -> bytes:
        """Take over what a step says of itself; tell it at once if it is new to the reader."""
        before = self._head
        self._id = self._id or name or ""
        self._model = model or self._model
        fields: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": [],
        }
        self._head = b"data: " + _encode(fields).removesuffix(b"]}")
        self._prefixes.clear()
        return self._chunk(min(self._begun)) if self._begun and self._head != before else b""

    def _chunk(
        self, choice: int, delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any
    ) -> bytes:
        value = {"index": choice, "delta": delta or {}, "logprobs": None, "finish_reason": finish, **more}
        return self._role(choice) + self._head + _encode(value) + b"]}\n\n"

    def _role(self, choice: int) -> bytes:
        if choice in self._begun:
            return b""
        self._begun.add(choice)
        return self._chunk(choice, {"role": "assistant", "content": "", "refusal": None})

    # -- parts

    def _start(self, event: PartStart) -> bytes:
        part = self._parts[event.part] = _Part(event)
        if event.kind == "tool_call":
            return self._call(part, event, "")
        if part.audio:
            part.data = {k: v for k, v in (event.data or {}).items() if k != "type"}
            part.said = True
            return self._rest(part)
        return b""

    def _delta(self, event: PartDelta) -> bytes:
        part, text = self._parts[event.part], event.text
        field = _VOICES.get(part.kind)
        if field is None or not (text or event.logprobs):
            return self._grow(part, text) if text else b""
        part.said = True
        if event.logprobs and field != "reasoning_content":
            delta, part.data = {field: text, **self._beside(part)}, None
            return self._chunk(part.choice, delta, logprobs={"content": None, "refusal": None, field: event.logprobs})
        if part.data:
            delta, part.data = {field: text, **self._beside(part)}, None
            return self._chunk(part.choice, delta)
        key = (part.choice, part.kind)
        prefix = self._prefixes.get(key)
        if prefix is None:
            fields = _encode({"index": part.choice, "delta": {field: ""}})
            role = self._role(part.choice)
            prefix = self._prefixes[key] = self._head + fields.removesuffix(b'""}}')
            return role + prefix + _encode(text) + _SUFFIX
        return prefix + _encode(text) + _SUFFIX

    def _grow(self, part: _Part, text: str) -> bytes:
        """Add text to a part that is no voice."""
        if part.kind == "tool_call":
            part.said = True
            return self._fragment(part, {"function": {"arguments": text}})
        if not part.audio:
            return b""
        return self._late("audio") if part.over else self._chunk(part.choice, {"audio": {"data": text}})

    def _whole(self, event: PartWhole) -> bytes:
        part = self._parts[event.part] = _Part(event)
        if event.kind == "tool_call":
            return self._call(part, event, event.text)
        if event.kind in LISTS:
            entry = event.data and self._entry(event.choice, LISTS[event.kind], event.data)
            return self._chunk(event.choice, entry) if entry else b""
        text = self._delta(PartDelta(event.part, event.text, event.kind, event.choice))
        part.said = True
        return text + self._rest(part)

    def _call(self, part: _Part, event: PartStart | PartWhole, arguments: str) -> bytes:
        part.index = self._calls.get(part.choice, 0)
        self._calls[part.choice] = part.index + 1
        part.said = bool(arguments)
        fragment = {
            "id": event.call_id or event.part,
            "type": "function",
            "function": {"name": event.name or "", "arguments": arguments},
            **self._beside(part),
        }
        return self._fragment(part, fragment)

    def _fragment(self, part: _Part, fields: dict[str, Any]) -> bytes:
        part.data = None
        if part.over:
            return self._late("a tool call")
        return self._chunk(part.choice, {"tool_calls": [{"index": part.index, **fields}]})

    def _update(self, event: PartUpdate) -> bytes:
        part = self._parts[event.part]
        if part.kind == "tool_call":
            part.data = event.data
            fields = {} if part.over else self._beside(part)
            if event.name and not part.named:
                part.named = True
                fields["function"] = {"name": event.name}
            return self._fragment(part, fields) if fields else b""
        part.data = {**(part.data or {}), **(event.data or {})}
        return self._rest(part) if part.said else b""

    def _rest(self, part: _Part) -> bytes:
        """Write what a part carries beside its text, if it was not written with the text."""
        fields, part.data = self._beside(part), None
        return self._chunk(part.choice, fields) if fields else b""

    # -- what parts carry beside their text

    def _beside(self, part: _Part) -> dict[str, Any]:
        """Give the fields that say what a part carries beside its text."""
        if not part.data:
            return {}
        if part.kind == "thinking":
            return self._entry(part.choice, "reasoning_details", reasoning_detail(part.data))
        if part.audio:
            return {} if part.over else {"audio": part.data}
        return extra_content(part.data) if part.kind in _VOICES or part.kind == "tool_call" else {}

    def _entry(self, choice: int, field: str, data: dict[str, Any]) -> dict[str, Any]:
        """Give a list with one more entry, its place told if it is not the first."""
        place = self._entries.get((choice, field), 0)
        self._entries[choice, field] = place + 1
        return {field: [{**data, "index": place} if place and "index" not in data else data]}

    # -- ends

    def _total(self) -> Usage | None:
        return self._spent + self._usage if self._spent and self._usage else self._usage or self._spent

    def _counted(self) -> bytes:
        usage = self._total()
        fields = write_usage(usage) if usage and self._include_usage else None
        return self._head + b'],"usage":' + _encode(fields) + b"}\n\n" if fields else b""

    def _end(self, event: End) -> bytes:
        word = write_stop_reason(event.outcome, event.native_stop_reason)
        if word is None:
            text = "the answer was cancelled" if event.outcome == "cancelled" else "the answer failed"
            return self._fail(event.error or ErrorInfo(type=event.outcome, message=text))
        main = min(self._begun, default=0)
        last = b"" if main in self._finished else self._chunk(main, finish=word)
        self.done = True
        return last + self._counted() + DONE

    def _late(self, what: str) -> bytes:
        return self._unsayable("unsupported", f"{what} goes on after the finish of its choice")

    def _unsayable(self, kind: str, text: str) -> bytes:
        return self._fail(ErrorInfo(type=kind, message=text))

    def _fail(self, info: ErrorInfo) -> bytes:
        self.done = True
        error = error_object(info)
        if info.status is not None:
            error["status_code"] = info.status
        more = {"error": error} if info.request_id is None else {"error": error, "request_id": info.request_id}
        return self._counted() + self._head + b"]," + _encode(more)[1:] + b"\n\n"


_SUFFIX = b'},"logprobs":null,"finish_reason":null}]}\n\n'
