"""Output items: which part each is, where its text stands, and what it carries beside it; in and out.

An item of the type ``message`` or ``reasoning`` holds parts; any other item is a part.  The part of an item carries in
its ``data`` the item's own fields (``type``, ``id``, ``status``, and whatever else there is), but for its name, its
``call_id`` and the field that is the part's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.wire.lenient_json import as_dict, as_list, as_text, compact

if TYPE_CHECKING:
    from headrace.events import PartKind

ITEMS: dict[str, tuple[PartKind, str]] = {
    "function_call": ("tool_call", "arguments"),
    "custom_tool_call": ("tool_call", "input"),
    "mcp_call": ("server_tool_call", "arguments"),
    "mcp_approval_request": ("server_tool_call", "arguments"),
    "mcp_list_tools": ("server_tool_call", ""),
    "code_interpreter_call": ("server_tool_call", "code"),
    "program": ("server_tool_call", "code"),
    "web_search_call": ("server_tool_call", ""),
    "file_search_call": ("server_tool_call", ""),
    "tool_search_call": ("server_tool_call", ""),
    "computer_call": ("server_tool_call", ""),
    "local_shell_call": ("server_tool_call", ""),
    "shell_call": ("server_tool_call", ""),
    "apply_patch_call": ("server_tool_call", ""),
    "image_generation_call": ("media", "result"),
    "compaction": ("compaction", ""),
}
"""The items that are one part: its kind, and the field that is its text, if one of the item's own is."""

CALLS = ("function_call", "custom_tool_call")
"""The calls of the client's own tools."""

GROWTH: dict[str, tuple[str, str]] = {
    "response.function_call_arguments": ("function_call", "arguments"),
    "response.custom_tool_call_input": ("custom_tool_call", "input"),
    "response.mcp_call_arguments": ("mcp_call", "arguments"),
    "response.code_interpreter_call_code": ("code_interpreter_call", "code"),
    "response.apply_patch_call_operation_diff": ("apply_patch_call", "diff"),
}
"""The frames' types, without ``.delta`` or ``.done``, by which such an item grows: its type, and the final field."""

TOLD = frozenset(
    (
        "mcp_call",
        "mcp_list_tools",
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
    )
)
"""The items whose status has frames of its own."""

STATUSES = frozenset(("in_progress", "searching", "interpreting", "generating", "completed", "failed"))
"""The last words of those frames' types."""

_LEFT_OUT = frozenset(("name", "call_id"))


def kind_of(word: str) -> PartKind:
    """Name the part that an item of this type is."""
    known = ITEMS.get(word)
    return known[0] if known else "tool_result" if word.endswith("_output") else "raw"


def field_of(word: str) -> str:
    """Name the field of an item that is its part's text; "": none is."""
    known = ITEMS.get(word)
    return known[1] if known else ""


def text_of(item: dict[str, Any]) -> str:
    """Give what the part of an item says."""
    word = as_text(item.get("type"))
    match word:
        case "shell_call":
            commands = as_list((as_dict(item.get("action")) or {}).get("commands")) or []
            return "\n".join([as_text(c) for c in commands])
        case "apply_patch_call":
            return as_text((as_dict(item.get("operation")) or {}).get("diff"))
        case "shell_call_output":
            return said_by(item.get("output"))
        case _:
            value = item.get(field_of(word))
            return value if isinstance(value, str) else compact(value) if value else ""


def put_text(item: dict[str, Any], text: str) -> None:
    """Put what the part of an item says into the item, if it does not say so already."""
    word = as_text(item.get("type"))
    field = field_of(word)
    if text_of(item) == text and (not field or field in item):
        return
    match word:
        case "shell_call":
            item["action"] = {**(as_dict(item.get("action")) or {}), "commands": text.split("\n")}
        case "apply_patch_call":
            item["operation"] = {**(as_dict(item.get("operation")) or {}), "diff": text}
        case "shell_call_output" if not item.get("output"):
            item["output"] = [{"stdout": text, "stderr": ""}]
        case _ if field and (text or field in item):
            item[field] = text
        case _:
            pass


def said_by(output: Any) -> str:
    """Give what the commands of a shell call have written."""
    texts = [as_dict(entry) or {} for entry in as_list(output) or ()]
    return "".join([as_text(entry.get("stdout")) + as_text(entry.get("stderr")) for entry in texts])


def data_of(item: dict[str, Any]) -> dict[str, Any]:
    """Give what the part of an item carries beside its text."""
    word = item.get("type")
    left_out = {*_LEFT_OUT, field_of(as_text(word))}
    if word in CALLS:
        left_out.add("status")
    if word == "function_call":
        left_out.add("type")
    return {key: value for key, value in item.items() if key not in left_out and value is not None}
