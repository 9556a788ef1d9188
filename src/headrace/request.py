"""What is asked of a model, before any wire has a say.

A conversation is a list of messages: OpenAI's dicts (``role``, ``content`` as text or parts), or messages of ours as
they were received, which become the assistant's turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from headrace.errors import UsageError
from headrace.message import Message

Turn = dict[str, Any]
Prompt = str | Message | Mapping[str, Any] | Sequence["str | Message | Mapping[str, Any]"]

_ROLES = ("system", "developer", "user", "assistant", "tool")


class Request(Struct, frozen=True, kw_only=True):
    """A request for one answer, streamed.

    Attributes:
        model: as the provider names it.
        messages: the conversation, as OpenAI's dicts.
        system: the system prompt, before all messages.
        max_tokens: the most tokens that the model may write.
        temperature, top_p, seed, stop, n, tools, tool_choice: as in OpenAI's API.
        extra: fields for the provider, passed on as they are; they win over ours.
    """

    model: str
    messages: list[Turn]
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    n: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    extra: dict[str, Any] | None = None


def make_request(
    model: str,
    prompt: Prompt | None = None,
    *,
    messages: Prompt | None = None,
    system: str | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop: str | Sequence[str] | None = None,
    n: int | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: str | Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Request:
    """Make a request of what a user gave.

    Raises:
        UsageError: if there is no prompt, or two, or something in it has the wrong shape.
    """
    if (prompt is None) == (messages is None):
        raise UsageError("give a prompt or messages, one of the two")
    if max_tokens is not None and max_tokens < 1:
        raise UsageError(f"max_tokens must be at least 1, not {max_tokens}")
    return Request(
        model=model,
        messages=turns(prompt if prompt is not None else messages),
        system=system,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        stop=[stop] if isinstance(stop, str) else list(stop) if stop is not None else None,
        n=n,
        tools=[dict(t) for t in tools] if tools is not None else None,
        tool_choice=dict(tool_choice) if isinstance(tool_choice, Mapping) else tool_choice,
        extra=dict(extra) if extra else None,
    )


def turns(prompt: Any) -> list[Turn]:
    """Bring a prompt or a conversation into the one form: a list of OpenAI's message dicts.

    Raises:
        UsageError: naming the message that has the wrong shape.
    """
    given: Any = [prompt] if isinstance(prompt, str | Message | Mapping) else prompt
    if not isinstance(given, Sequence) or not given:
        raise UsageError("messages must be a prompt or a list of messages that is not empty")
    return [_turn(item, where) for where, item in enumerate(given)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _turn(item: Any, where: int) -> Turn:
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if isinstance(item, Message):
        return assistant_turn(item)
    if not isinstance(item, Mapping):
        raise UsageError(f"messages[{where}] must be a dict with 'role' and 'content', not {type(item).__name__}")
    turn: Turn = dict(cast("Mapping[str, Any]", item))
    role, content = turn.get("role"), turn.get("content")
    if role not in _ROLES:
        raise UsageError(f"messages[{where}] has the role {role!r}; it must be one of {', '.join(_ROLES)}")
    if not (isinstance(content, str | list) or (content is None and role == "assistant")):
        raise UsageError(f"messages[{where}] must have a 'content' that is a text or a list of parts")
    return turn


def assistant_turn(message: Message) -> Turn:
    """Turn a message that was received into the assistant's turn of the next request: its text and its tool calls."""
    turn: Turn = {"role": "assistant", "content": message.text or message.refusal or None}
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments or "{}"}}
        for c in message.tool_calls
    ]
    if calls:
        turn["tool_calls"] = calls
    elif turn["content"] is None:
        turn["content"] = ""
    return turn
