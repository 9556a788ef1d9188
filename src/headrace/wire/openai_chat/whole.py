"""An answer as one JSON document, out: OpenAI's ``chat.completion``.

What a stream of this wire cannot say (see `headrace.wire.openai_chat.encode`), the document cannot either.  Beyond that
it has no order: all text of a choice is one text, and so are its thinking, its refusal and its audio; what signs one
piece of thinking signs all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import ErrorInfo
from headrace.wire.openai_chat.beside import LISTS, extra_content, is_audio, reasoning_detail
from headrace.wire.openai_chat.failure import encode_failure
from headrace.wire.openai_chat.usage import write_stop_reason, write_usage

if TYPE_CHECKING:
    from headrace.message import Choice, Message, Part


def encode_message(message: Message, *, created: int = 0) -> bytes:
    """Write a message that has ended, with all its choices; of one that is no success, the error.

    Args:
        message: it.
        created: seconds since the epoch.
    """
    outcome = message.outcome
    word = outcome and write_stop_reason(outcome, message.native_stop_reason)
    if word is None:
        text = f"the answer ended as {outcome or 'truncated'}"
        return encode_failure(message.error or ErrorInfo(type=outcome or "truncated", message=text))[1]
    choices = [_choice(choice) for choice in message.choices] or [_written(0, (), None)]
    if choices[0]["finish_reason"] is None:
        choices[0]["finish_reason"] = word
    body: dict[str, Any] = {
        "id": message.id or "",
        "object": "chat.completion",
        "created": created,
        "model": message.model or "",
        "choices": choices,
    }
    usage = write_usage(message.usage)
    if usage:
        body["usage"] = usage
    return msgspec.json.encode(body)


def _choice(choice: Choice) -> dict[str, Any]:
    reason = choice.stop_reason
    word = reason and (write_stop_reason(reason, choice.native_stop_reason) or "error")
    written = _written(choice.index, choice.parts, word)
    if choice.retractions:
        first = choice.retractions[0]
        written["content_filter_results"] = {first.reason: {"filtered": True}}
        written["content_filter_offsets"] = {"start_offset": first.start, "end_offset": first.end}
    return written


def _written(index: int, parts: tuple[Part, ...], finish: str | None) -> dict[str, Any]:
    text, refusal = _said(parts, "text"), _said(parts, "refusal")
    said: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": refusal or None}
    more = {
        "reasoning_content": _said(parts, "thinking"),
        "reasoning_details": [
            detail for part in parts if part.kind == "thinking" and (detail := reasoning_detail(part.data))
        ],
        **{
            field: [p.data for p in parts if p.kind == kind and p.data and not is_audio(p.kind, p.data)]
            for kind, field in LISTS.items()
        },
        "tool_calls": [_call(part) for part in parts if part.kind == "tool_call"],
        **_beside(parts),
    }
    said.update({field: value for field, value in more.items() if value})
    probable = {
        kind: [p for part in parts if part.kind == kind for p in part.logprobs or ()] for kind in ("text", "refusal")
    }
    logprobs = {"content": probable["text"] or None, "refusal": probable["refusal"] or None}
    return {
        "index": index,
        "message": said,
        "logprobs": logprobs if any(logprobs.values()) else None,
        "finish_reason": finish,
    }


def _said(parts: tuple[Part, ...], kind: str) -> str:
    return "".join([part.text for part in parts if part.kind == kind])


def _call(part: Part) -> dict[str, Any]:
    function = {"name": part.name or "", "arguments": part.text}
    return {"id": part.call_id or part.id, "type": "function", "function": function, **extra_content(part.data)}


def _beside(parts: tuple[Part, ...]) -> dict[str, Any]:
    """Give what stands beside the texts: audio, and what a server of this kind adds to them."""
    out: dict[str, Any] = {}
    calls = any(part.kind == "tool_call" for part in parts)
    for part in parts:
        if part.kind in ("text", "refusal") and not calls:  # beside calls it would be the last call's
            out.update(extra_content(part.data))
        elif is_audio(part.kind, part.data):
            before: dict[str, Any] = out.get("audio", {})
            more = {key: value for key, value in (part.data or {}).items() if key != "type"}
            out["audio"] = {**before, **more, "data": before.get("data", "") + part.text}
    return out
