"""The shape of a frame's object, as far as it is needed; and usage and reasons in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.events import Usage
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text, loads_frame, repaired, repaired_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Outcome, StopReason
    from headrace.wire.framing import Frame


class Body(Struct):
    """A frame's object.

    Attributes:
        type: what happens; the JSON's word counts, not that of the ``event:`` line.
        sequence_number: the frame's place in the stream of a response.
        output_index: which item.
        content_index: which part of a message's or a reasoning's content.
        summary_index: which part of a reasoning's summary.
        command_index: which command of a shell call.
        delta: what is added.
        logprobs: of the text that is added, or of the whole text.
        item: an output item.
        part: a part of its content.
        response: the whole response, as it stands.
        annotation: a citation.
        partial_image_b64: an image as far as it is drawn.
        error: what went wrong, if the frame is no flat error.
        text, refusal, arguments, code, input, diff: what a part that is done says in the end.
    """

    type: str | None = None
    sequence_number: int | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    command_index: int | None = None
    delta: str | dict[str, Any] | None = None
    logprobs: list[Any] | None = None
    item: dict[str, Any] | None = None
    part: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    annotation: Any = None
    partial_image_b64: str | None = None
    error: Any = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    code: str | None = None
    input: str | None = None
    diff: str | None = None


_decode = msgspec.json.Decoder(Body).decode

_COUNTS = ("sequence_number", "output_index", "content_index", "summary_index", "command_index")
_TEXTS = ("text", "refusal", "arguments", "code", "input", "diff", "partial_image_b64")


def parse(frame: Frame, secrets: Iterable[str] = ()) -> Body | Any:
    """Decode a frame; what is JSON but no object is given as it is.

    Raises:
        WireError: if it is not JSON.
    """
    try:
        return _decode(frame.data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = loads_frame(frame.data, secrets)
        fields = as_dict(value)
        return value if fields is None else _from_value(fields)


def _from_value(value: dict[str, Any]) -> Body:
    given: Any = value.get("delta")
    delta: str | dict[str, Any] | None = given if isinstance(given, str) else as_dict(given)
    counts: dict[str, Any] = {name: as_count(value.get(name)) for name in _COUNTS}
    texts: dict[str, Any] = {name: as_text(value.get(name)) or None for name in _TEXTS}
    return Body(
        type=repaired(as_text(value.get("type"))),
        delta=delta,
        logprobs=as_list(value.get("logprobs")),
        item=as_dict(value.get("item")),
        part=as_dict(value.get("part")),
        response=as_dict(value.get("response")),
        annotation=value.get("annotation"),
        error=value.get("error"),
        **counts,
        **texts,
    )


def read_usage(raw: dict[str, Any]) -> Usage:
    """Read a usage object."""
    inputs = as_dict(raw.get("input_tokens_details")) or {}
    outputs = as_dict(raw.get("output_tokens_details")) or {}
    read, said = as_count(raw.get("input_tokens")), as_count(raw.get("output_tokens"))
    total, reasoning = as_count(raw.get("total_tokens")), as_count(outputs.get("reasoning_tokens"))
    # a server that counts its thinking beside the output tells so by its total alone
    beside = bool(reasoning and total == (read or 0) + (said or 0) + reasoning)
    return Usage(
        input_tokens=read,
        output_tokens=said,
        cached_input_tokens=as_count(inputs.get("cached_tokens")),
        cache_write_tokens=as_count(inputs.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        total_tokens=total,
        output_includes_reasoning=not beside,
        raw=repaired_deep(raw),
    )


def write_usage(usage: Usage | None) -> dict[str, Any] | None:
    """Write a usage object: the provider's own if it is of this wire, else its figures, counted as OpenAI counts.

    None: nothing is known.
    """
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    if usage.raw and usage.input_includes_cached and usage.raw.keys() & {"input_tokens", "output_tokens"}:
        return usage.raw
    read, said = usage.input_tokens or 0, usage.output_tokens or 0
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens
    if not usage.input_includes_cached:
        read += cached + (written or 0)
    if not usage.output_includes_reasoning:
        said += usage.reasoning_tokens or 0
    inputs = {"cached_tokens": cached}
    if written is not None:
        inputs["cache_write_tokens"] = written
    return {
        "input_tokens": read,
        "input_tokens_details": inputs,
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": read + said if usage.total_tokens is None else usage.total_tokens,
    }


# OpenAI's API reference, `incomplete_details.reason`; the last two are words of other wires, written for want of one
_REASONS: dict[str, StopReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "filtered",
    "steered": "paused",
    "pause_turn": "paused",
    "refusal": "refused",
}


def read_reason(native: str) -> StopReason | None:
    """Give our word for why a response is incomplete, or None if it is not known."""
    return _REASONS.get(native)


_WORDS: dict[Outcome, str] = {
    "complete": "",
    "stopped": "",
    "tool_calls": "",
    "length": "max_output_tokens",
    "filtered": "content_filter",
    "paused": "pause_turn",
    "refused": "refusal",
}


def write_reason(outcome: Outcome, native: str | None = None) -> str | None:
    """Give this wire's word for why a response is incomplete; "": it is complete; None: it is no success.

    The provider's word stays if it is this wire's, and means the same.
    """
    return native if native is not None and read_reason(native) == outcome else _WORDS.get(outcome)
