"""Usage and stop reasons of the OpenAI-chat family, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.events import Usage
from headrace.wire.lenient_json import as_count, as_dict, repaired_deep

if TYPE_CHECKING:
    from headrace.events import StopReason


def read_usage(raw: dict[str, Any]) -> Usage:
    """Read a usage object, the compatible servers' extras included."""
    inputs = as_dict(raw.get("prompt_tokens_details")) or {}
    outputs = as_dict(raw.get("completion_tokens_details")) or {}
    prompt, completion = as_count(raw.get("prompt_tokens")), as_count(raw.get("completion_tokens"))
    total, reasoning = as_count(raw.get("total_tokens")), as_count(outputs.get("reasoning_tokens"))
    cached = as_count(inputs.get("cached_tokens"))
    if cached is None:
        cached = as_count(raw.get("prompt_cache_hit_tokens"))  # DeepSeek
    # xAI counts its thinking beside the completion: only its total tells
    beside = bool(reasoning and total == (prompt or 0) + (completion or 0) + reasoning)
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cached_input_tokens=cached,
        cache_write_tokens=as_count(inputs.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        total_tokens=total,
        output_includes_reasoning=not beside,
        raw=repaired_deep(raw),
    )


# OpenAI's own five; then what compatible servers and routers were seen to send, or pass on from other wires.
_REASONS: dict[str, StopReason] = {
    "stop": "complete",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "filtered",
    "function_call": "tool_calls",
    "eos": "complete",
    "eos_token": "complete",
    "stop_sequence": "complete",
    "end_turn": "complete",
    "done": "complete",
    "complete": "complete",
    "completed": "complete",
    "model_length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_use": "tool_calls",
    "safety": "filtered",
    "recitation": "filtered",
    "blocklist": "filtered",
    "prohibited_content": "filtered",
    "spii": "filtered",
    "refusal": "refused",
    "pause_turn": "paused",
    "error": "failed",
    "insufficient_system_resource": "failed",
    "malformed_function_call": "failed",
    "unexpected_tool_call": "failed",
    "abort": "failed",
    "cancelled": "failed",
    "timeout": "failed",
}


def read_stop_reason(native: str) -> StopReason | None:
    """Give our word for a finish reason, or None if it is not known."""
    return _REASONS.get(native.lower())
