"""Which requests a match takes."""

from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.sim.scenarios.match import matches, regex
from headrace.sim.scenarios.scenario import Match
from tests.sim.scenarios.asking import asking

TOOLS = {"get_weather": {"type": "object"}}


@pytest.mark.parametrize(
    ("match", "asked", "takes"),
    [
        ({}, {}, True),
        ({"model": "gpt-*"}, {"model": "gpt-5"}, True),
        ({"model": "gpt-*"}, {"model": "my-gpt-5"}, False),
        ({"model": "gpt-?"}, {"model": "gpt-5"}, True),
        ({"model": "gpt-?"}, {"model": "gpt-50"}, False),
        ({"model": "a[b]*.c"}, {"model": "a[b]x.c"}, True),
        ({"model": "a[b]*.c"}, {"model": "abx.c"}, False),
        ({"model": "sim/prose"}, {"model": "prose"}, True),
        ({"model": "prose"}, {"model": "sim/prose"}, True),
        ({"model": "sim/*"}, {"model": "gpt-5"}, True),  # which is named sim/gpt-5 in the library
        ({"model": "GPT-5"}, {"model": "gpt-5"}, False),
        ({"text": "Weather"}, {"text": "the weather in Paris"}, True),
        ({"text": "^weather"}, {"text": "the weather in Paris"}, False),
        ({"text": r"\d{3}"}, {"text": "a 123"}, True),
        ({"text": "weather"}, {"system": "weather"}, False),
        ({"system": "PIRATE"}, {"system": "You are a pirate."}, True),
        ({"system": "."}, {}, False),
        ({"tool": "get_weather"}, {"tools": TOOLS}, True),
        ({"tool": "get_*"}, {"tools": TOOLS}, False),
        ({"tool": "*"}, {"tools": TOOLS}, True),
        ({"tool": "*"}, {}, False),
        ({"wire": "anthropic"}, {"wire": "anthropic"}, True),
        ({"wire": "anthropic"}, {}, False),
        ({"stream": True}, {}, True),
        ({"stream": False}, {}, False),
        ({"stream": False}, {"stream": False}, True),
        ({"header": {"X-Team": "^red$"}}, {"headers": {"x-team": "Red"}}, True),
        ({"header": {"x-team": "^red$"}}, {"headers": {"x-team": "blue"}}, False),
        ({"header": {"x-team": ""}}, {}, False),
        ({"header": {"x-team": "", "x-other": ""}}, {"headers": {"x-team": ""}}, False),
        ({"model": "gpt-*", "text": "rain"}, {"model": "gpt-5"}, True),
        ({"model": "gpt-*", "text": "snow"}, {"model": "gpt-5"}, False),
        ({"call": 7}, {}, True),  # what counts is the chooser's
    ],
)
def test_a_match_takes_what_it_describes(match: dict[str, Any], asked: dict[str, Any], takes: bool) -> None:
    assert matches(Match(**match), asking(**asked)) is takes


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"text": "("}, r"'\(' is no regular expression: missing \)"),
        ({"system": "*"}, "'\\*' is no regular expression: nothing to repeat"),
        ({"header": {"x": "["}}, r"'\[' is no regular expression"),
        ({"text": "a{99999999999999}"}, "is no regular expression"),
        ({"wire": "openai"}, "'wire' must be one of openai-chat, anthropic, not 'openai'"),
        ({"call": 0}, "'call' counts from 1, so it cannot be 0"),
    ],
)
def test_what_matches_nothing_is_refused_when_it_is_written(field: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Match(**field)


def test_patterns_are_compiled_once() -> None:
    assert regex("rain") is regex("rain")
