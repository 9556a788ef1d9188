"""A request of the wire ``anthropic``: the body of ``POST …/v1/messages``, and of its neighbour that counts tokens.

Refused is what Anthropic refuses, in its words where they are known; fields that are not known are left aside.  Any key
is taken, and none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from headrace.sim.asked.base import (
    Asked,
    BadBody,
    Turn,
    conversation_of,
    count_json,
    decode_body,
    functions_for,
)
from headrace.sim.asked.options import split_model
from headrace.sim.asked.refused import Refused
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text

if TYPE_CHECKING:
    from headrace.sim.play import Call

B = TypeVar("B", bound="_Counted")

_LEAST_BUDGET = 1024  # tokens of thinking


class _Counted(Struct, kw_only=True):
    model: str
    messages: Annotated[list[Turn], Meta(min_length=1)]
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None


class _Body(_Counted, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None


_body = msgspec.json.Decoder(_Body)
_counted = msgspec.json.Decoder(_Counted)


def read(call: Call, *, seed: int | None = None) -> Asked:
    """Read a request.

    Args:
        call: as it came.
        seed: the provider's.

    Raises:
        Refused: if it is to be answered with an error.
    """
    body, given = _decoded(call, _body)
    model, options = split_model(body.model, call.headers)
    talk = conversation_of(_conversation(body), given=options.seed, base=seed)
    tools = _functions(body)
    choice = _choice(body, tools)
    form = body.output_format or as_dict((body.output_config or {}).get("format")) or {}
    return Asked(
        wire="anthropic",
        stream=bool(body.stream),
        model=model,
        prompt=talk.prompt,
        before=talk.before,
        system=_system(body),
        tools={} if choice == "none" else tools,
        tool_choice=choice,
        functions=functions_for(choice, tools),
        answered=_is_result(body.messages[-1]),
        json=form.get("type") == "json_schema",
        schema=as_dict(form.get("schema")),
        thinking=_thinks(body, choice),
        max_tokens=body.max_tokens,
        stop=_stops(body),
        prompt_tokens=_size(body),
        seed=talk.seed,
        mark=talk.mark,
        options=options,
        headers=call.headers,
        body=given,
    )


def count_tokens(call: Call) -> int:
    """Count the tokens of a prompt that is not to be answered.

    Raises:
        Refused: if it is to be answered with an error.
    """
    body, _ = _decoded(call, _counted)
    split_model(body.model, call.headers)
    return _size(body)


def _decoded(call: Call, decoder: msgspec.json.Decoder[B]) -> tuple[B, dict[str, Any]]:
    try:
        body, given = decode_body(call.body, decoder)
    except BadBody as error:
        _refuse(error.place or "the body", error.said)
    if not body.model:
        _refuse("model", "String should have at least 1 character")
    for place, turn in enumerate(body.messages):
        if turn.role == "system":
            _refuse(
                "messages",
                'Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
                'not "system" as an input message role.',
            )
        if turn.role not in ("user", "assistant"):
            _refuse(f"messages.{place}.role", "Input should be 'user' or 'assistant'")
        if turn.content is None:
            _refuse(f"messages.{place}.content", "Field required")
        if not turn.content and (turn.role == "user" or place < len(body.messages) - 1):
            _refuse(
                f"messages.{place}",
                "all messages must have non-empty content except for the optional final assistant message",
            )
    return body, given


def _refuse(place: str, said: str) -> NoReturn:
    raise Refused(f"{place}: {said}", place.partition(".")[0])


def _system(body: _Counted) -> str:
    return Turn("system", body.system).text()


def _conversation(body: _Counted) -> list[Turn]:
    """Give all that is said, as the other wire says it: so the same prompt has the same answer there."""
    before = [Turn("system", body.system)] if body.system else []
    return [*before, *body.messages]


def _is_result(turn: Turn) -> bool:
    return any((as_dict(part) or {}).get("type") == "tool_result" for part in as_list(turn.content) or ())


def _size(body: _Counted) -> int:
    turns = sum(turn.size() for turn in _conversation(body))
    return 3 + turns + (count_json(body.tools) if body.tools else 0)


def _stops(body: _Body) -> tuple[str, ...]:
    stops = tuple(body.stop_sequences or ())
    if not all(stop.strip() for stop in stops):
        _refuse("stop_sequences", "each stop sequence must contain non-whitespace")
    return stops


def _functions(body: _Counted) -> dict[str, Any]:
    """Give the schemas of the client's own tools by their names; those that the provider runs are none."""
    found: dict[str, Any] = {}
    for place, tool in enumerate(body.tools or ()):
        if tool.get("type") in (None, "custom"):
            name = as_text(tool.get("name"))
            if not name:
                _refuse(f"tools.{place}.custom.name", "Field required")
            if as_dict(tool.get("input_schema")) is None:
                _refuse(f"tools.{place}.custom.input_schema", "Field required")
            found[name] = tool["input_schema"]
    return found


def _choice(body: _Counted, tools: dict[str, Any]) -> str:
    """Read which tool may or must be called: ``auto``, ``none``, ``required``, or its name."""
    choice = body.tool_choice or {"type": "auto"}
    match choice.get("type"):
        case "auto" | "none" as word:
            return str(word)
        case "any":
            return "required"
        case "tool":
            name = as_text(choice.get("name"))
            if name not in tools:
                _refuse("tool_choice", f"Tool '{name}' not found in provided tools")
            return name
        case _:
            _refuse("tool_choice.type", "Input should be 'auto', 'any', 'none' or 'tool'")


def _thinks(body: _Body, choice: str) -> bool:
    """Tell whether thinking is switched on."""
    thinking = body.thinking or {"type": "disabled"}
    word = thinking.get("type")
    if word not in ("enabled", "adaptive", "disabled", "between_tools"):
        _refuse("thinking.type", "Input should be 'enabled', 'adaptive' or 'disabled'")
    if word == "enabled":
        budget = as_count(thinking.get("budget_tokens"))
        if budget is None:
            _refuse("thinking.enabled.budget_tokens", "Field required")
        if budget < _LEAST_BUDGET:
            _refuse("thinking.enabled.budget_tokens", f"Input should be greater than or equal to {_LEAST_BUDGET}")
        if budget >= body.max_tokens:
            _refuse("max_tokens", "must be greater than `thinking.budget_tokens`")
    if word == "enabled" and choice not in ("auto", "none"):
        _refuse("thinking", "Thinking may not be enabled when tool_choice forces tool use.")
    return word in ("enabled", "adaptive") or (word == "between_tools" and _is_result(body.messages[-1]))
