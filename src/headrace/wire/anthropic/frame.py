"""The shape of a frame's object, as far as it is needed; and usage and stop reasons in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from headrace.events import Usage
from headrace.wire.parts import as_count, as_dict, as_text, loads_leniently, repaired, repaired_deep

if TYPE_CHECKING:
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


def parse(frame: Frame) -> Body | Any:
    """Decode a frame; what is JSON but no object is given as it is.

    Raises:
        WireError: if it is not JSON.
    """
    try:
        return _decode(frame.data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = loads_leniently(frame)
        return _from_value(value) if isinstance(value, dict) else value


def _from_value(value: dict[str, Any]) -> Body:
    delta = as_dict(value.get("delta"))
    block, message = as_dict(value.get("content_block")), as_dict(value.get("message"))
    return Body(
        type=repaired(as_text(value.get("type"))),
        index=as_count(value.get("index")),
        delta=None if delta is None else _delta(delta),
        content_block=None if block is None else repaired_deep(block),
        message=None if message is None else repaired_deep(message),
        usage=as_dict(value.get("usage")),
        error=value.get("error"),
    )


def _delta(value: dict[str, Any]) -> Delta:
    return Delta(
        type=as_text(value.get("type")),
        text=as_text(value.get("text")),
        partial_json=as_text(value.get("partial_json")),
        thinking=as_text(value.get("thinking")),
        signature=repaired(as_text(value.get("signature"))),
        citation=repaired_deep(value.get("citation")),
        content=repaired_deep(value.get("content")),
        encrypted_content=repaired_deep(value.get("encrypted_content")),
        stop_reason=repaired(as_text(value.get("stop_reason"))),
        stop_sequence=repaired(as_text(value.get("stop_sequence"))),
        stop_details=as_dict(repaired_deep(value.get("stop_details"))),
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
        raw={k: repaired_deep(v) for k, v in raw.items() if v is not None},
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
