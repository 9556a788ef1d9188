"""Requests of the wire openai-chat: what is read of them, and what is refused."""

import json
from typing import Any

import pytest

from headrace.sim.asked.base import Asked
from headrace.sim.asked.openai_chat import read
from headrace.sim.provider import play
from tests.sim.asking import body, call_of, header, played, status

TOOLS = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
    {"type": "custom", "custom": {"name": "sub"}},
    {"type": "function", "function": {"name": "zero"}},
]


def asked(prompt: str = "hi", **more: Any) -> Asked:
    return read(call_of(body(prompt, **more)))


def refused(data: bytes) -> dict[str, Any]:
    refusal = play(call_of(data))
    assert (status(refusal), header(refusal, "content-type")) == (400, "application/json")
    error: dict[str, Any] = json.loads(played(refusal))["error"]
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messages", []),
        ("messages", "hi"),
        ("messages", [{"content": "x"}]),
        ("messages", [{"role": "user", "content": 5}]),
        ("model", 5),
        ("model", ""),
        ("stream", "yes"),
        ("seed", "7"),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("n", 0),
        ("n", 129),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("tools", {}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "add"}}),
        ("response_format", "json"),
        ("reasoning_effort", 1),
    ],
)
def test_a_bad_field_is_refused_by_its_name(field: str, value: Any) -> None:
    error = refused(body(**{field: value}))
    assert error["param"] == field
    assert field in error["message"]


@pytest.mark.parametrize("choice", ["any", {"function": {"name": "sub"}}, {"function": {}}, {}])
def test_a_function_that_is_none_of_the_tools(choice: Any) -> None:
    assert refused(body(tools=TOOLS, tool_choice=choice))["param"] == "tool_choice"


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        (b'{"model":"\xff"}', None),
        (b"[" * 100_000, None),
        (b'{"model":"x"}', "messages"),
        (b'{"messages":[{"role":"user","content":"\\ud800"}]}', None),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, param: str | None) -> None:
    error = refused(data)
    assert "the request's body is not understood" in error["message"]
    assert error["param"] == param


def test_a_request_without_a_model() -> None:
    error = refused(b'{"messages":[{"role":"user","content":"hi"}]}')
    assert (error["param"], error["message"]) == ("model", "you must provide a model parameter")


def test_the_seed_of_the_name_goes_before_the_bodys() -> None:
    assert [asked(model=f"x{o}", seed=s).seed for o, s in (("", 7), (";seed=8", 7), (";seed=-8", None))] == [7, 8, -8]


def test_the_conversation_is_read_to_its_last_question() -> None:
    found = asked(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url"}, "three"]},
        ]
    )
    assert (found.prompt, found.before, found.system) == ("two", "one", "Be kind.\nBe brief.")
    assert found.text == found.prompt
    assert asked(messages=[{"role": "system", "content": "alone"}]).prompt == "alone"
    assert asked(messages=[{"role": "user", "content": ""}]).prompt == ""


def test_a_request_in_all_its_fields() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = asked(
        model="m-1;words=5;seed=7",
        stream=False,
        max_tokens=9,
        max_completion_tokens=8,
        stop="end",
        n=2,
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "add"}},
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        reasoning_effort="low",
    )
    assert (found.wire, found.stream, found.model, found.words, found.seed) == ("openai-chat", False, "m-1", 5, 7)
    assert (found.max_tokens, found.stop, found.n, found.thinking) == (8, ("end",), 2, True)
    assert (found.json, found.schema) == (True, schema)
    assert found.tools == {"add": {"type": "object"}, "zero": None}
    assert (found.tool_choice, found.functions) == ("add", ({"name": "add", "parameters": {"type": "object"}},))
    assert found.body["reasoning_effort"] == "low"


def test_a_request_with_none_of_them() -> None:
    found = read(call_of(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}', headrace_sim="words=3", x="y"))
    assert (found.stream, found.max_tokens, found.stop, found.n, found.thinking) == (False, None, (), 1, False)
    assert (found.json, found.schema, found.tools, found.tool_choice, found.functions) == (False, None, {}, "auto", ())
    assert (found.include_usage, found.answered, found.words) == (False, False, 3)
    assert found.headers["x"] == "y"
    assert found.prompt_tokens == 3 + 4 + 1


@pytest.mark.parametrize(
    ("choice", "called", "offered"),
    [("auto", [], ["add", "zero"]), ("none", [], []), ("required", ["add", "zero"], ["add", "zero"])],
)
def test_which_tools_may_be_called(choice: str, called: list[str], offered: list[str]) -> None:
    found = asked(tools=TOOLS, tool_choice=choice)
    assert ([f["name"] for f in found.functions], list(found.tools), found.tool_choice) == (called, offered, choice)


@pytest.mark.parametrize(
    ("form", "json_wanted", "schema"),
    [
        ({"type": "text"}, False, None),
        ({"type": "json_object"}, True, None),
        ({"type": "json_object", "schema": {"type": "array"}}, True, {"type": "array"}),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, True, None),
    ],
)
def test_the_form_of_the_answer(form: Any, json_wanted: bool, schema: Any) -> None:
    found = asked(response_format=form)
    assert (found.json, found.schema) == (json_wanted, schema)


def test_results_of_tools_are_seen_and_counted() -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "tool", "content": "four", "tool_call_id": "c"}]
    found = asked(messages=turns)
    assert (found.answered, found.prompt) == (True, "hi")
    assert found.prompt_tokens == 3 + 5 + 5
    assert asked(tools=TOOLS).prompt_tokens > asked().prompt_tokens


def test_whether_it_is_to_think() -> None:
    assert [asked(reasoning_effort=effort).thinking for effort in (None, "none", "minimal", "high")] == [
        False,
        False,
        True,
        True,
    ]


def test_neither_keys_nor_conversations_are_shown_by_accident() -> None:
    found = read(call_of(body("my secret"), authorization="Bearer sk-secret"))
    assert found.headers["authorization"] == "Bearer sk-secret"
    assert repr(found) == f"Asked(openai-chat, 'test', {found.prompt_tokens} tokens)"
