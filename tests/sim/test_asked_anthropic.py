"""Requests of the wire anthropic: what is read of them, and what is refused."""

import json
from typing import Any

import pytest

from headrace.sim.asked.anthropic import count_tokens, read
from headrace.sim.asked.base import Asked
from headrace.sim.play import Call
from headrace.sim.provider import SimulatedProvider, play
from tests.sim.asking import call, call_of, header, played, status

TOOLS = [
    {"name": "add", "input_schema": {"type": "object"}},
    {"type": "custom", "name": "sub", "input_schema": {"type": "object", "properties": {}}},
    {"type": "web_search_20250305", "name": "web_search"},
]
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "one two"}]}


def ask(**more: Any) -> Call:
    return call("anthropic", **more)


def asked(**more: Any) -> Asked:
    return read(ask(**more))


def refused(asking: Call) -> tuple[str, str]:
    refusal = play(asking)
    assert (status(refusal), header(refusal, "content-type")) == (400, "application/json")
    value = json.loads(played(refusal))
    assert value["type"] == "error"
    assert value["request_id"] == header(refusal, "request-id")
    return value["error"]["type"], value["error"]["message"]


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": None}, "max_tokens: Expected `int`, got `null`"),
        ({"max_tokens": 0}, "max_tokens: Expected `int` >= 1"),
        ({"messages": []}, "messages: Expected `array` of length >= 1"),
        ({"messages": "hi"}, "messages: Expected `array`, got `str`"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role: Field required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: Expected"),
        ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages.1.role: Input should be 'user' or"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system".'),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0: all messages must have non-empty content"),
        ({"messages": [{"role": "assistant", "content": ""}, USER]}, "messages.0: all messages must have non-empty"),
        ({"model": ""}, "model: String should have at least 1 character"),
        ({"model": "x;speed=0"}, "the option 'speed' in the model's name must be"),
        ({"system": 5}, "system: Expected"),
        ({"stop_sequences": ["a", " "]}, "stop_sequences: each stop sequence must contain non-whitespace"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.custom.name: Field required"),
        ({"tools": [{"name": "add"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tool_choice": {"type": "tool", "name": "add"}}, "tool_choice: Tool 'add' not found in provided tools"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "web_search"}}, "tool_choice: Tool 'web_search'"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type: Input should be 'auto', 'any', 'none' or 'tool'"),
        ({"tool_choice": {"type": "any"}}, "'tool_choice' is only allowed when 'tools' has functions"),
        ({"thinking": {"type": "on"}}, "thinking.type: Input should be"),
        ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "thinking.enabled.budget_tokens: Input should be gr"),
        (
            {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
            "max_tokens: must be greater than `thinking.budget_tokens`",
        ),
        (
            {
                "tools": TOOLS,
                "tool_choice": {"type": "any"},
                "thinking": {"type": "enabled", "budget_tokens": 2000},
            },
            "thinking: Thinking may not be enabled when tool_choice forces tool use.",
        ),
    ],
)
def test_a_bad_field_is_refused_by_its_place(fields: dict[str, Any], said: str) -> None:
    kind, message = refused(ask(**fields))
    assert kind == "invalid_request_error"
    assert message.startswith(said)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the body: "),
        (b"[]", "the body: Expected `object`, got `array`"),
        (b'{"messages":[{"role":"user","content":"hi"}],"max_tokens":5}', "model: Field required"),
        (b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', "max_tokens: Field required"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, said: str) -> None:
    assert refused(call_of(data, "anthropic"))[1].startswith(said)


def test_a_request_in_all_its_fields() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = asked(
        model="m-1;words=5;seed=7",
        prompt="what now",
        stream=False,
        max_tokens=9,
        system=[{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}],
        stop_sequences=["one", "two", "three", "four", "five"],
        tools=TOOLS,
        tool_choice={"type": "tool", "name": "sub"},
        output_config={"format": {"type": "json_schema", "schema": schema}},
        headers={"anthropic_version": "2023-06-01"},
    )
    assert (found.wire, found.stream, found.model, found.words, found.seed) == ("anthropic", False, "m-1", 5, 7)
    assert (found.max_tokens, found.stop) == (9, ("one", "two", "three", "four", "five"))
    assert (found.prompt, found.system, found.json, found.schema) == ("what now", "Be kind.\nBe brief.", True, schema)
    assert list(found.tools) == ["add", "sub"]
    assert (found.tool_choice, [f["name"] for f in found.functions]) == ("sub", ["sub"])
    assert (found.n, found.include_usage, found.headers["anthropic-version"]) == (1, True, "2023-06-01")
    assert asked(output_format={"type": "json_schema", "schema": schema}).schema == schema


def test_a_request_with_none_of_them() -> None:
    found = asked(stream=None)
    assert (found.stream, found.stop, found.thinking, found.system, found.before) == (False, (), False, "", "")
    assert (found.json, found.schema, found.tools, found.tool_choice, found.functions) == (False, None, {}, "auto", ())
    assert found.prompt_tokens == 3 + 4 + 1


@pytest.mark.parametrize(
    ("choice", "called", "offered"),
    [("auto", [], ["add", "sub"]), ("none", [], []), ("any", ["add", "sub"], ["add", "sub"])],
)
def test_which_tools_may_be_called(choice: str, called: list[str], offered: list[str]) -> None:
    found = asked(tools=TOOLS, tool_choice={"type": choice})
    assert ([f["name"] for f in found.functions], list(found.tools)) == (called, offered)


@pytest.mark.parametrize(
    ("thinking", "thinks", "thinks_between"),
    [
        (None, False, False),
        ({"type": "disabled"}, False, False),
        ({"type": "adaptive"}, True, True),
        ({"type": "enabled", "budget_tokens": 1024}, True, True),
        ({"type": "between_tools"}, False, True),
    ],
)
def test_whether_it_is_to_think(thinking: Any, thinks: bool, thinks_between: bool) -> None:
    assert asked(thinking=thinking).thinking == thinks
    assert asked(thinking=thinking, messages=[{"role": "user", "content": [RESULT]}]).thinking == thinks_between


def test_results_of_tools_are_seen_and_counted_and_are_not_what_the_user_said() -> None:
    use = {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}}
    turns = [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [RESULT]}]
    found = asked(messages=turns)
    assert (found.answered, found.prompt, found.before) == (True, "hi", "")
    arguments = 5  # {" a ": 1 }
    assert found.prompt_tokens == 3 + (4 + 1) + (4 + arguments) + (4 + 2)
    assert not asked(messages=[USER]).answered


def test_an_empty_last_turn_of_the_model_is_taken() -> None:
    assert asked(messages=[USER, {"role": "assistant", "content": ""}]).prompt == "hi"


def test_the_same_prompt_has_the_same_seed_on_both_wires() -> None:
    from headrace.sim.asked.openai_chat import read as read_other

    assert asked(prompt="Tell me of rain").seed == read_other(call(prompt="Tell me of rain")).seed
    other = read_other(call(messages=[{"role": "system", "content": "Be kind."}, USER]))
    assert asked(system="Be kind.", messages=[USER]).mark == other.mark


def test_tokens_are_counted_for_who_asks() -> None:
    path = "/v1/messages/count_tokens"
    data = json.dumps({"model": "m;seed=7", "messages": [USER], "tools": TOOLS, "system": "Be kind."}).encode()
    told = play(call_of(data, path=path))
    assert status(told) == 200
    assert json.loads(played(told)) == {
        "input_tokens": asked(messages=[USER], tools=TOOLS, system="Be kind.").prompt_tokens
    }
    assert count_tokens(call_of(data)) > 10
    assert status(SimulatedProvider().play(call_of(b'{"model":"m"}', path=path))) == 400
