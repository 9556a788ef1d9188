"""The page on scripts: its examples are read and do what they say, its tables are those of the code."""

import re
from pathlib import Path
from typing import Any

import pytest

from headrace.sim.scenarios.builtin import BUILTINS
from headrace.sim.scenarios.choose import Chooser
from headrace.sim.scenarios.load import load_script
from headrace.sim.scenarios.scenario import Answer, Match, PaceOptions, Scenario, ToolUse
from tests.sim.scenarios.asking import asking

PAGE = (Path(__file__).parents[3] / "docs" / "scripts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(yaml|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def chooser(tmp_path: Path, number: int) -> Chooser:
    kind, text = BLOCKS[number]
    path = tmp_path / f"script.{'py' if kind == 'python' else 'yaml'}"
    path.write_text(text, encoding="utf-8")
    return Chooser(load_script(path))


TOOLS = {"get_weather": {}, "get_time": {}}
ASKED: list[list[tuple[dict[str, Any], Any]]] = [
    [({"text": "the weather"}, "It rains."), ({"text": "the news"}, "There are none."), ({}, Answer(builtin="demo"))],
    [({"text": "the weather"}, "It rains.")],
    [
        ({"text": "the data"}, Answer(json={"rain": True, "millimetres": [1, 2.5, None]})),
        ({"text": "structured"}, Answer(json="schema")),
        ({"text": "forbidden"}, Answer(refusal="I would rather not.")),
        ({"text": "other"}, Answer(builtin="prose")),
    ],
    [({"text": "slow"}, Answer(builtin="demo")), ({"text": "fast", "model": "list"}, Answer(builtin="list"))],
    [({}, Answer(builtin="demo"))] * 3,
    [({}, "It rains.")],
    [
        ({"text": "the weather"}, "It rains."),
        ({"max_tokens": 5}, Answer(text="It", stop_reason="length")),
        ({"text": "Why?"}, "You ask test 'Why?'"),
        ({"text": "Oh."}, Answer(builtin="demo")),
    ],
]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_pages_examples_do_what_they_say(number: int, tmp_path: Path) -> None:
    chosen = chooser(tmp_path, number)
    for asked, answer in ASKED[number]:
        assert chosen.choose(asking(**asked)).answer == answer


def test_the_pages_finer_points(tmp_path: Path) -> None:
    tries = chooser(tmp_path, 1)
    first = {"model": "gpt-5", "text": "weather", "system": "Be brief.", "tools": TOOLS, "headers": {"x-team": "red"}}
    assert [tries.choose(asking(**first)).name for _ in range(2)] == ["first try", "second try"]
    paces = chooser(tmp_path, 3)
    assert paces.choose(asking("other")).pace == PaceOptions(first_s=0.3, rate=80)
    assert paces.choose(asking("fast")).pace == PaceOptions(first_s=0.3, rate=80, speed="max")
    faults = chooser(tmp_path, 4)
    assert [faults.choose(asking()).faults for _ in range(3)] == [("status:503",), ("cut:utf8", "reset@token:5"), ()]
    mixed = chooser(tmp_path, 5)
    names = {mixed.choose(asking()).name for _ in range(60)}
    assert names == {"unsteady", "unsteady/slow", "unsteady/gone"}


def test_all_fields_are_on_the_page() -> None:
    for kind in (Match, Answer, ToolUse, PaceOptions, Scenario):
        for field in kind.__struct_fields__:
            assert re.search(rf"\b{field}\b", PAGE), field


def test_the_pages_table_is_that_of_the_built_ins() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, builtin.help) for name, builtin in BUILTINS.items()]
