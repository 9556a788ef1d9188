"""The built-in scenarios: what a model's name implies.

A model named ``sim/prose``, or ``prose``, writes prose; a name that is none of these is ``demo``.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from headrace.sim.scenarios.match import SIM
from headrace.sim.scenarios.scenario import Answer, PaceOptions, Scenario


class Builtin(Struct, frozen=True):
    """A built-in scenario.

    Attributes:
        help: what it does, in one line.
        scenario: the same as a script would say it.
    """

    help: str
    scenario: Scenario


_PROSE = Answer(builtin="prose")

# What goes wrong, and how often.
_MISHAPS = {
    "rate-limit": (2.0, "status:429:1"),
    "server": (1.0, "status:500"),
    "overloaded": (1.0, "status:529"),
    "eof": (1.0, "eof"),
    "reset": (1.0, "reset"),
    "stall": (1.0, "stall"),
}
_FINE = 5.0

_FLAKY = Scenario(
    answer=_PROSE,
    mix=(
        Scenario(name="good", weight=_FINE),
        *[Scenario(name=name, weight=weight, faults=(fault,)) for name, (weight, fault) in _MISHAPS.items()],
    ),
)


def _answering(answer: str) -> Scenario:
    return Scenario(answer=Answer(builtin=answer))


_TABLE: dict[str, tuple[str, Scenario]] = {
    "demo": ("what the prompt asks for, as far as its words show", _answering("demo")),
    "prose": ("some paragraphs with headings", _answering("prose")),
    "markdown": ("everything that Markdown has", _answering("markdown")),
    "list": ("a list", _answering("list")),
    "table": ("a table", _answering("table")),
    "code": ("a program, in a language that the prompt names", _answering("code")),
    "json": ("JSON; an instance of the request's schema, if it has one", _answering("json")),
    "tools": ("calls of the tools that are offered, two at once if there are several", _answering("tools")),
    "thinking": ("thinking, then prose", _answering("thinking")),
    "unicode": ("emoji, scripts, combining marks: what is hard to cut", _answering("unicode")),
    "long": ("thousands of words", _answering("long")),
    "length": ("prose that is cut short by the limit of tokens", _answering("length")),
    "empty": ("nothing at all, and a proper end", _answering("empty")),
    "refusal": ("a refusal", _answering("refusal")),
    "filtered": ("prose that a content filter ends", _answering("filtered")),
    "slow": (
        "prose after 4 seconds, at 4 tokens a second",
        Scenario(answer=_PROSE, pace=PaceOptions(first_s=4, rate=4)),
    ),
    "fast": (
        "prose after 50 milliseconds, at 400 tokens a second",
        Scenario(answer=_PROSE, pace=PaceOptions(first_s=0.05, rate=400)),
    ),
    "burst": (
        "prose in bursts of tokens, with long pauses between",
        Scenario(
            answer=_PROSE,
            pace=PaceOptions(burst_share=0.5, burst=(10, 40), pause_share=0.3, pause=(5, 15)),
        ),
    ),
    "flaky": ("prose, or a refusal by status (429, 500, 529), an early end, a reset, a stall: by seed", _FLAKY),
    "error": ("prose, and half-way an error inside the stream", Scenario(answer=_PROSE, faults=("error",))),
}

BUILTINS: dict[str, Builtin] = {
    name: Builtin(line, replace(scenario, name=name)) for name, (line, scenario) in _TABLE.items()
}
"""All built-in scenarios, by name."""

DEFAULT = "demo"


def implied(model: str) -> Scenario:
    """Give the scenario that a model's name implies."""
    return BUILTINS.get(model.removeprefix(SIM), BUILTINS[DEFAULT]).scenario
