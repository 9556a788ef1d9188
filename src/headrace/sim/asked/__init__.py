"""What is asked of the simulation: a request's body, and the options in the model's name.

The name is ``anything;key=value;…``:

- ``seed=N``: another answer. By default the seed is made of the conversation, so that a prompt has its answer; the
  body's ``seed`` is one too, the name's goes before it.
- ``words=N``: about how long the answer is.
- ``first=S``, ``rate=N``: seconds until the first token, tokens a second.
- ``speed=N``: a factor on the pace; ``speed=max``: no waiting. ``HEADRACE_SIM_SPEED`` is the default.

Law kept here: what cannot be understood is refused as a provider would, naming the field; nothing is guessed.
"""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from headrace.sim.dice import stable_hash
from headrace.sim.pace import Tempo
from headrace.sim.writing.tokens import count
from headrace.wire.lenient_json import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

SPEED_VARIABLE = "HEADRACE_SIM_SPEED"


class Refused(Exception):
    """The request is answered with an error.

    Attributes:
        param: the field that is wrong, or None.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Asked(Struct, frozen=True, kw_only=True):
    """A request, understood.

    Attributes:
        model: the name without its options.
        seed: what the answer is drawn by.
        mark: a number made of the seed and the conversation, for ids.
        tempo: what the pace is drawn around.
        words: about how many are wanted; None: as many as the answer likes.
        prompt: what the user said last.
        before: what the user said before that, or "".
        system: the system prompt, or "".
        max_tokens: the most that may be written, or None.
        stop: the texts that end the answer.
        n: how many answers.
        json: whether only JSON is wanted.
        functions: those of which one must be called; empty: a text is wanted.
        include_usage: whether the usage is to be written.
        prompt_tokens: how many tokens the conversation has.
    """

    model: str
    seed: int
    mark: int
    tempo: Tempo
    words: int | None
    prompt: str
    before: str
    system: str
    max_tokens: int | None
    stop: tuple[str, ...]
    n: int
    json: bool
    functions: tuple[dict[str, Any], ...]
    include_usage: bool
    prompt_tokens: int


class _Turn(Struct):
    role: str
    content: str | list[Any] | None = None

    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join([t for part in self.content or () if (t := as_text((as_dict(part) or {}).get("text")))])


_Limit = Annotated[int, Meta(ge=1)] | None


class _Body(Struct):
    model: str
    messages: Annotated[list[_Turn], Meta(min_length=1)]
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    seed: int | None = None
    max_tokens: _Limit = None
    max_completion_tokens: _Limit = None
    stop: str | list[str] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None


_body = msgspec.json.Decoder(_Body)
_PLACE = re.compile(r"`\$\.(\w+)")


def read(data: bytes) -> Asked:
    """Read a request's body.

    Raises:
        Refused: if it is to be answered with an error.
    """
    try:
        body = _body.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        raise Refused(f"the request's body is not understood: {error}", place and place[1]) from None
    if not body.stream:
        raise Refused("the simulation only streams: 'stream' must be true", "stream")
    name, *options = body.model.split(";")
    given = _options(options)
    conversation = msgspec.json.encode(body.messages)
    seed = given.get("seed", body.seed)
    seed = stable_hash(conversation) if seed is None else seed
    tempo = Tempo()
    limits = [limit for limit in (body.max_completion_tokens, body.max_tokens) if limit is not None]
    said = [turn.text() for turn in body.messages if turn.role == "user"] or [body.messages[-1].text()]
    return Asked(
        model=name,
        seed=seed,
        mark=stable_hash(b"%d/%s" % (seed, conversation)),
        tempo=Tempo(
            first_s=given.get("first", tempo.first_s),
            rate=given.get("rate", tempo.rate),
            speed=given["speed"] if "speed" in given else _default_speed(),
        ),
        words=given.get("words"),
        prompt=said[-1],
        before=said[-2] if len(said) > 1 else "",
        system="\n".join([turn.text() for turn in body.messages if turn.role in ("system", "developer")]),
        max_tokens=min(limits, default=None),
        stop=_stops(body.stop),
        n=body.n or 1,
        json=(body.response_format or {}).get("type") in ("json_object", "json_schema"),
        functions=_functions(body),
        include_usage=(body.stream_options or {}).get("include_usage") is True,
        prompt_tokens=3 + sum(4 + count(turn.text()) for turn in body.messages),
    )


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(text)
    return value


def _whole(text: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise ValueError(text)
    return value


def _speed(text: str) -> float | None:
    return None if text == "max" else _number(text, 0.001, 1e6)


_OPTIONS: dict[str, tuple[Callable[[str], Any], str]] = {
    "first": (lambda text: _number(text, 0, 3600), "seconds from 0 to 3600"),
    "rate": (lambda text: _number(text, 0.01, 1e6), "tokens a second, from 0.01 to 1000000"),
    "seed": (int, "a whole number"),
    "speed": (_speed, "a factor from 0.001 to 1000000, or max"),
    "words": (lambda text: _whole(text, 1, 20_000), "a whole number from 1 to 20000"),
}


def _options(options: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if key not in _OPTIONS or not equals:
            known = ", ".join(_OPTIONS)
            raise Refused(
                f"the model's name has {option!r}; options are written key=value, known are: {known}", "model"
            )
        given[key] = _read(key, value, f"the option {key!r} in the model's name", "model")
    return given


def _default_speed() -> float | None:
    value = os.environ.get(SPEED_VARIABLE, "").strip()
    speed: float | None = _read("speed", value, f"the environment's {SPEED_VARIABLE}", None) if value else Tempo().speed
    return speed


def _read(key: str, value: str, where: str, param: str | None) -> Any:
    convert, wanted = _OPTIONS[key]
    try:
        return convert(value)
    except ValueError:
        raise Refused(f"{where} must be {wanted}, not {value[:80]!r}", param) from None


def _stops(stop: str | list[str] | None) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > 4 or not all(stops):
        raise Refused("'stop' must be a text or at most four, none of them empty", "stop")
    return tuple(stops)


def _functions(body: _Body) -> tuple[dict[str, Any], ...]:
    """Find the functions of which one must be called."""
    choice = body.tool_choice
    if choice in (None, "none", "auto"):
        return ()
    functions = [f for tool in body.tools or () if (f := as_dict(tool.get("function"))) and as_text(f.get("name"))]
    if not functions:
        raise Refused("'tool_choice' is only allowed when 'tools' has functions with names", "tool_choice")
    if choice == "required":
        return tuple(functions)
    named = (as_dict((as_dict(choice) or {}).get("function")) or {}).get("name")
    found = [f for f in functions if f["name"] == named]
    if not found:
        raise Refused(f"'tool_choice' is {choice!r}: no such function is among the tools", "tool_choice")
    return tuple(found[:1])
