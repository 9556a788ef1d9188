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
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from headrace.events import StopReason
from headrace.sim.faults.fault import Fault


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


class ToolUse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call of a client's tool.

    Attributes:
        name: of the tool.
        arguments: a JSON value, or raw text, also such as is no JSON.
        id: the call's; None: made by seed.
    """

    name: str
    arguments: Any = {}
    id: str | None = None


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


class PaceOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast it is said; what is left out is as usual.

    Attributes:
        first_s: seconds until the first token, in the median; `first_sigma`: how far it spreads (0: not at all).
        rate: tokens a second, in the mean; `gap_sigma`: how far the gaps spread (0: not at all).
        burst_share: in which share of the gaps a burst begins; `burst`: its least and most tokens.
        pause_share: in which share of the gaps there is a pause; `pause`: its least and most gaps.
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
