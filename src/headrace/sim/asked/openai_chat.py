"""A request of the wire ``openai-chat``: the body of ``POST …/chat/completions``.

As OpenAI does, and its followers: fields that are not known are left aside.  Any key is taken, and none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from headrace.sim.asked.base import (
    Asked,
    Turn,
    conversation_of,
    count_json,
    decode_body,
    functions_for,
)
from headrace.sim.asked.options import split_model
from headrace.sim.asked.refused import Refused
from headrace.wire.lenient_json import as_dict, as_text

if TYPE_CHECKING:
    from headrace.sim.play import Call

_Limit = Annotated[int, Meta(ge=1)] | None

_MOST_STOPS = 4


class _Body(Struct):
    messages: Annotated[list[Turn], Meta(min_length=1)]
    model: str = ""
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    seed: int | None = None
    max_tokens: _Limit = None
    max_completion_tokens: _Limit = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None


_body = msgspec.json.Decoder(_Body)


def read(call: Call, *, deployment: str = "", seed: int | None = None) -> Asked:
    """Read a request.

    Args:
        call: as it came.
        deployment: the model's name as the path has it, where the body has none.
        seed: the provider's.

    Raises:
        Refused: if it is to be answered with an error.
    """
    body, given = decode_body(call.body, _body)
    named = body.model or deployment
    if not named:
        raise Refused("you must provide a model parameter", "model")
    model, options = split_model(named, call.headers)
    talk = conversation_of(body.messages, given=body.seed if options.seed is None else options.seed, base=seed)
    limits = [limit for limit in (body.max_completion_tokens, body.max_tokens) if limit is not None]
    form = body.response_format or {}
    tools = _functions(body)
    choice = _choice(body, tools)
    return Asked(
        wire="openai-chat",
        stream=bool(body.stream),
        model=model,
        prompt=talk.prompt,
        before=talk.before,
        system="\n".join([turn.text() for turn in body.messages if turn.role in ("system", "developer")]),
        tools={} if choice == "none" else tools,
        tool_choice=choice,
        functions=functions_for(choice, tools),
        answered=body.messages[-1].role in ("tool", "function"),
        json=form.get("type") in ("json_object", "json_schema"),
        # some servers want the schema beside the type
        schema=as_dict((as_dict(form.get("json_schema")) or form).get("schema")),
        thinking=body.reasoning_effort not in (None, "none"),
        max_tokens=min(limits, default=None),
        stop=_stops(body.stop),
        n=body.n or 1,
        include_usage=(body.stream_options or {}).get("include_usage") is True,
        prompt_tokens=3 + sum(turn.size() for turn in body.messages) + (count_json(body.tools) if body.tools else 0),
        seed=talk.seed,
        mark=talk.mark,
        options=options,
        headers=call.headers,
        body=given,
    )


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > _MOST_STOPS or not all(stops):
        raise Refused("'stop' must be a text or at most four, none of them empty", "stop")
    return tuple(stops)


def _functions(body: _Body) -> dict[str, Any]:
    """Give the schemas of the functions by their names; tools that are no functions are none."""
    functions = [as_dict(tool.get("function")) or {} for tool in body.tools or ()]
    return {name: function.get("parameters") for function in functions if (name := as_text(function.get("name")))}


def _choice(body: _Body, tools: dict[str, Any]) -> str:
    """Read which function may or must be called: ``auto``, ``none``, ``required``, or its name."""
    choice = body.tool_choice
    if choice in (None, "none", "auto", "required"):
        return "auto" if choice is None else str(choice)
    named = as_text((as_dict((as_dict(choice) or {}).get("function")) or {}).get("name"))
    if not tools or named not in tools:
        raise Refused(f"'tool_choice' is {choice!r}: no such function is among the tools", "tool_choice")
    return named
