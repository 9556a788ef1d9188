"""Usage and stop reasons of the OpenAI-chat family, in our words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.events import Usage
from headrace.wire.lenient_json import as_count, as_dict, repaired_deep

if TYPE_CHECKING:
    from headrace.events import Outcome, StopReason


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


def write_usage(usage: Usage) -> dict[str, Any]:
    """Write a usage object: the provider's own if it is of this wire, else its figures, counted as OpenAI counts."""
    if usage.raw and usage.raw.keys() & {"prompt_tokens", "completion_tokens"}:
        return usage.raw
    prompt, completion, total = usage.input_tokens, usage.output_tokens, usage.total_tokens
    if prompt is not None and not usage.input_includes_cached:
        prompt += (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    if completion is not None and not usage.output_includes_reasoning:
        completion += usage.reasoning_tokens or 0
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    inputs = _known(cached_tokens=usage.cached_input_tokens, cache_write_tokens=usage.cache_write_tokens)
    outputs = _known(reasoning_tokens=usage.reasoning_tokens)
    return _known(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        prompt_tokens_details=inputs or None,
        completion_tokens_details=outputs or None,
    )


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


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


# What every client of OpenAI's knows
_OWN = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))

# OpenAI has no word for the last two; these are its followers'
_WORDS: dict[Outcome, str] = {
    "complete": "stop",
    "stopped": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "filtered": "content_filter",
    "refused": "refusal",
    "paused": "pause_turn",
}


def write_stop_reason(outcome: Outcome, native: str | None = None) -> str | None:
    """Give this wire's word for an outcome, or None if it is no success; the provider's stays if it is OpenAI's own."""
    word = _WORDS.get(outcome)
    return native if word is not None and native in _OWN else word
