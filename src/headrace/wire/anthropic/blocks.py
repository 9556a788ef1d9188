"""Content blocks, out: what a part is on this wire, streamed or in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.wire.lenient_json import as_text

if TYPE_CHECKING:
    from headrace.events import PartKind

GROWING: dict[str, PartKind] = {
    "text": "text",
    "thinking": "thinking",
    "tool_use": "tool_call",
    "server_tool_use": "server_tool_call",
    "mcp_tool_use": "server_tool_call",
    "compaction": "compaction",
}
"""The blocks that start, grow by deltas and stop, by their type."""

CALLS: tuple[PartKind, ...] = ("tool_call", "server_tool_call")

# A block's own fields, as the decoder reads them; whatever else a part carries stands beside them
_OWN = frozenset(("type", "text", "thinking", "content", "name", "id", "input", "citations"))
_LATER = frozenset(("signature", "encrypted_content"))  # come in a delta
_arguments = msgspec.json.Decoder(dict[str, msgspec.Raw])


def kind_of(word: str) -> PartKind:
    """Name the part that a block of this type is."""
    if word == "redacted_thinking":
        return "thinking"
    if word == "fallback":
        return "model_switch"
    return GROWING.get(word) or ("tool_result" if word.endswith("_tool_result") else "raw")


def start_block(
    kind: PartKind, part: str, name: str | None, call_id: str | None, data: dict[str, Any] | None
) -> dict[str, Any]:
    """Write a block that grows, as it is before its first delta; a refusal is text here."""
    data = data or {}
    more = {key: value for key, value in data.items() if key not in _OWN}
    if kind in CALLS:
        word = as_text(data.get("type"))
        if kind == "tool_call":
            word = "tool_use"
        elif kind_of(word) != kind:  # another wire's: its fields would mean nothing here
            word, more = "server_tool_use", {}
        return {"type": word, "id": call_id or part, "name": name or "", "input": {}, **more}
    more = {key: value for key, value in more.items() if key not in _LATER}
    if kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": "", **more}
    return (
        {"type": "compaction", "content": None, **more}
        if kind == "compaction"
        else {"type": "text", "text": "", **more}
    )


def whole_block(kind: PartKind, data: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give the block that a part without text carries in its data; None: this wire has no such block."""
    word = as_text((data or {}).get("type"))
    if not data or not word:
        return None
    if kind == "thinking" and word == "reasoning.encrypted":  # OpenRouter's word for it
        return {**data, "type": "redacted_thinking"}
    return data if word not in GROWING and kind_of(word) == kind else None


def is_object(text: str) -> bool:
    """Tell whether a text is a whole JSON object, as a tool's input must be."""
    try:
        _arguments.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
