"""What is said: explicit answers as they stand, built-ins for both wires, with and without tools."""

import json
from typing import Any

import pytest

from headrace.sim.scenarios.builtin import BUILTINS, Builtin
from headrace.sim.scenarios.choose import Chooser
from headrace.sim.scenarios.compose import Said, SaidPart, compose
from headrace.sim.scenarios.scenario import Answer, Scenario, ToolUse
from headrace.sim.writing.answers import ANSWERS, NOTICE
from headrace.sim.writing.tokens import count
from tests.sim.scenarios.asking import asking

WIRES = ["openai-chat", "anthropic"]
TOOLS: dict[str, Any] = {
    "weather": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "add": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


def said(answer: Answer | str | None, index: int = 0, **fields: Any) -> Said:
    return compose(asking(**fields), Scenario(answer=answer), index)


def kinds(said: Said) -> list[str]:
    return [part.kind for part in said.parts]


# -- explicit


@pytest.mark.parametrize("wire", WIRES)
def test_what_a_script_says_is_said_as_it_stands(wire: str) -> None:
    tools = (ToolUse(name="add", arguments={"a": [1, None]}, id="x"), ToolUse(name="odd", arguments="{no json"))
    one = said(Answer(thinking="Hm. {model}", text="It ráins.", tools=tools), wire=wire, json=True, tools=TOOLS)
    assert [(p.kind, p.text, p.name) for p in one.parts] == [
        ("thinking", "Hm. {model}", None),
        ("text", "It ráins.", None),
        ("tool_call", '{"a": [1, null]}', "add"),
        ("tool_call", "{no json", "odd"),
    ]
    assert one.stop_reason == "tool_calls"
    assert one.parts[2].call_id == "x"
    assert str(one.parts[3].call_id).startswith("toolu_sim_" if wire == "anthropic" else "call_sim_")
    assert bool(one.parts[0].data) is (wire == "anthropic")
    assert one == said(Answer(thinking="Hm. {model}", text="It ráins.", tools=tools), wire=wire)


def test_a_text_stands_for_an_answer() -> None:
    assert said("x") == said(Answer(text="x")) == Said((SaidPart("text", "x"),))
    assert said("").parts == (SaidPart("text", ""),)
    assert said(Answer()).parts == ()


def test_no_answer_is_what_the_models_name_implies() -> None:
    assert said(None, model="sim/prose") == said(Answer(builtin="prose"))


def test_json_is_a_value_or_what_fits_the_requests_schema() -> None:
    assert said(Answer(json={"é": [1, None]})).parts[0].text == '{"é": [1, null]}'
    assert said(Answer(json="x")).parts[0].text == '"x"'
    assert said(Answer(json=False)).parts[0].text == "false"
    schema = {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}
    fitting = said(Answer(json="schema"), json=True, schema=schema)
    assert json.loads(fitting.parts[0].text) == {"n": 5}
    assert json.loads(said(Answer(json="schema")).parts[0].text)["simulated"] is True


def test_arguments_may_be_what_fits_the_tool() -> None:
    (call,) = said(Answer(tools=(ToolUse(name="add", arguments="schema"),)), tools=TOOLS).parts
    assert isinstance(json.loads(call.text)["n"], int)
    (call,) = said(Answer(tools=(ToolUse(name="gone", arguments="schema"),)), tools=TOOLS).parts
    assert call.text == "{}"
    assert said(Answer(tools=(ToolUse(name="add"),))).parts[0].text == "{}"


def test_a_refusal_is_a_field_on_one_wire_and_a_reason_on_the_other() -> None:
    for answer in (Answer(refusal="No."), Answer(builtin="refusal")):
        for wire, reason in zip(WIRES, ("complete", "refused"), strict=True):
            one = said(answer, wire=wire)
            assert (kinds(one), one.stop_reason) == (["refusal"], reason)


def test_ends_and_figures_are_the_scripts() -> None:
    answer = Answer(text="x", usage={"input_tokens": 5}, stop_reason="length", native_stop_reason="max")
    assert said(answer) == Said((SaidPart("text", "x"),), "length", "max", {"input_tokens": 5})
    over = Answer(builtin="tools", usage={"output_tokens": 1}, stop_reason="paused")
    one = said(over, tools=TOOLS)
    assert (one.stop_reason, one.usage, kinds(one)[-1]) == ("paused", {"output_tokens": 1}, "tool_call")


def test_calls_have_ids_of_their_own() -> None:
    tools = tuple(ToolUse(name="add") for _ in range(3))
    ids = [p.call_id for index in (0, 1) for p in said(Answer(tools=tools), index).parts]
    ids += [p.call_id for p in said(Answer(tools=tools), mark=100).parts]
    assert len(set(ids)) == 9


# -- built-ins


def test_every_built_in_has_its_line_of_help_and_its_name() -> None:
    for name, builtin in BUILTINS.items():
        assert isinstance(builtin, Builtin)
        assert builtin.scenario.name == name
        assert builtin.help
        assert "\n" not in builtin.help
    assert set(ANSWERS) < {*BUILTINS}


@pytest.mark.parametrize("tools", [{}, TOOLS], ids=["without", "with"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", BUILTINS)
def test_every_built_in_composes(name: str, wire: str, tools: Any) -> None:
    asked = asking(model=f"sim/{name}", wire=wire, tools=tools)
    scenario = Chooser().choose(asked)
    one = compose(asked, scenario, 0)
    assert one == compose(asked, scenario, 0)
    assert scenario.name.startswith(name)
    if name == "empty":
        assert one.parts == ()
        return
    assert "Simulated" in one.parts[0].text[:25] or json.loads(one.parts[0].text)["simulated"]
    wanted = {"thinking": ["thinking", "text"], "refusal": ["refusal"]}
    if tools:
        wanted["tools"] = ["text", "tool_call", "tool_call"]
    assert kinds(one) == wanted.get(name, ["text"])
    reasons = {"length": "length", "filtered": "filtered"}
    reasons |= {"tools": "tool_calls"} if tools else {}
    reasons |= {"refusal": "refused"} if wire == "anthropic" else {}
    assert one.stop_reason == reasons.get(name, "complete")


WRITING = [n for n in BUILTINS if n not in ("empty", "refusal", "filtered", "length")]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", WRITING)
def test_a_tool_that_must_be_called_is_called(name: str, wire: str) -> None:
    asked = asking(model=name, wire=wire, tools=TOOLS, functions=({"name": "weather"},))
    one = compose(asked, Chooser().choose(asked), 0)
    call = one.parts[-1]
    assert (one.stop_reason, call.kind, call.name) == ("tool_calls", "tool_call", "weather")
    assert json.loads(call.text) == {"city": "rain"}
    assert kinds(one)[:-1] == (["thinking"] if name == "thinking" else [])


@pytest.mark.parametrize("name", [n for n in WRITING if n != "tools"])
def test_json_that_is_demanded_is_written(name: str) -> None:
    schema = {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}
    asked = asking(model=name, json=True, schema=schema)
    assert json.loads(compose(asked, Chooser().choose(asked), 0).parts[-1].text) == {"n": 5}
    asked = asking(model=name, json=True)
    assert json.loads(compose(asked, Chooser().choose(asked), 0).parts[-1].text)["notice"] == NOTICE


def test_thinking_that_is_asked_for_is_thought() -> None:
    for name in ("demo", "prose", "code"):
        one = said(None, model=name, thinking=True, wire="anthropic")
        assert kinds(one) == ["thinking", "text"]
        assert len((one.parts[0].data or {})["signature"]) == 128
        assert one.parts[1] == said(None, model=name, wire="anthropic").parts[0]
    assert kinds(said("x", thinking=True)) == ["text"]


def test_tools_are_called_in_pairs_until_they_have_answered() -> None:
    one = said(None, model="tools", tools=TOOLS)
    assert {part.name for part in one.parts[1:]} == {"weather", "add"}
    assert all(f"{name}" in one.parts[0].text for name in TOOLS)
    alone = said(None, model="tools", tools={"add": TOOLS["add"]})
    assert [part.name for part in alone.parts] == [None, "add"]
    for fields in ({"tools": TOOLS, "answered": True}, {"tools": TOOLS, "tool_choice": "none"}, {}):
        after = said(None, model="tools", **fields)
        assert (kinds(after), after.stop_reason) == (["text"], "complete")
    assert len({p.name for seed in range(9) for p in said(None, model="tools", tools=TOOLS, seed=seed).parts[1:2]}) == 2


def test_what_is_cut_short_breaks_off() -> None:
    for name in ("length", "filtered"):
        one = said(None, model=name)
        assert 40 <= count(one.parts[0].text) <= 160
    cut = said(None, model="length", json=True).parts[0].text
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(cut)
    many = {"type": "object", "properties": {f"p{i}": {} for i in range(99)}, "required": [f"p{i}" for i in range(99)]}
    call = said(None, model="length", tools={"f": many}, functions=({"name": "f"},))
    assert (call.stop_reason, kinds(call)) == ("length", ["tool_call"])
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(call.parts[0].text)


def test_the_lengths_are_as_their_names_say() -> None:
    words = {name: len(said(None, model=name).parts[0].text.split()) for name in ("prose", "long")}
    assert words["long"] > 3000 > 300 > words["prose"]
    assert abs(len(said(None, model="long", words=300).parts[0].text.split()) - 300) < 90


def test_unicode_is_hard_to_cut() -> None:
    text = said(None, model="unicode").parts[0].text
    for piece in ("\u200d", "\U0001f468", "\u0301", "\u05de", "\u0645", "\u2028", "\ufeff", "\U0010ffff", "\u0001"):
        assert piece in text
    assert text.encode().decode() == text
    assert len(said(None, model="unicode", words=400).parts[0].text.split()) > 350


def test_markdown_has_it_all() -> None:
    for seed in range(4):
        text = said(None, model="markdown", seed=seed).parts[0].text
        for mark in (
            "\n# ",
            "\n## ",
            "\n- **",
            "\n1. **",
            "\n| |",
            "\n```",
            "\n> ",
            "- [x] ",
            "\n   - ",
            "](https:",
            "[^1]:",
        ):
            assert mark in text
    assert len(said(None, model="markdown", words=900).parts[0].text.split()) > 850


@pytest.mark.parametrize(("name", "mark"), [("code", "\n```"), ("table", "\n| |"), ("list", "\n- **"), ("json", "{\n")])
def test_some_write_but_one_thing_whatever_is_asked(name: str, mark: str) -> None:
    assert mark in "\n" + said(None, model=name, text="hello").parts[0].text


def test_the_seed_is_the_scenarios_or_the_requests() -> None:
    seven = compose(asking(seed=5), Scenario(seed=7, answer=Answer(builtin="prose")), 0)
    assert seven == compose(asking(seed=7), Scenario(answer=Answer(builtin="prose")), 0)
    assert "*A seed wrote this: 7.*" in seven.parts[0].text
    assert seven != compose(asking(seed=7), Scenario(answer=Answer(builtin="prose")), 1)
    assert seven != compose(asking(seed=5), Scenario(answer=Answer(builtin="prose")), 0)
