"""A request, understood: what all wires' requests have in common.

Law kept here: what cannot be understood is refused as a provider would, naming the field; nothing is guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from headrace.sim.asked.options import Options
from headrace.sim.asked.refused import Refused
from headrace.sim.dice import stable_hash
from headrace.sim.writing.tokens import count
from headrace.wire.lenient_json import as_dict, as_list, as_text
from headrace.wire.providers import WireName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


class Asked(Struct, frozen=True, kw_only=True):
    """A request, understood.

    Attributes:
        wire: whose it is.
        stream: whether a stream is wanted, or one document.
        model: the name without its options.
        prompt: what the user said last.
        before: what the user said before that, or "".
        system: the system prompt, or "".
        tools: the schemas of the functions that may be called, by their names.
        tool_choice: ``auto``, ``none``, ``required``, or the name of the function that must be called.
        functions: those of which one must be called; empty: a text is wanted.
        answered: whether what the user says last are results of tools.
        json: whether only JSON is wanted.
        schema: what the JSON must be like; None: any.
        thinking: whether thinking is switched on.
        max_tokens: the most that may be written, or None.
        stop: the texts that end the answer.
        n: how many answers.
        include_usage: whether the usage is to be written into a stream.
        prompt_tokens: how many tokens the request has.
        seed: what the answer is drawn by.
        mark: a number made of the seed and the conversation, for ids and times.
        options: what was asked of the simulation itself.
        headers: of the call, names in lower case.
        body: of the call, decoded.
    """

    wire: WireName = "openai-chat"
    stream: bool = True
    model: str
    prompt: str
    before: str = ""
    system: str = ""
    tools: dict[str, Any] = {}
    tool_choice: str = "auto"
    functions: tuple[dict[str, Any], ...] = ()
    answered: bool = False
    json: bool = False
    schema: dict[str, Any] | None = None
    thinking: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    include_usage: bool = True
    prompt_tokens: int = 0
    seed: int
    mark: int
    options: Options = Options()
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}

    def __repr__(self) -> str:
        # the key stands in the headers, and a conversation in the body
        return f"Asked({self.wire}, {self.model!r}, {self.prompt_tokens} tokens)"

    @property
    def text(self) -> str:
        """What the user said last, as `prompt`."""
        return self.prompt

    @property
    def words(self) -> int | None:
        """About how many are wanted; None: as many as the answer likes."""
        return self.options.words


class Turn(Struct):
    """One message of a conversation, as far as the simulation reads it."""

    role: str
    content: str | list[Any] | None = None

    def text(self) -> str:
        """Give what is said in it."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join([t for part in self.content or () if (t := as_text((as_dict(part) or {}).get("text")))])

    def size(self) -> int:
        """Count its tokens."""
        return 4 + _size(self.content)


def _size(content: Any) -> int:
    """Count the tokens of a content: those of its texts, and of what a tool was given or gave."""
    if isinstance(content, str):
        return count(content)
    total = 0
    for part in as_list(content) or ():
        fields = as_dict(part) or {}
        total += count(as_text(fields.get("text"))) + _size(fields.get("content"))
        if "input" in fields:
            total += count_json(fields["input"])
    return total


def count_json(value: Any) -> int:
    """Count the tokens of a value, written as JSON."""
    return count(msgspec.json.encode(value).decode())


def decode_body(data: bytes, decoder: msgspec.json.Decoder[T]) -> tuple[T, dict[str, Any]]:
    """Decode a request's body: as a wire wants it, and as it is.

    Raises:
        Refused: naming the field that is wrong.
    """
    try:
        return decoder.decode(data), msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        said = str(error)
    place = _PLACE.search(said)
    missing = _MISSING.search(said)
    # as the vendors name it: messages.0.role
    names = [re.sub(r"\[(\d+|\.\.\.)\]", r".\1", place[1])] if place and place[1] else []
    if missing:
        names.append(missing[1])
    raise BadBody(said, ".".join(names)) from None


class BadBody(Refused):
    """A body that is not what its wire wants.

    Attributes:
        place: of what is wrong there, with points; "": it is no JSON object at all.
        said: what is wrong, without the place.
    """

    def __init__(self, said: str, place: str) -> None:
        super().__init__(f"the request's body is not understood: {said}", place.partition(".")[0] or None)
        self.place = place
        self.said = "Field required" if _MISSING.search(said) else _PLACE.sub("", said)


class Conversation(Struct, frozen=True):
    """What a request's turns say together.

    Attributes:
        prompt: what the user said last.
        before: what the user said before that, or "".
        seed: what the answer is drawn by.
        mark: a number made of the seed and the conversation.
    """

    prompt: str
    before: str
    seed: int
    mark: int


def conversation_of(turns: list[Turn], *, given: int | None, base: int | None) -> Conversation:
    """Read a conversation.

    Args:
        turns: all of it, the system prompt first.
        given: the request's own seed, if it has one.
        base: the provider's seed, if it has one; it changes the seeds that are made of conversations.
    """
    data = msgspec.json.encode(turns)
    seed = given
    if seed is None:
        seed = stable_hash(data if base is None else b"%d/%s" % (base, data))
    said = [turn.text() for turn in turns if turn.role == "user"]
    said = [text for text in said if text] or said or [turns[-1].text()]
    return Conversation(said[-1], said[-2] if len(said) > 1 else "", seed, stable_hash(b"%d/%s" % (seed, data)))


def functions_for(choice: str, tools: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Give the functions of which one must be called.

    Raises:
        Refused: if there is none.
    """
    if choice in ("auto", "none"):
        return ()
    if not tools:
        raise Refused("'tool_choice' is only allowed when 'tools' has functions with names", "tool_choice")
    names: Iterable[str] = tools if choice == "required" else [name for name in tools if name == choice]
    return tuple([{"name": name, "parameters": tools[name]} for name in names])
