"""Events to frames for ``openai-responses``: server-sent events with names, a terminal frame with the whole response.

Laws kept here: what a client reads is what the events said, or a response that has failed: nothing is taken back in
silence, and only an end that is a success gives ``response.completed`` or ``response.incomplete``; frames are
numbered from 0 without a gap; the terminal frame holds every item as it was written; an event costs what it brings.

Decoding the frames gives the events again, but for what this wire has no words for:

- It has one answer: choices but the first (0) are left out.
- The response begins with the first thing that is to be written.  Its id, or none, stays; of a model that changes the
  last is told, in the end.  A further step only adds items.  A `Reset` after something was written becomes a failure.
- Every part is in an item.  Texts and refusals are parts of a message, thinking of a reasoning, in one item as long as
  they carry the same ``id`` in their data; any other part is an item of its own.  Ids of items that nobody gave are
  made of the part's.  A message or a reasoning is written as done when another item begins, or at the end, or with
  what signs it.  What is told of an item later is left out.
- A tool call begins with its name, or at its end, and gets its part's id if it has none, as in
  `headrace.Message.tool_calls`.  A server-side tool of another wire is written as a call over MCP, its result not at
  all.
- A `PartReplace` is told by the ``done`` of its part, which counts; of an image it is a partial image.
- A part that came whole has a start, a delta and an end.  Thinking without a text is written if it is this wire's.
- Media and compactions of other wires, switches of models, warnings, and `Raw` that is no frame of this wire are left
  out; so are citations of no text, or of one whose item is done.  Sound is of no item.
- Reasons: any success but length, filter, refusal and pause is ``completed``; these are ``incomplete``, with OpenAI's
  word for it, or ``refusal`` and ``pause_turn``.  A `Retract` makes the answer filtered, its place is not told.
  ``cancelled``, ``timeout``, ``truncated`` and ``failed`` become ``response.failed``, or before any step ``error``.
- Usage stands in the terminal frame, the sum of all attempts.

Sources: OpenAI's API reference ("Streaming events"), openai-python's accumulator, and recorded streams.
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
from headrace.wire.openai_responses.failure import error_fields
from headrace.wire.openai_responses.frame import write_reason, write_usage
from headrace.wire.openai_responses.items import CALLS, STATUSES, TOLD
from headrace.wire.openai_responses.writing import Item, Part, of_content, of_reasoning, response_object

if TYPE_CHECKING:
    from headrace.events import Event, Usage

_encode = msgspec.json.encode


class OpenAIResponsesEncoder:
    """Encode a run's events, in an order that `headrace.grammar` allows.

    Args:
        created: seconds since the epoch, for the response.

    Attributes:
        done: whether the end was written.
        items: the output items so far, as they stand.
    """

    def __init__(self, *, created: int = 0) -> None:
        self.done = False
        self.items: list[Item] = []
        self._created = created
        self._id = ""
        self._model = ""
        self._stepped = False
        self._begun = False
        self._count = 0  # of frames
        self._parts: dict[str, Part] = {}
        self._ended: dict[str, Part] = {}  # those in a message or a reasoning
        self._holders: dict[tuple[str, str], Item] = {}  # messages and reasonings, by their id
        self._waiting: list[Item] = []  # those whose parts have all ended
        self._finish: ChoiceFinish | None = None
        self._retracted = False
        self._spent: Usage | None = None  # by the attempts before
        self._usage: Usage | None = None

    def feed(self, event: Event) -> bytes:
        """Take an event and give its frames, or nothing; after the end, nothing."""
        if self.done:
            return b""
        match event:
            case PartDelta():
                part = self._parts.get(event.part)
                return self._grow(part, event.text, event.logprobs) if part else b""
            case PartStart(choice=0):
                part = self._parts[event.part] = Part(event)
                return b"" if part.kind == "tool_call" and not part.name else self._open(part)
            case PartEnd():
                part = self._parts.get(event.part)
                return self._close(part) if part else b""
            case PartWhole(choice=0):
                return self._whole(event)
            case PartUpdate():
                return self._update(event)
            case PartReplace():
                return self._replace(event)
            case UsageUpdate():
                self._usage = self._usage.merged(event.usage) if self._usage else event.usage
            case ChoiceFinish(choice=0):
                self._finish = event
            case StepStart():
                self._spent, self._usage = self._total(), None
                self._stepped = True
                self._finish = None
                self._name(event.id, event.model)
            case StepUpdate():
                self._name(event.id, event.model)
            case Reset() if self._begun:
                return self._unsayable("the answer began anew after something had been given out")
            case Reset():
                self._finish, self._retracted = None, False
                self._id = self._model = ""
            case Retract(choice=0):
                self._retracted = True
            case End():
                return self._end(event)
            case Raw(name, {"type": word}) if name == word and name.startswith("response.") and name.isprintable():
                fields = {key: value for key, value in event.data.items() if key not in ("type", "sequence_number")}
                return self._begin() + self._frame(name, fields) if self._stepped else b""
            case _:  # other choices, warnings, frames of other wires
                pass
        return b""

    def finish(self) -> bytes:
        """Say that no more events come; without an `End`, that is an error."""
        if self.done:
            return b""
        return self._unsayable("the answer broke off before it was complete")

    # -- frames

    def _frame(self, word: str, fields: dict[str, Any]) -> bytes:
        self._count += 1
        data = _encode({"type": word, **fields, "sequence_number": self._count - 1})
        return b"event: " + word.encode() + b"\ndata: " + data + b"\n\n"

    def _name(self, name: str | None, model: str | None) -> None:
        """Take over what a step says of itself."""
        if not self._begun:  # afterwards even one that was lacking stays so: clients hold on to it
            self._id = self._id or name or ""
        self._model = model or self._model

    def _begin(self) -> bytes:
        """Start the response, if that has not been done."""
        if self._begun:
            return b""
        self._begun = True
        told = {"response": self._response("in_progress")}
        return self._frame("response.created", told) + self._frame("response.in_progress", told)

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        output = [item.fields for item in self.items] if status != "in_progress" else []
        return response_object(status, output, name=self._id, model=self._model, created=self._created, **more)

    # -- items

    def _add(self, fields: dict[str, Any]) -> tuple[Item, bytes]:
        before = self._begin() + self._flush()
        item = Item(len(self.items), fields)
        self.items.append(item)
        return item, before + self._frame("response.output_item.added", {"output_index": item.index, "item": fields})

    def _flush(self) -> bytes:
        """End the items that may have waited for more."""
        frames = b"".join([self._item_done(item) for item in self._waiting if not (item.open or item.done)])
        self._waiting = [item for item in self._waiting if item.open]
        return frames

    def _item_done(self, item: Item) -> bytes:
        item.done = True
        if item.fields["type"] in ("message", *CALLS):
            item.fields["status"] = "completed"
        return self._frame("response.output_item.done", {"output_index": item.index, "item": item.fields})

    # -- parts

    def _open(self, part: Part) -> bytes:
        """Write the start of a part: of its item, if it begins one, and of its place in it."""
        if part.audio:
            part.base = "response.audio"
            return self._begin() + self._early(part)
        word = part.holder
        if not word:
            fields = part.fields()
            if fields is None:
                return b""
            item, frames = self._add(fields)
            part.become(item)
            return frames + self._early(part)
        key = (word, part.identity(word))
        held = self._holders.get(key)
        frames = b""
        if held is None or held.done:
            held, frames = self._add(part.holding())
            self._holders[key] = held
            self._waiting.append(held)
        elif word == "reasoning":
            held.fields.update(of_reasoning(part.data))
        fields = part.enter(held)
        return frames + self._frame(part.bracket + ".added", fields) + self._early(part)

    def _early(self, part: Part) -> bytes:
        """Write the text that had come before the start could be written."""
        text, part.pieces = "".join(part.pieces), []
        return self._grow(part, text, None) if text else b""

    def _grow(self, part: Part, text: str, logprobs: list[Any] | None) -> bytes:
        if not (text or logprobs):
            return b""
        part.pieces.append(text)
        if not part.base:  # not begun, nothing that is told before its end, or not at all
            return b""
        if part.base == "response.shell_call_output_content":
            return self._frame(part.base + ".delta", {**part.place, "delta": {"stdout": text}})
        if logprobs and part.kind == "text" and part.entry is not None:
            part.entry["logprobs"] += logprobs
            return self._frame(part.base + ".delta", {**part.place, "delta": text, "logprobs": logprobs})
        if not part.prefix:
            word = part.base + ".delta"
            fields = _encode({"type": word, **part.place, "delta": ""})
            part.prefix = b"event: " + word.encode() + b"\ndata: " + fields.removesuffix(b'""}')
        self._count += 1
        middle = b',"logprobs":[],"sequence_number":' if part.kind == "text" else b',"sequence_number":'
        return b"%b%b%b%d}\n\n" % (part.prefix, _encode(text), middle, self._count - 1)

    def _close(self, part: Part) -> bytes:
        """Write the end of a part, and of its item if it is one."""
        frames = self._open(part) if part.item is None and not part.base and part.kind == "tool_call" else b""
        del self._parts[part.part]
        text = part.settle()
        item = part.item
        if item is None:
            return frames + (self._frame(part.base + ".done", {}) if part.audio else b"")
        item.open -= 1
        if part.entry is not None:
            self._ended[part.part] = part
            told = {**part.place, part.field: text}
            if part.kind == "text":
                told["logprobs"] = part.entry["logprobs"]
            frames += self._frame(part.base + ".done", told)
            return frames + self._frame(part.bracket + ".done", {**part.place, "part": part.entry})
        if part.base and part.base != "response.shell_call_output_content":
            more = {"name": item.fields["name"]} if item.fields["type"] == "function_call" else {}
            frames += self._frame(part.base + ".done", {**part.place, **more, part.field: text})
        return frames + self._item_done(item)

    def _whole(self, event: PartWhole) -> bytes:
        if event.kind == "citation":
            return self._cite(event)
        part = Part(event)
        if part.kind == "thinking" and not event.text and part.word not in ("summary_text", "reasoning_text"):
            return self._signed(part)
        self._parts[event.part] = part
        frames = self._open(part)
        return frames + self._grow(part, event.text, None) + self._close(part)

    def _signed(self, part: Part) -> bytes:
        """Write thinking that nobody may read."""
        if part.word != "reasoning":
            return b""
        item, frames = self._add(part.holding())
        return frames + self._item_done(item)

    def _cite(self, event: PartWhole) -> bytes:
        part = self._parts.get(event.parent or "") or self._ended.get(event.parent or "")
        if part is None or part.kind != "text" or part.entry is None or part.item is None or not event.data:
            return b""
        annotations: list[Any] = part.entry["annotations"]
        annotations.append(event.data)
        if part.item.done:
            return b""
        told = {**part.place, "annotation_index": len(annotations) - 1, "annotation": event.data}
        return self._frame("response.output_text.annotation.added", told)

    def _replace(self, event: PartReplace) -> bytes:
        part = self._parts.get(event.part)
        if part is None:
            return b""
        if not part.pieces and not (part.kind == "media" and not part.audio):
            return self._grow(part, event.text, None)
        part.pieces = [event.text]
        if part.audio:
            return self._unsayable("sound was replaced after it had been given out")
        if part.kind == "media" and part.item is not None:
            told = {**part.place, "partial_image_index": part.drawn, "partial_image_b64": event.text}
            part.drawn += 1
            return self._frame("response.image_generation_call.partial_image", told)
        return b""

    def _update(self, event: PartUpdate) -> bytes:
        part = self._parts.get(event.part) or self._ended.get(event.part)
        if part is None:
            return b""
        data = event.data or {}
        item = part.item
        if item is None:
            part.name = part.name or event.name
            part.call_id = part.call_id or event.call_id
            part.data = {**part.data, **data}
            return self._open(part) if part.kind == "tool_call" and part.name else b""
        if item.done:
            return b""
        if part.holder == "reasoning":
            item.fields.update(of_reasoning(data))
            if not item.open:  # what signs it comes last
                return self._item_done(item)
        elif part.entry is not None:
            part.entry.update(of_content(data))
        else:
            return self._tell(item, data)
        return b""

    def _tell(self, item: Item, data: dict[str, Any]) -> bytes:
        """Take over what is told of an item, and tell what it is at."""
        word = item.fields["type"]
        left_out = ("id", "type", "name", "call_id", *(("status",) if word in CALLS else ()))
        item.fields.update({key: value for key, value in data.items() if key not in left_out})
        status = data.get("status")
        if word not in TOLD or status not in STATUSES or len(data) > 1:  # else its end tells it
            return b""
        return self._frame(f"response.{word}.{status}", {"item_id": item.fields["id"], "output_index": item.index})

    # -- ends

    def _total(self) -> Usage | None:
        return self._spent + self._usage if self._spent and self._usage else self._usage or self._spent

    def _end(self, event: End) -> bytes:
        finish = self._finish
        outcome = "filtered" if self._retracted and event.outcome != "refused" else event.outcome
        native = finish.native_stop_reason if finish else event.native_stop_reason
        word = write_reason(event.outcome, native)
        if word is None:
            text = "the answer was cancelled" if event.outcome == "cancelled" else "the answer failed"
            return self._fail(event.error or ErrorInfo(type=event.outcome, message=text))
        if outcome != event.outcome:
            word = write_reason(outcome)
        self.done = True
        frames = self._begin() + self._flush()
        status = "incomplete" if word else "completed"
        told = self._response(status, reason=word, usage=write_usage(self._total()))
        return frames + self._frame("response." + status, {"response": told})

    def _unsayable(self, text: str) -> bytes:
        return self._fail(ErrorInfo(type="server", message=text))

    def _fail(self, info: ErrorInfo) -> bytes:
        self.done = True
        error = error_fields(info)
        if not self._stepped:
            del error["type"]  # the frame's own
            return self._frame("error", error if info.request_id is None else {**error, "request_id": info.request_id})
        for part in self._parts.values():
            part.settle()
        for item in self.items:
            if item.fields.get("status") == "in_progress":
                item.fields["status"] = "incomplete"
        told = self._response("failed", error=error, usage=write_usage(self._total()))
        if info.request_id is not None:
            told["request_id"] = info.request_id
        return self._begin() + self._frame("response.failed", {"response": told})
