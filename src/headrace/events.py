"""The closed union of events: what every provider's stream is turned into.

Laws kept here: events are small frozen structs; exactly one `End` closes a run; a part's id never changes and is never
used twice; what is not known is carried as `Raw` and is never fatal, also when a newer version of ours wrote it.

An answer is a run of one or more *steps* (requests to a model), each with one or more *attempts*; it is made of *parts*
(a piece of text, of thinking, a tool call, …) that start, grow by deltas and end, or come whole.  Interleaved choices
(``n > 1``) carry their index.  `headrace.message.Fold` turns events into a message; `headrace.grammar` says which event
may follow which.

JSON form: one object an event, ``{"type": "part_delta", "part": "0.0.1", "text": "Hel"}``; fields at their default are
left out; `StepStart` carries the version ``v``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from headrace.errors import ErrorInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
"""Version of the JSON form. A reader takes any version: unknown tags become `Raw`, unknown fields are left aside."""

PartKind = Literal[
    "text",
    "thinking",
    "refusal",
    "tool_call",  # the client's own tools
    "server_tool_call",  # tools that the provider runs
    "tool_result",  # what such a tool gave
    "citation",
    "media",
    "compaction",
    "model_switch",
    "raw",
]

Outcome = Literal[
    "complete",
    "length",
    "tool_calls",
    "filtered",
    "refused",
    "paused",
    "stopped",  # a condition or limit of the caller's
    "cancelled",
    "timeout",
    "truncated",  # the upstream vanished
    "failed",
]

StopReason = Literal["complete", "length", "tool_calls", "filtered", "refused", "paused", "failed"]
"""The outcomes that a provider's own stop reason can stand for."""


class Usage(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Count tokens, as the provider gives them. None: it has not said.

    Attributes:
        input_tokens: tokens read. See `input_includes_cached`.
        output_tokens: tokens written. See `output_includes_reasoning`.
        cached_input_tokens: tokens read from the provider's cache.
        cache_write_tokens: tokens written to it.
        reasoning_tokens: tokens of thinking.
        total_tokens: the provider's own sum.
        input_includes_cached: OpenAI and Gemini count cached tokens into the input, Anthropic and Bedrock do not.
        output_includes_reasoning: OpenAI and Anthropic count thinking into the output, Gemini and xAI do not.
        estimated: the figures are ours, not the provider's.
        raw: the provider's own object, unchanged.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    input_includes_cached: bool = True
    output_includes_reasoning: bool = True
    estimated: bool = False
    raw: dict[str, Any] | None = None

    def merged(self, later: Usage) -> Usage:
        """Give this snapshot overlaid with a later one of the same attempt: the last figure given wins, a key each."""
        counts: dict[str, Any] = {n: _last(getattr(self, n), getattr(later, n)) for n in _COUNTS}
        return Usage(
            **counts,
            input_includes_cached=later.input_includes_cached,
            output_includes_reasoning=later.output_includes_reasoning,
            estimated=later.estimated,
            raw={**self.raw, **later.raw} if self.raw and later.raw else later.raw or self.raw,
        )

    def __add__(self, other: Usage) -> Usage:
        """Sum two attempts' or steps' usage; what neither has said stays None."""
        counts: dict[str, Any] = {n: _sum(getattr(self, n), getattr(other, n)) for n in _COUNTS}
        return Usage(
            **counts,
            input_includes_cached=self.input_includes_cached and other.input_includes_cached,
            output_includes_reasoning=self.output_includes_reasoning and other.output_includes_reasoning,
            estimated=self.estimated or other.estimated,
        )


_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def _last(old: Any, new: Any) -> Any:
    return old if new is None else new


def _sum(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else a + b


class _Event(Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """Base of the events."""


class StepStart(_Event, frozen=True, tag="step_start", kw_only=True):
    """Begin an attempt at a step.

    Attributes:
        v: version of the events' JSON form.
        step: number of the request within the run, from 0.
        attempt: number of the try within the step, from 0.
        provider: whose wire it is, where known.
        model: the model, as the provider names it.
        id: the provider's id of the message.
    """

    v: int
    step: int = 0
    attempt: int = 0
    provider: str | None = None
    model: str | None = None
    id: str | None = None


class StepUpdate(_Event, frozen=True, tag="step_update", kw_only=True):
    """Say that the message's identity changed on the way, as when a router or a fallback picks another model."""

    model: str | None = None
    id: str | None = None


class PartStart(_Event, frozen=True, tag="part_start"):
    """Open a part.

    Attributes:
        part: our stable id, unique within the run.
        kind: what it is a part of.
        choice: index of the alternative answer it belongs to.
        name: of the tool, for tool calls.
        call_id: the provider's id of the tool call.
        native_index: the provider's index of the part.
        data: further attributes, as the wire has them.
        implicit: the wire did not mark the start; the first delta did.
    """

    part: str
    kind: PartKind = "text"
    choice: int = 0
    name: str | None = None
    call_id: str | None = None
    native_index: int | None = None
    data: dict[str, Any] | None = None
    implicit: bool = False


class PartDelta(_Event, frozen=True, tag="part_delta", gc=False):
    """Add text to an open part: of a tool call, raw JSON text of its arguments.

    `kind` and `choice` repeat those of the part's start, so that a stage need not remember them.
    """

    part: str
    text: str
    kind: PartKind = "text"
    choice: int = 0
    logprobs: list[Any] | None = None


class PartReplace(_Event, frozen=True, tag="part_replace"):
    """Put this text in place of all that an open part had."""

    part: str
    text: str
    kind: PartKind = "text"
    choice: int = 0


class PartUpdate(_Event, frozen=True, tag="part_update"):
    """Set attributes of a part, open or ended: `name`, `call_id`, and keys of `data`; the last value wins."""

    part: str
    name: str | None = None
    call_id: str | None = None
    data: dict[str, Any] | None = None


class PartWhole(_Event, frozen=True, tag="part_whole"):
    """Give a part that comes whole: no start, no deltas, no end. `parent`: the part that a citation belongs to."""

    part: str
    kind: PartKind = "text"
    choice: int = 0
    text: str = ""
    name: str | None = None
    call_id: str | None = None
    native_index: int | None = None
    data: dict[str, Any] | None = None
    parent: str | None = None


class PartEnd(_Event, frozen=True, tag="part_end"):
    """Close a part. `implicit`: the wire did not mark the end, or the stream ended before it."""

    part: str
    implicit: bool = False


class ChoiceFinish(_Event, frozen=True, tag="choice_finish"):
    """Say why a choice ended, in our word and in the provider's."""

    choice: int
    stop_reason: StopReason
    native_stop_reason: str | None = None
    details: dict[str, Any] | None = None


class UsageUpdate(_Event, frozen=True, tag="usage_update"):
    """Give what the attempt has used so far; the last one counts, and steps and attempts are summed."""

    usage: Usage


class Reset(_Event, frozen=True, tag="reset"):
    """Drop all that the current attempt had said: another attempt begins."""

    reason: str = ""


class Retract(_Event, frozen=True, tag="retract"):
    """Say that text which was shown should be shown no more (a filter that came late, a refusal).

    Attributes:
        choice: which alternative answer.
        start: first character of the choice's text that is concerned; 0: from its beginning.
        end: the character after the last one; None: all that has come.
        reason: the provider's word for it.
    """

    choice: int = 0
    start: int = 0
    end: int | None = None
    reason: str = ""


class StreamWarning(_Event, frozen=True, tag="warning"):
    """Tell of something odd that did not stop the stream."""

    code: str
    text: str


class Raw(_Event, frozen=True, tag="raw"):
    """Carry what is not known.

    Attributes:
        name: the wire's name of the frame, or ``event:<tag>`` for an event of a newer version of ours.
        data: its decoded content.
    """

    name: str
    data: Any = None


class End(_Event, frozen=True, tag="end", kw_only=True):
    """End the run. Exactly one, and nothing after it.

    Attributes:
        outcome: how it ended.
        native_stop_reason: the provider's word (of choice 0).
        error: what went wrong, for ``failed``, ``truncated`` and ``timeout``.
    """

    outcome: Outcome
    native_stop_reason: str | None = None
    error: ErrorInfo | None = None


Event = (
    StepStart
    | StepUpdate
    | PartStart
    | PartDelta
    | PartReplace
    | PartUpdate
    | PartWhole
    | PartEnd
    | ChoiceFinish
    | UsageUpdate
    | Reset
    | Retract
    | StreamWarning
    | Raw
    | End
)
"""Any event."""

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_anything = msgspec.json.Decoder()

_NEWER = "event:"


def _read(data: bytes | str) -> Event | None:
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    try:
        value = _anything.decode(data)
        return Raw(name=_NEWER + value["type"], data=value)
    except (msgspec.DecodeError, ValueError, RecursionError, TypeError, KeyError):
        return None


def encode_event(event: Event) -> bytes:
    """Encode an event as one line of JSON, without the line's end."""
    if type(event) is Raw and event.name.startswith(_NEWER):
        written = _encoder.encode(event.data)
        # A provider may name a frame so, too: only what reads back as this event was written by a newer version.
        if _read(written) == event:
            return written
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Event:
    """Decode an event; one of an unknown kind, or with values unknown here, becomes `Raw`.

    Raises:
        ValueError: if the data is not a JSON object with a ``type``.
    """
    event = _read(data)
    if event is None:
        raise ValueError("not an event: a JSON object with a 'type' was expected")
    return event


def encode_events(events: Iterable[Event]) -> bytes:
    """Encode events as NDJSON, a line each."""
    return b"".join(encode_event(event) + b"\n" for event in events)


def decode_events(data: bytes) -> list[Event]:
    """Decode NDJSON, a line an event.

    Raises:
        ValueError: if a line is not a JSON object with a ``type``.
    """
    return [decode_event(line) for line in data.split(b"\n") if line.strip()]
