"""A request, out: the body of ``POST …/responses``.

The conversation is the client's: nothing is stored at the provider (``store`` is false) unless the request's extra
fields say so, or ask for a response in the ``background``, which cannot be had otherwise.  So that thinking can be sent
back all the same, models that think are asked for its ``encrypted_content``; others refuse that.

What an assistant has said is sent back as the items that it was, if the turn carries the parts that were received
(``parts``), else as its text and its calls.  Without a store, ids of items mean nothing and are left out, and so is
thinking that is not encrypted; parts of other wires are left out but for texts and calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import UnsupportedError, UsageError
from headrace.message import Part
from headrace.wire.lenient_json import as_dict, as_list, as_text
from headrace.wire.openai_responses.items import CALLS, kind_of
from headrace.wire.openai_responses.whole import items_of

if TYPE_CHECKING:
    from headrace.request import Request, Turn
    from headrace.wire.providers import Provider

_WIRE = "the wire openai-responses"

# OpenAI's models that think, by their name's beginning, and one that only looks so; routers put a vendor before it
_THINKING = ("o1", "o3", "o4", "gpt-5", "gpt-6", "codex", "computer-use", "gpt-oss")
_PLAIN = ("gpt-5-chat",)

_OWN_CONTENT = ("input_text", "input_image", "input_file", "input_audio", "output_text")
_OWN_THINKING = ("summary_text", "reasoning_text", "reasoning")


def encode_request(request: Request, provider: Provider) -> dict[str, Any]:  # noqa: ARG001 - one signature for all wires
    """Write the body, streamed.

    Raises:
        UnsupportedError: for what this wire has no field for; the message names it.
        UsageError: for a tool call of the wrong shape.
    """
    for name in ("stop", "seed", "n"):
        value = getattr(request, name)
        if value is not None and not (name == "n" and value == 1):
            raise UnsupportedError(f"{_WIRE} has no {name!r}")
    extra = request.extra or {}
    stored = bool(extra.get("store", extra.get("background")))
    body: dict[str, Any] = {
        "model": request.model,
        "input": _Conversation(stored=stored).items(request.messages),
        "stream": True,
        "store": stored,
    }
    if not stored and _thinks(request.model):
        body["include"] = ["reasoning.encrypted_content"]
    given = {
        "instructions": request.system,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "tools": [_tool(t) for t in request.tools] if request.tools is not None else None,
        "tool_choice": _tool_choice(request.tool_choice),
    }
    body.update({name: value for name, value in given.items() if value is not None})
    body.update(extra)
    return body


def _thinks(model: str) -> bool:
    name = model.rpartition("/")[2]
    return name.startswith(_THINKING) and not name.startswith(_PLAIN)


class _Conversation:
    """Write turns as input items."""

    def __init__(self, *, stored: bool) -> None:
        self._stored = stored
        self._custom: set[str] = set()  # the ids of calls of custom tools, whose results are another type

    def items(self, turns: list[Turn]) -> list[dict[str, Any]]:
        return [item for where, turn in enumerate(turns) for item in self._turn(turn, f"messages[{where}]")]

    def _turn(self, turn: Turn, where: str) -> list[dict[str, Any]]:
        role, content = turn["role"], turn.get("content")
        if role == "tool":
            return [self._result(as_text(turn.get("tool_call_id")), content, where)]
        parts = turn.get("parts")
        if role == "assistant" and parts:
            return self._received(parts)
        out: list[dict[str, Any]] = []
        if isinstance(content, str):
            if content or (role != "assistant"):
                out.append({"role": role, "content": content})
        else:
            self._listed(out, role, content or [], where)
        calls = turn.get("tool_calls")
        if calls:
            out += [self._call(call, where) for call in as_list(calls) or [calls]]
        return out

    def _listed(self, out: list[dict[str, Any]], role: str, content: list[Any], where: str) -> None:
        """Write a content of parts: what stands between calls and results is a message each."""
        said: list[dict[str, Any]] = []
        for value in content:
            part = _part(value)
            item = self._item(part, where)
            if item is None:
                said.append(_content(part, role, where))
                continue
            if said:
                out.append({"role": role, "content": said})
                said = []
            out.append(item)
        if said:
            out.append({"role": role, "content": said})

    def _item(self, part: dict[str, Any], where: str) -> dict[str, Any] | None:
        """Write a part that is an item of its own here: Anthropic's calls and results."""
        match part.get("type"):
            case "tool_use":
                arguments = msgspec.json.encode(part.get("input") or {}).decode()
                return _function_call(part.get("id"), part.get("name"), arguments)
            case "tool_result":
                return self._result(as_text(part.get("tool_use_id")), part.get("content"), where)
            case _:
                return None

    def _result(self, call_id: str, content: Any, where: str) -> dict[str, Any]:
        output = (
            content
            if isinstance(content, str)
            else [_content(_part(part), "tool", where) for part in as_list(content) or ()]
        )
        word = "custom_tool_call_output" if call_id in self._custom else "function_call_output"
        return {"type": word, "call_id": call_id, "output": output}

    def _call(self, value: Any, where: str) -> dict[str, Any]:
        call = as_dict(value) or {}
        function, custom = as_dict(call.get("function")), as_dict(call.get("custom"))
        if custom is not None:
            self._custom.add(as_text(call.get("id")))
            written = {"name": custom.get("name"), "input": custom.get("input") or ""}
            return {"type": "custom_tool_call", "call_id": call.get("id"), **written}
        if function is None:
            raise UsageError(f"{where}: a tool call must be a dict with a 'function'")
        return _function_call(call.get("id"), function.get("name"), function.get("arguments") or "{}")

    def _received(self, parts: Any) -> list[dict[str, Any]]:
        """Write what was received as the items that it was."""
        own = [part for part in parts if isinstance(part, Part) and part.choice == 0 and self._goes_back(part)]
        out: list[dict[str, Any]] = []
        for item in items_of(own):
            word = item["type"]
            if word == "custom_tool_call":
                self._custom.add(item["call_id"])
            if word == "reasoning" and not (self._stored or item.get("encrypted_content")):
                continue
            if not self._stored and word in ("message", "reasoning", *CALLS):
                del item["id"]
                item.pop("status", None)
            out.append(item)
        return out

    def _goes_back(self, part: Part) -> bool:
        if part.kind in ("text", "refusal", "tool_call", "citation"):
            return True
        data = part.data or {}
        word = as_text(data.get("type"))
        if part.kind == "thinking":
            return word in _OWN_THINKING
        return bool(data.get("id")) and kind_of(word) == part.kind


def _function_call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def _part(value: Any) -> dict[str, Any]:
    fields = as_dict(value)
    return {"type": "text", "text": value} if fields is None else fields


def _content(part: dict[str, Any], role: str, where: str) -> dict[str, Any]:
    """Write a part of a message, whichever wire's shape it has.

    Raises:
        UnsupportedError: naming a part that this wire has no words for.
    """
    word = as_text(part.get("type"))
    text = "output_text" if role == "assistant" else "input_text"
    match word:
        case "text":
            return {"type": text, "text": part.get("text")}
        case "refusal" if role == "assistant":
            return part
        case "image_url":
            image = as_dict(part.get("image_url")) or {"url": part.get("image_url")}
            detail = {"detail": image["detail"]} if image.get("detail") else {}
            return {"type": "input_image", "image_url": image.get("url"), **detail}
        case "file":
            return {"type": "input_file", **(as_dict(part.get("file")) or {})}
        case "image" | "document" if (source := as_dict(part.get("source"))) is not None:
            return _source(word, part, source, where)
        case _ if word in _OWN_CONTENT:
            return part
        case _:
            raise UnsupportedError(f"{where} has a part of the type {word!r}, which {_WIRE} has not")


def _source(word: str, part: dict[str, Any], source: dict[str, Any], where: str) -> dict[str, Any]:
    """Write Anthropic's images and documents."""
    image = word == "image"
    kind, url = ("input_image", "image_url") if image else ("input_file", "file_url")
    match source.get("type"):
        case "url":
            return {"type": kind, url: source.get("url")}
        case "file":
            return {"type": kind, "file_id": source.get("file_id")}
        case "base64":
            data = f"data:{source.get('media_type')};base64,{source.get('data')}"
            if image:
                return {"type": kind, url: data}
            return {"type": kind, "filename": part.get("title") or "document", "file_data": data}
        case "text":
            return {"type": "input_text", "text": source.get("data")}
        case odd:
            raise UnsupportedError(f"{where} has a {word} with a source of the type {odd!r}, which {_WIRE} has not")


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Write a tool: a function in any wire's shape, or one of the API's own, which passes."""
    if "input_schema" in tool:
        tool = {"type": "function", "function": {**tool, "parameters": tool["input_schema"]}}
    function = as_dict(tool.get("function"))
    if function is not None:
        names = ("name", "description", "parameters")
        fields = {name: function[name] for name in names if function.get(name) is not None}
        return {"type": "function", "parameters": None, **fields, "strict": bool(function.get("strict"))}
    custom = as_dict(tool.get("custom"))
    if custom is None:
        return tool
    grammar = as_dict((as_dict(custom.get("format")) or {}).get("grammar"))
    return {"type": "custom", **custom, **({"format": {"type": "grammar", **grammar}} if grammar else {})}


def _tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    if not isinstance(choice, dict):
        return choice
    word = as_text(choice.get("type"))
    match word:
        case "any":  # Anthropic's words
            return "required"
        case "auto" | "none":
            return word
        case "tool":
            return {"type": "function", "name": choice.get("name")}
        case "function" | "custom" if word in choice:
            return {"type": word, **(as_dict(choice[word]) or {})}
        case "allowed_tools" if "allowed_tools" in choice:
            allowed = as_dict(choice["allowed_tools"]) or {}
            tools = [_tool_choice(t) for t in as_list(allowed.get("tools")) or ()]
            return {"type": word, **allowed, "tools": tools}
        case _:
            return choice
