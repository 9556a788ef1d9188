"""Scenarios: what a script is made of. The same shapes in Python and in YAML.

    scenarios:
      - name: weather
        match: {model: "gpt-*", text: "weather", tool: get_weather, call: 1}
        answer:
          thinking: The user wants to know the weather.
          tools:
            - name: get_weather
              arguments: {city: Paris}
        pace: {first_s: 0.2, rate: 60}
        faults: [reset@token:5]

All fields may be left out; the first scenario that matches answers.

Law kept here: what makes no sense is refused when it is made, in Python (`UsageError`) as in a file, before anything is
asked.
"""

from __future__ import annotations

import json
import math
from typing import Any

from msgspec import Struct

from headrace.errors import UsageError
from headrace.events import StopReason
from headrace.sim.faults.fault import Fault
from headrace.sim.scenarios.match import regex

_WIRES = ("openai-chat", "anthropic")
_FIGURES = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UsageError(otherwise)


def _check_json(name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        why = "a date (in YAML, one in quotes is a text)" if "date" in str(error) else str(error)
        raise UsageError(f"'{name}' cannot be written as JSON: {why}") from None


def _between(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None:
        _check(low <= value <= high, f"'{name}' must be from {low:g} to {high:g}, not {value}")


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request must be like; what is left out matters not.

    Attributes:
        model: a pattern with ``*`` and ``?`` (without the options behind ``;``).
        text: a regular expression that is searched in what the user said last, upper or lower case.
        system: the same, in the system prompt.
        tool: the name of a tool that the request offers; ``"*"``: any tool at all.
        wire: ``openai-chat`` or ``anthropic``.
        stream: whether a stream is asked for.
        call: only the nth request that the rest matches, from 1.
        header: names and regular expressions of their values.
    """

    model: str | None = None
    text: str | None = None
    system: str | None = None
    tool: str | None = None
    wire: str | None = None
    stream: bool | None = None
    call: int | None = None
    header: dict[str, str] = {}

    def __post_init__(self) -> None:
        for pattern in (self.text, self.system, *self.header.values()):
            if pattern is not None:
                regex(pattern)
        if self.wire is not None:
            _check(self.wire in _WIRES, f"'wire' must be one of {', '.join(_WIRES)}, not {self.wire!r}")
        if self.call is not None:
            _check(self.call >= 1, f"'call' counts from 1, so it cannot be {self.call}")


class ToolUse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of a client's tool.

    Attributes:
        name: of the tool.
        arguments: a JSON value, or raw text, also such as is no JSON; ``schema``: what fits the tool that is offered.
        id: the call's; None: made by seed.
    """

    name: str
    arguments: Any = {}
    id: str | None = None

    def __post_init__(self) -> None:
        _check_json("arguments", self.arguments)


class Answer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said, in this order: thinking, text (or JSON, or a refusal), tool calls.

    Attributes:
        thinking: what is thought.
        text: what is said. ``{model}``, ``{text}`` and the like are not filled in: it is said as it stands.
        refusal: said in place of a text.
        json: a value that is written as JSON, in place of a text; ``schema`` in place of a value: an instance of the
            schema that the request gives.
        tools: what is called.
        usage: figures by the names of `headrace.Usage`, in place of those counted.
        stop_reason: how it ends; None: as the rest implies.
        native_stop_reason: the provider's word for it, in place of the wire's own.
        builtin: the name of a built-in answer (``prose``, ``code``, …), in place of all that.
    """

    thinking: str | None = None
    text: str | None = None
    refusal: str | None = None
    json: Any = None
    tools: tuple[ToolUse, ...] = ()
    usage: dict[str, int] = {}
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None
    builtin: str | None = None

    def __post_init__(self) -> None:
        said = [name for name in ("text", "refusal", "json") if getattr(self, name) is not None]
        _check(len(said) < 2, f"an answer has one of 'text', 'refusal' and 'json', not {' and '.join(map(repr, said))}")
        _check_json("json", self.json)
        for name, figure in self.usage.items():
            _check(name in _FIGURES, f"'usage' has no {name!r}; it has: {', '.join(_FIGURES)}")
            _check(figure >= 0, f"'usage' has {name!r} below 0")
        if self.builtin is not None:
            from headrace.sim.writing.answers import ANSWERS  # which nothing else needs to load a script

            known = ", ".join(ANSWERS)
            _check(self.builtin in ANSWERS, f"there is no built-in answer {self.builtin!r}; there are: {known}")
            _check(
                not (said or self.thinking is not None or self.tools),
                "'builtin' stands in place of what is said: leave out thinking, text, refusal, json and tools",
            )


class PaceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast it is said; what is left out is as usual.

    Attributes:
        first_s: seconds until the first token, in the median.
        first_sigma: how far that wait spreads; 0: not at all.
        rate: tokens a second, in the mean, whatever the rest says.
        gap_sigma: how far the gaps spread; 0: not at all, and then without bursts and pauses that are not asked for.
        burst_share: in which share of the gaps a burst begins.
        burst: its least and most further tokens.
        pause_share: which share of the gaps are pauses.
        pause: their least and most, in usual gaps.
        speed: a factor on all of it, or ``"max"``: no waiting at all.
    """

    first_s: float | None = None
    first_sigma: float | None = None
    rate: float | None = None
    gap_sigma: float | None = None
    burst_share: float | None = None
    burst: tuple[int, int] | None = None
    pause_share: float | None = None
    pause: tuple[float, float] | None = None
    speed: float | str | None = None

    def __post_init__(self) -> None:
        _between("first_s", self.first_s, 0, 3600)
        _between("rate", self.rate, 0.001, 1e6)
        _between("first_sigma", self.first_sigma, 0, 3)
        _between("gap_sigma", self.gap_sigma, 0, 3)
        _between("burst_share", self.burst_share, 0, 1)
        _between("pause_share", self.pause_share, 0, 1)
        for name, span, least in (("burst", self.burst, 1), ("pause", self.pause, 0.01)):
            if span is not None:
                _check(least <= span[0] <= span[1] <= 1e6, f"'{name}' is a least and a most, from {least} to 1000000")
        if isinstance(self.speed, str):
            _check(self.speed == "max", f"'speed' is a factor or max, not {self.speed!r}")
        else:
            _between("speed", self.speed, 0.001, 1e6)


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule: which requests, and what they get.

    Attributes:
        name: for the journal.
        match: which requests; by default all.
        answer: what is said; a text stands for ``Answer(text=…)``; None: what the model's name implies.
        pace: how fast.
        faults: what goes wrong.
        dialect: whose habits the stream has, see `headrace.sim.faults.dialects`.
        seed: what chance draws by.
        mix: further scenarios of which one is taken for each request, by seed and `weight`; what they leave out is
            taken from this one. Their `match` is not looked at.
        weight: of a scenario in a mix.
    """

    name: str = ""
    match: Match = Match()
    answer: Answer | str | None = None
    pace: PaceOptions = PaceOptions()
    faults: tuple[Fault | str, ...] = ()
    dialect: str | None = None
    seed: int | None = None
    mix: tuple[Scenario, ...] = ()
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.faults:
            from headrace.sim.faults.parse import check_faults, parse_fault

            check_faults([parse_fault(fault) if isinstance(fault, str) else fault for fault in self.faults])
        if self.dialect is not None:
            from headrace.sim.faults.dialects import DIALECTS

            known = ", ".join(DIALECTS)
            _check(self.dialect in DIALECTS, f"there is no dialect {self.dialect!r}; there are: {known}")
        _check(0 < self.weight < math.inf, f"'weight' must be above 0, not {self.weight}")
