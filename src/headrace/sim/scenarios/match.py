"""Whether a request is like what a scenario asks for.

Law kept here: nothing is remembered; what counts requests (`Match.call`) is the chooser's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace.sim.asked.base import Asked
    from headrace.sim.scenarios.scenario import Match

SIM = "sim/"
"""What a model's name may begin with: the library's way to name the simulation, which servers do not see."""

ANY_TOOL = "*"


def matches(match: Match, asked: Asked) -> bool:
    """Tell whether a request is as wanted, all but for its number."""
    return (
        (match.wire is None or match.wire == asked.wire)
        and (match.stream is None or match.stream == asked.stream)
        and (match.model is None or _named(match.model, asked.model))
        and (match.tool is None or _offers(match.tool, asked))
        and (match.text is None or regex(match.text).search(asked.text) is not None)
        and (match.system is None or regex(match.system).search(asked.system) is not None)
        and all(_headed(name, wanted, asked) for name, wanted in match.header.items())
    )


@lru_cache(maxsize=512)
def regex(text: str) -> re.Pattern[str]:
    """Compile a script's regular expression, for upper and lower case alike.

    Raises:
        UsageError: if it is none.
    """
    try:
        return re.compile(text, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{text!r} is no regular expression: {error}") from None


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    # fnmatch would read brackets too, which stand in names of models
    pieces = {"*": ".*", "?": "."}
    return re.compile("".join([pieces.get(char) or re.escape(char) for char in pattern]), re.DOTALL)


def _named(pattern: str, model: str) -> bool:
    glob = _glob(pattern)
    return any(glob.fullmatch(name) for name in (model, model.removeprefix(SIM), SIM + model))


def _offers(tool: str, asked: Asked) -> bool:
    return bool(asked.tools) if tool == ANY_TOOL else tool in asked.tools


def _headed(name: str, wanted: str, asked: Asked) -> bool:
    value = asked.headers.get(name.lower())
    return value is not None and regex(wanted).search(value) is not None
