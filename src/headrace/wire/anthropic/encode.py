"""Events to frames for ``anthropic``: server-sent events with names, ``message_stop`` at the end of a success.

Laws kept here: what a client reads is what the events said, or an error: nothing is taken back in silence, and only an
end that is a success gives ``message_stop``; indices are dense, in the order in which blocks start; an event costs what
it brings.

Decoding the frames gives the events again, but for what this wire has no words for:

- It has one answer: choices but the first (0) are left out.  A refusal is text; media, log probabilities and `Raw` that
  is no whole frame of this wire are left out, and so are warnings.
- The message begins with the first thing that is to be written.  Its id and model stay: a further step only adds
  blocks, and a model that changes is told by a part of the kind ``model_switch`` alone.  A `Reset` or a `PartReplace`
  after something was written becomes an error.
- Blocks come one after the other if the parts do; parts that interleave are blocks that are open side by side, which
  clients that go by the index (Anthropic's own do) read well.  A tool call whose end its wire does not mark (it started
  implicitly) stops when another block starts, if its arguments are whole by then.
- A tool call begins with its name, or at its end, and gets its part's id if it has none, as in
  `headrace.Message.tool_calls`; what is told of it later is left out.  A part that came whole has a start, a delta and
  an end, but for those that are a whole block here too: results, redacted thinking, fallbacks and what is not known.
- A signature is written right before its block stops, the text of a compaction in one piece; what comes after the stop
  is left out.  A citation is written if the text that it belongs to is open.
- The finish is written at the end, and the last one counts.  A stop reason of this wire's own passes, any other becomes
  the one for ours: ``stopped`` is ``end_turn``, ``filtered`` is ``refusal``, which takes back all that was said; so a
  `Retract` is ``refusal`` as well, whatever it concerns.  ``cancelled``, ``timeout``, ``truncated`` and ``failed``
  become an error, which has no stop reason, no status and no code but its type.
- Usage stands at the start, as far as it is known, and again at the end, the sum of all attempts.  Figures that nobody
  gave are 0, where clients rely on them.

Sources: Anthropic's API reference ("Streaming Messages"), anthropic-sdk-python's accumulator, and recorded streams.
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
from headrace.wire.anthropic.blocks import CALLS, is_object, start_block, whole_block
from headrace.wire.anthropic.failure import error_body
from headrace.wire.anthropic.frame import write_stop_reason, write_usage

if TYPE_CHECKING:
    from headrace.events import Event, PartKind, Usage

# How the text of a part is written; a compaction's comes in one piece
_VOICES: dict[PartKind, tuple[str, str]] = {
    "text": ("text_delta", "text"),
    "refusal": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_call": ("input_json_delta", "partial_json"),
    "server_tool_call": ("input_json_delta", "partial_json"),
    "compaction": ("", ""),
}

_FRAMES = frozenset(
    (
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "ping",
        "error",
    )
)

_SUFFIX = b"}}\n\n"

_encode = msgspec.json.encode


def _frame(fields: dict[str, Any]) -> bytes:
    word: str = fields["type"]
    return b"event: " + word.encode() + b"\ndata: " + _encode(fields) + b"\n\n"


class _Block:
    """What is to be known of a part whose block has not stopped, or has not even started."""

    __slots__ = ("call_id", "data", "held", "implicit", "index", "kind", "name", "part", "prefix", "said", "stopped")

    def __init__(self, event: PartStart | PartWhole) -> None:
        self.part = event.part
        self.kind: PartKind = event.kind
        self.name = event.name
        self.call_id = event.call_id
        self.data: dict[str, Any] = event.data or {}
        self.implicit = isinstance(event, PartStart) and event.implicit
        self.index: int | None = None  # None: not started
        self.prefix = b""  # of a delta with text
        self.held: list[str] | None = []  # text that waits, or that is to be known as a whole
        self.said = False  # whether text of it was written
        self.stopped = False  # before its part has ended

    @property
    def waits(self) -> bool:
        """Whether its text is held back."""
        return self.index is None or self.kind == "compaction"


class AnthropicEncoder:
    """Encode a run's events, in an order that `headrace.grammar` allows.

    Args:
        pings: whether to write a ``ping`` after the first block's start, as Anthropic does.

    Attributes:
        done: whether the end was written.
    """

    def __init__(self, *, pings: bool = False) -> None:
        self.done = False
        self._pings = pings
        self._id = ""
        self._model = ""
        self._stepped = False
        self._begun = False
        self._count = 0
        self._blocks: dict[str, _Block] = {}
        self._loose: list[_Block] = []  # calls whose end is not marked, until another block starts
        self._finish: ChoiceFinish | None = None
        self._retracted = False
        self._spent: Usage | None = None  # by the attempts before
        self._usage: Usage | None = None
        self._told: dict[str, Any] = {}  # the usage that was written last

    def feed(self, event: Event) -> bytes:
        """Take an event and give its frames, or nothing; after the end, nothing."""
        if self.done:
            return b""
        match event:
            case PartDelta():
                block = self._blocks.get(event.part)
                return self._grow(block, event.text) if block and event.text else b""
            case PartStart(choice=0) if event.kind in _VOICES:
                block = self._blocks[event.part] = _Block(event)
                return b"" if event.kind in CALLS and not event.name else self._start(block)
            case PartEnd():
                block = self._blocks.pop(event.part, None)
                return self._stop(block) if block else b""
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
            case Retract(choice=0):
                self._retracted = True
            case End():
                return self._end(event)
            case Raw(name, {"type": word}) if name == word and name not in _FRAMES and name.isprintable():
                return self._message() + _frame(event.data) if self._stepped else b""
            case _:  # other choices, warnings, frames of other wires
                pass
        return b""

    def finish(self) -> bytes:
        """Say that no more events come; without an `End`, that is an error."""
        if self.done:
            return b""
        return self._unsayable("the answer broke off before it was complete")

    # -- the message

    def _name(self, name: str | None, model: str | None) -> None:
        """Take over what a step says of itself, for the message's start."""
        self._id = self._id or name or ""
        self._model = model or self._model

    def _message(self) -> bytes:
        """Start the message, if that has not been done."""
        if self._begun:
            return b""
        self._begun = True
        self._told = write_usage(self._total())
        message: dict[str, Any] = {
            "model": self._model,
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": self._told,
        }
        return _frame({"type": "message_start", "message": message})

    def _total(self) -> Usage | None:
        return self._spent + self._usage if self._spent and self._usage else self._usage or self._spent

    # -- blocks

    def _next(self, content: dict[str, Any]) -> bytes:
        """Start the next block."""
        before = self._message() + b"".join([self._stop_whole(block) for block in self._loose])
        self._loose.clear()
        fields = {"type": "content_block_start", "index": self._count, "content_block": content}
        ping = _frame({"type": "ping"}) if self._pings and not self._count else b""
        self._count += 1
        return before + _frame(fields) + ping

    def _start(self, block: _Block) -> bytes:
        frames = self._next(start_block(block.kind, block.part, block.name, block.call_id, block.data))
        block.index = self._count - 1
        if block.waits:
            return frames
        word, field = _VOICES[block.kind]
        fields = {"type": "content_block_delta", "index": block.index, "delta": {"type": word, field: ""}}
        block.prefix = _frame(fields).removesuffix(b'""' + _SUFFIX)
        text = "".join(block.held or ())
        if block.kind in CALLS:
            frames += block.prefix + b'""' + _SUFFIX
        if block.kind == "tool_call" and block.implicit:
            self._loose.append(block)
            block.held = []
        else:
            block.held = None
        return frames + self._grow(block, text) if text else frames

    def _grow(self, block: _Block, text: str) -> bytes:
        if block.held is not None:
            block.held.append(text)
        if block.waits:
            return b""
        if block.stopped:
            return b"" if text.isspace() else self._unsayable("a tool call goes on after its arguments were whole")
        block.said = True
        return block.prefix + _encode(text) + _SUFFIX

    def _replace(self, event: PartReplace) -> bytes:
        block = self._blocks.get(event.part)
        if block is None:
            return b""
        if block.said:
            return self._unsayable("a part of the answer was replaced after it had been given out")
        if block.waits:
            block.held = []
        return self._grow(block, event.text)

    def _update(self, event: PartUpdate) -> bytes:
        block = self._blocks.get(event.part)
        if block is None:
            return b""
        block.name = block.name or event.name
        block.call_id = block.call_id or event.call_id
        block.data = {**block.data, **(event.data or {})}
        return self._start(block) if block.index is None and block.name else b""

    def _stop(self, block: _Block) -> bytes:
        start = self._start(block) if block.index is None else b""
        if block in self._loose:
            self._loose.remove(block)
        return b"" if block.stopped else start + self._rest(block) + _stop(block)

    def _stop_whole(self, block: _Block) -> bytes:
        """Stop a call whose end is not marked, if its arguments are whole."""
        text, block.held = "".join(block.held or ()), None
        block.stopped = is_object(text)
        return _stop(block) if block.stopped else b""

    def _rest(self, block: _Block) -> bytes:
        """Write what comes right before a block's stop."""
        if block.kind == "thinking" and block.data.get("signature"):
            return _delta(block, {"type": "signature_delta", "signature": block.data["signature"]})
        hidden = block.data.get("encrypted_content")
        if block.kind == "compaction" and (block.held or hidden):
            text = "".join(block.held or ())
            return _delta(block, {"type": "compaction_delta", "content": text, "encrypted_content": hidden})
        return b""

    def _whole(self, event: PartWhole) -> bytes:
        if event.kind == "citation":
            block = self._blocks.get(event.parent or "")
            if block is None or block.kind != "text" or not event.data:
                return b""
            return _delta(block, {"type": "citations_delta", "citation": event.data})
        content = None if event.text else whole_block(event.kind, event.data)
        if content is not None:
            frames = self._next(content)
            return frames + _frame({"type": "content_block_stop", "index": self._count - 1})
        if event.kind not in _VOICES:
            return b""
        block = _Block(event)
        start = self._start(block)
        return start + (self._grow(block, event.text) if event.text else b"") + self._stop(block)

    # -- ends

    def _end(self, event: End) -> bytes:
        finish = self._finish
        details = (finish and finish.details) or {}
        native = finish.native_stop_reason if finish else event.native_stop_reason
        sequence = details.get("stop_sequence")
        word = write_stop_reason(event.outcome, native, sequence=sequence is not None)
        if word is None:
            text = "the answer was cancelled" if event.outcome == "cancelled" else "the answer failed"
            return self._fail(event.error or ErrorInfo(type=event.outcome, message=text))
        delta = {"stop_reason": "refusal" if self._retracted else word, "stop_sequence": sequence}
        if "stop_details" in details:
            delta["stop_details"] = details["stop_details"]
        self.done = True
        return self._message() + self._counted(delta) + _frame({"type": "message_stop"})

    def _counted(self, delta: dict[str, Any]) -> bytes:
        return _frame({"type": "message_delta", "delta": delta, "usage": write_usage(self._total())})

    def _unsayable(self, text: str) -> bytes:
        return self._fail(ErrorInfo(type="server", message=text))

    def _fail(self, info: ErrorInfo) -> bytes:
        self.done = True
        start = self._message() if self._stepped else b""
        if self._begun and self._told != write_usage(self._total()):
            start += self._counted({"stop_reason": None, "stop_sequence": None})
        return start + _frame(error_body(info))


def _delta(block: _Block, delta: dict[str, Any]) -> bytes:
    return _frame({"type": "content_block_delta", "index": block.index, "delta": delta})


def _stop(block: _Block) -> bytes:
    return _frame({"type": "content_block_stop", "index": block.index})
