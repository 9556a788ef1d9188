"""What a part carries beside its text, out: the keys that servers of this kind send, in a chunk or in a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.events import PartKind

LISTS: dict[PartKind, str] = {"citation": "annotations", "media": "images", "server_tool_call": "executed_tools"}
"""The parts that are written if they come whole, and where."""


def is_audio(kind: PartKind, data: dict[str, Any] | None) -> bool:
    """Tell whether a part is the audio of an answer, which grows."""
    return kind == "media" and (data or {}).get("type") == "audio"


def extra_content(data: dict[str, Any] | None) -> dict[str, Any]:
    """Give what Google's servers add to texts and calls, if something is there."""
    return {"extra_content": data["extra_content"]} if data and "extra_content" in data else {}


def reasoning_detail(data: dict[str, Any] | None) -> dict[str, Any]:
    """Write what a part of thinking carries as an item of ``reasoning_details``; empty: nothing."""
    detail = {k: v for k, v in (data or {}).items() if k not in ("text", "summary")}  # would be read as thinking
    if detail.get("type") == "redacted_thinking":
        detail["type"] = "reasoning.encrypted"  # Anthropic's word, and OpenRouter's on this wire
    return detail
