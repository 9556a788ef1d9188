"""A request, out: the body of ``POST …/chat/completions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.errors import UnsupportedError
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from headrace.request import Request
    from headrace.wire.providers import Provider

_ANTHROPIC_PARTS = ("image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking")


def encode_request(request: Request, provider: Provider) -> dict[str, Any]:
    """Write the body, streamed and with usage asked for.

    Raises:
        UnsupportedError: for a part of a message in a shape of another wire.
    """
    messages: list[dict[str, Any]] = []
    if request.system is not None:
        messages.append({"role": "system", "content": request.system})
    for where, turn in enumerate(request.messages):
        for part in as_list(turn.get("content")) or ():
            kind = (as_dict(part) or {}).get("type")
            if kind in _ANTHROPIC_PARTS:
                text = f"messages[{where}] has a part of the type {kind!r}"
                raise UnsupportedError(f"{text}, which the wire openai-chat has not")
        messages.append(turn)
    body: dict[str, Any] = {"model": request.model, "messages": messages, "stream": True}
    if provider.include_usage:
        body["stream_options"] = {"include_usage": True}
    given = {
        provider.max_tokens_field: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": request.stop,
        "n": request.n,
        "tools": [_tool(t) for t in request.tools] if request.tools is not None else None,
        "tool_choice": request.tool_choice,
    }
    body.update({name: value for name, value in given.items() if value is not None})
    body.update(request.extra or {})
    return body


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        return tool
    function = {"name": tool.get("name"), "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}
