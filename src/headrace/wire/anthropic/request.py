"""A request, out: the body of ``POST …/v1/messages``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import UnsupportedError, UsageError
from headrace.wire.lenient_json import as_dict, as_list, as_text

if TYPE_CHECKING:
    from headrace.request import Request, Turn
    from headrace.wire.providers import Provider

DEFAULT_MAX_TOKENS = 4096
"""The API wants a limit; the smallest that every current model takes."""

_OPENAI_PARTS = ("image_url", "input_audio", "file", "refusal")


def encode_request(request: Request, provider: Provider) -> dict[str, Any]:  # noqa: ARG001 - one signature for all wires
    """Write the body, streamed.

    Raises:
        UnsupportedError: for what this wire has no field for; the message names it.
        UsageError: for tool arguments that are no JSON object.
    """
    for name in ("seed", "n"):
        value = getattr(request, name)
        if value is not None and not (name == "n" and value == 1):
            raise UnsupportedError(f"the wire anthropic has no {name!r}")
    system = [request.system] if request.system is not None else []
    messages: list[dict[str, Any]] = []
    for where, turn in enumerate(request.messages):
        if turn["role"] in ("system", "developer"):
            if messages:
                raise UnsupportedError(f"messages[{where}]: the wire anthropic takes system prompts only at the start")
            system.append(_text(turn["content"], where))
        else:
            messages.append(_turn(turn, where))
    body: dict[str, Any] = {
        "model": request.model,
        "messages": messages,
        "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,
        "stream": True,
    }
    given = {
        "system": "\n\n".join(system) if system else None,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": request.stop,
        "tools": [_tool(t) for t in request.tools] if request.tools is not None else None,
        "tool_choice": _tool_choice(request.tool_choice),
    }
    body.update({name: value for name, value in given.items() if value is not None})
    body.update(request.extra or {})
    return body


def _text(content: Any, where: int) -> str:
    if isinstance(content, str):
        return content
    texts = [(as_dict(part) or {}).get("text") for part in content]
    if not all(isinstance(t, str) for t in texts):
        raise UnsupportedError(f"messages[{where}]: a system prompt may hold text only")
    return "".join([as_text(t) for t in texts])


def _turn(turn: Turn, where: int) -> dict[str, Any]:
    content = turn.get("content")
    for part in as_list(content) or ():
        kind = (as_dict(part) or {}).get("type")
        if kind in _OPENAI_PARTS:
            text = f"messages[{where}] has a part of the type {kind!r}"
            raise UnsupportedError(f"{text}, which is not yet put into the wire anthropic")
    if turn["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": turn.get("tool_call_id"), "content": content}
        return {"role": "user", "content": [result]}
    calls = turn.get("tool_calls")
    if not calls:
        return {"role": turn["role"], "content": content if content is not None else ""}
    blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) and content else content or []
    return {"role": "assistant", "content": [*blocks, *[_tool_use(c, where) for c in as_list(calls) or [calls]]]}


def _tool_use(value: Any, where: int) -> dict[str, Any]:
    call = as_dict(value) or {}
    function = as_dict(call.get("function"))
    if function is None:
        raise UsageError(f"messages[{where}]: a tool call must be a dict with a 'function'")
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        raise UsageError(f"messages[{where}]: the arguments of a tool call are no JSON object") from None
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": arguments}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = as_dict(tool.get("function"))
    if function is None:
        return tool
    out: dict[str, Any] = {
        "name": function.get("name"),
        "input_schema": function.get("parameters") or {"type": "object"},
    }
    if function.get("description"):
        out["description"] = function["description"]
    return out


def _tool_choice(choice: str | dict[str, Any] | None) -> dict[str, Any] | None:
    if isinstance(choice, str):
        return {"type": {"required": "any"}.get(choice, choice)}
    if choice and isinstance(choice.get("function"), dict):
        return {"type": "tool", "name": choice["function"].get("name")}
    return choice
