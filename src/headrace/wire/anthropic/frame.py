"""The shape of a frame's object, as far as it is needed; and usage and stop reasons in our words.

`decode` is a fast typed decode, and `decode_patiently` takes what does not fit it.  What is made for every frame is
nothing that the garbage collector need look at: it holds no ring, and is let go at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.events import Usage
from headrace.wire.lenient_json import as_count, as_dict, as_text, loads_frame, repaired, repaired_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import Outcome, StopReason
    from headrace.wire.framing import Frame


class Delta(Struct, gc=False):
    """What a block, or the message, adds."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    content: Any = None
    encrypted_content: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None


class Body(Struct, gc=False):
    """A frame's object."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


decode = msgspec.json.Decoder(Body).decode
"""Decode a frame's data that fits."""

MISFITS = (msgspec.DecodeError, ValueError, RecursionError)
"""What `decode` raises for data that does not."""


def decode_patiently(frame: Frame, secrets: Iterable[str] = ()) -> Body | Any:
    """Decode a frame that does not fit; what is JSON but no object is given as it is.

    Raises:
        WireError: if it is not JSON.
    """
    value = loads_frame(frame.data, secrets)
    fields = as_dict(value)
    return value if fields is None else _from_value(fields)


def _from_value(value: dict[str, Any]) -> Body:
    delta = as_dict(value.get("delta"))
    return Body(
        type=repaired(as_text(value.get("type"))),
        index=as_count(value.get("index")),
        delta=None if delta is None else delta_from_value(delta),
        content_block=as_dict(value.get("content_block")),
        message=as_dict(value.get("message")),
        usage=as_dict(value.get("usage")),
        error=value.get("error"),
    )


def delta_from_value(value: dict[str, Any]) -> Delta:
    """Take from a decoded object, a delta or a whole message, what fits."""
    return Delta(
        type=repaired(as_text(value.get("type"))),
        text=as_text(value.get("text")),
        partial_json=as_text(value.get("partial_json")),
        thinking=as_text(value.get("thinking")),
        signature=as_text(value.get("signature")),
        citation=value.get("citation"),
        content=value.get("content"),
        encrypted_content=value.get("encrypted_content"),
        stop_reason=repaired(as_text(value.get("stop_reason"))),
        stop_sequence=as_text(value.get("stop_sequence")),
        stop_details=as_dict(value.get("stop_details")),
    )


def read_usage(raw: dict[str, Any]) -> Usage:
    """Read a usage object. Anthropic's ``input_tokens`` leave out what was read from, or written to, its cache."""
    details = as_dict(raw.get("output_tokens_details")) or {}
    return Usage(
        input_tokens=as_count(raw.get("input_tokens")),
        output_tokens=as_count(raw.get("output_tokens")),
        cached_input_tokens=as_count(raw.get("cache_read_input_tokens")),
        cache_write_tokens=as_count(raw.get("cache_creation_input_tokens")),
        reasoning_tokens=as_count(details.get("thinking_tokens")),
        input_includes_cached=False,
        raw=repaired_deep({k: v for k, v in raw.items() if v is not None}),
    )


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Write a usage object: the provider's own if it is of this wire, else its figures, counted as Anthropic counts."""
    usage = usage or Usage()
    if usage.raw and not usage.input_includes_cached and usage.raw.keys() & {"input_tokens", "output_tokens"}:
        return {"input_tokens": 0, "output_tokens": 0, **usage.raw}
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    read, said = usage.input_tokens or 0, usage.output_tokens or 0
    if usage.input_includes_cached:
        read = max(0, read - (cached or 0) - (written or 0))
    if not usage.output_includes_reasoning:
        said += usage.reasoning_tokens or 0
    out: dict[str, Any] = {"input_tokens": read}
    if written is not None:
        out["cache_creation_input_tokens"] = written
    if cached is not None:
        out["cache_read_input_tokens"] = cached
    out["output_tokens"] = said
    if usage.reasoning_tokens is not None:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return out


# Anthropic's API reference, `stop_reason`; compaction is a beta's
_REASONS: dict[str, StopReason] = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "paused",
    "compaction": "paused",
    "refusal": "refused",
}


def read_stop_reason(native: str) -> StopReason | None:
    """Give our word for a stop reason, or None if it is not known."""
    return _REASONS.get(native)


_WORDS: dict[Outcome, str] = {
    "complete": "end_turn",
    "stopped": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "paused": "pause_turn",
    "filtered": "refusal",
    "refused": "refusal",
}


def write_stop_reason(outcome: Outcome, native: str | None = None, *, sequence: bool = False) -> str | None:
    """Give this wire's word for an outcome, or None if it is no success.

    Args:
        outcome: ours.
        native: the provider's word; it stays if it is this wire's, and means the same.
        sequence: whether a stop sequence of the caller's is known to have come.
    """
    if native is not None and read_stop_reason(native) == outcome:
        return native
    return "stop_sequence" if sequence and outcome in ("complete", "stopped") else _WORDS.get(outcome)
