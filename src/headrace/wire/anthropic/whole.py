"""An answer as one JSON document, out: Anthropic's ``message``.

What a stream of this wire cannot say (see `headrace.wire.anthropic.encode`), the document cannot either.  Beyond that,
a tool's ``input`` is an object here: arguments that are none, since they were cut short or are no JSON at all, stand in
it as text, under Anthropic's own key for that, ``INVALID_JSON``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import ErrorInfo
from headrace.wire.anthropic.blocks import CALLS, is_object, start_block, whole_block
from headrace.wire.anthropic.failure import encode_failure
from headrace.wire.anthropic.frame import write_stop_reason, write_usage

if TYPE_CHECKING:
    from headrace.message import Choice, Message, Part

_FIELDS = {"text": "text", "refusal": "text", "thinking": "thinking", "compaction": "content"}


def encode_message(message: Message, *, created: int = 0) -> bytes:  # noqa: ARG001 - one signature for all wires
    """Write a message that has ended; of one that is no success, the error."""
    first = next((choice for choice in message.choices if choice.index == 0), None)
    details = (first and first.details) or {}
    sequence = details.get("stop_sequence")
    word = message.outcome and write_stop_reason(
        message.outcome, _native(message, first), sequence=sequence is not None
    )
    if word is None:
        text = f"the answer ended as {message.outcome or 'truncated'}"
        return encode_failure(message.error or ErrorInfo(type=message.outcome or "truncated", message=text))[1]
    body: dict[str, Any] = {
        "model": message.model or "",
        "id": message.id or "",
        "type": "message",
        "role": "assistant",
        "content": _content(message),
        "stop_reason": "refusal" if first and first.retractions else word,
        "stop_sequence": sequence,
    }
    if "stop_details" in details:
        body["stop_details"] = details["stop_details"]
    body["usage"] = write_usage(message.usage)
    return msgspec.json.encode(body)


def _native(message: Message, first: Choice | None) -> str | None:
    return first.native_stop_reason if first and first.stop_reason else message.native_stop_reason


def _content(message: Message) -> list[dict[str, Any]]:
    parts = [part for part in message.parts if part.choice == 0]
    blocks: dict[str, dict[str, Any]] = {}
    for part in parts:
        if part.kind == "citation":
            text = blocks.get(part.parent or "", {})
            if part.data and text.get("type") == "text":
                text.setdefault("citations", []).append(part.data)
            continue
        block = _block(part)
        if block is not None:
            blocks[part.id] = block
    return list(blocks.values())


def _block(part: Part) -> dict[str, Any] | None:
    block = None if part.text else whole_block(part.kind, part.data)
    if block is not None:
        return block
    if part.kind in CALLS:
        block = start_block(part.kind, part.id, part.name, part.call_id, part.data)
        if part.text.strip():
            block["input"] = msgspec.Raw(part.text) if is_object(part.text) else {"INVALID_JSON": part.text}
        return block
    if part.kind not in _FIELDS:
        return None
    block = start_block(part.kind, part.id, None, None, part.data)
    block[_FIELDS[part.kind]] = part.text
    for name in ("signature", "encrypted_content"):
        if part.data and part.data.get(name):
            block[name] = part.data[name]
    return block
