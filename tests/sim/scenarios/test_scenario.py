"""What a scenario may be, and what is refused at once."""

import datetime
from typing import Any

import msgspec
import pytest

from headrace.errors import UsageError
from headrace.sim.faults.fault import Fault
from headrace.sim.scenarios.scenario import Answer, PaceOptions, Scenario, ToolUse

ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


def test_everything_may_be_left_out() -> None:
    assert Scenario().answer is None
    assert Answer() == msgspec.convert({}, Answer)
    assert PaceOptions(speed="max", burst=(1, 5), pause=(0.5, 2.0), pause_share=1.0).speed == "max"
    assert Scenario(dialect="ollama", faults=("reset@token:5", Fault(kind="drip")), weight=0.5).weight == 0.5


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (Answer, {"text": "a", "refusal": "b"}, "one of 'text', 'refusal' and 'json', not 'text' and 'refusal'"),
        (Answer, {"text": "a", "json": 1}, "not 'text' and 'json'"),
        (
            Answer,
            {"usage": {"prompt_tokens": 5}},
            "'usage' has no 'prompt_tokens'; it has: input_tokens, output_tokens",
        ),
        (Answer, {"usage": {"input_tokens": -5}}, "'usage' has 'input_tokens' below 0"),
        (
            Answer,
            {"json": datetime.date(2026, 1, 2)},
            "'json' cannot be written as JSON: a date .in YAML, one in quotes",
        ),
        (Answer, {"json": [float("nan")]}, "'json' cannot be written as JSON"),
        (Answer, {"json": ENDLESS}, "'json' cannot be written as JSON"),
        (ToolUse, {"name": "x", "arguments": {"day": {1, 2}}}, "'arguments' cannot be written as JSON"),
        (Answer, {"builtin": "poem"}, "there is no built-in answer 'poem'; there are: demo, prose"),
        (Answer, {"builtin": "prose", "text": "x"}, "'builtin' stands in place of what is said"),
        (Answer, {"builtin": "prose", "thinking": "x"}, "'builtin' stands in place of what is said"),
        (PaceOptions, {"first_s": -1}, "'first_s' must be from 0 to 3600, not -1"),
        (PaceOptions, {"rate": 0}, "'rate' must be from 0.001 to 1e\\+06, not 0"),
        (PaceOptions, {"rate": float("nan")}, "'rate' must be"),
        (PaceOptions, {"gap_sigma": 4}, "'gap_sigma' must be from 0 to 3, not 4"),
        (PaceOptions, {"first_sigma": -1}, "'first_sigma' must be"),
        (PaceOptions, {"burst_share": 2}, "'burst_share' must be from 0 to 1, not 2"),
        (PaceOptions, {"pause_share": -1}, "'pause_share' must be"),
        (PaceOptions, {"burst": (5, 2)}, "'burst' is a least and a most, from 1"),
        (PaceOptions, {"pause": (0.0, 2)}, "'pause' is a least and a most, from 0.01"),
        (PaceOptions, {"speed": "fast"}, "'speed' is a factor or max, not 'fast'"),
        (PaceOptions, {"speed": 0}, "'speed' must be from 0.001"),
        (Scenario, {"faults": ("rest",)}, "there is no fault 'rest'"),
        (Scenario, {"faults": (Fault(kind="rest"),)}, "there is no fault 'rest'"),
        (Scenario, {"faults": ("eof", "reset")}, "contradict each other"),
        (Scenario, {"dialect": "klingon"}, "there is no dialect 'klingon'; there are: .*ollama"),
        (Scenario, {"weight": 0}, "'weight' must be above 0, not 0"),
        (Scenario, {"weight": float("inf")}, "'weight' must be above 0, not inf"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: Any, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        kind(**fields)
