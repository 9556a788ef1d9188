"""The shape of a frame's object, as far as it is needed; and usage and stop reasons in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.events import Usage
from headrace.wire.lenient_json import as_count, as_dict, as_text, loads_frame, repaired, repaired_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.events import StopReason
    from headrace.wire.framing import Frame


class Delta(Struct):
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


class Body(Struct):
    """A frame's object."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None
    content_block: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Body).decode


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
