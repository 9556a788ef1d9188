"""Tools: when the simulation calls them, and arguments that fit."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.sim.dice import Dice
from headrace.sim.writing.tool_arguments import arguments_for
from tests.sim.asking import ask

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 2, "maximum": 4},
            },
            "required": ["city", "unit", "days"],
        },
    },
}
ADD = {"name": "add", "description": "Add.", "input_schema": {"type": "object", "properties": {}}}


def test_a_tool_that_is_required_is_called() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required")
    (call,) = message.tool_calls
    assert (message.outcome, message.text, call.name) == ("tool_calls", "", "weather")
    assert call.id.startswith("call_sim_")
    arguments = call.parsed()
    assert arguments["city"] == "rain in Paris"
    assert arguments["unit"] in ("C", "F")
    assert 2 <= arguments["days"] <= 4


def test_a_tool_that_is_named_is_called() -> None:
    choice = {"type": "function", "function": {"name": "add"}}
    (call,) = ask("hi", tools=[WEATHER, ADD], tool_choice=choice).tool_calls
    assert (call.name, call.arguments) == ("add", "{}")


def test_a_call_may_be_cut_short() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required", max_tokens=2)
    assert message.outcome == "length"
    with pytest.raises(ValueError, match="are not JSON"):
        message.tool_calls[0].parsed()


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_tool_that_may_be_called_is_not(choice: str | None) -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice=choice)
    assert (message.tool_calls, message.outcome) == ([], "complete")


FIGURES = st.integers(-50, 50)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        st.builds(
            lambda kind, low, span, keys: {"type": kind, keys[0]: low, keys[1]: low + span},
            st.sampled_from(["integer", "number"]),
            FIGURES,
            st.integers(2, 20),
            st.tuples(
                st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"])
            ),
        ),
        st.builds(lambda kind, key, at: {"type": kind, key: at}, st.sampled_from(["integer", "number"]),
                  st.sampled_from(["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]), FIGURES),
        st.builds(lambda kind: {"type": kind}, st.sampled_from(["boolean", "null", "string", "integer", "number"])),
        st.builds(lambda low: {"type": "string", "minLength": low, "maxLength": low + 3}, st.integers(0, 9)),
        st.builds(lambda values: {"enum": values}, st.lists(FIGURES, min_size=1, max_size=3)),
        st.builds(lambda value: {"const": value}, FIGURES),
    ),
    lambda inner: st.one_of(
        st.builds(lambda items, low: {"type": "array", "items": items, "minItems": low}, inner, st.integers(0, 3)),
        st.builds(lambda names: {"type": "object", "properties": names, "required": list(names)},
                  st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
        st.builds(lambda option: {"anyOf": [option, {"type": "null"}]}, inner),
    ),
    max_leaves=5,
)  # fmt: skip

TYPES: dict[str, Any] = {
    "integer": int, "number": int | float, "boolean": bool, "null": type(None), "string": str, "array": list,
    "object": dict,
}  # fmt: skip


def check(value: Any, schema: dict[str, Any]) -> None:
    """Hold a value against a schema, as far as the strategy above makes them."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    assert value in schema.get("enum", [value])
    assert value == schema.get("const", value)
    kind = schema.get("type")
    if kind:
        assert isinstance(value, TYPES[kind])
    if kind in ("integer", "number"):
        assert not isinstance(value, bool)
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
        assert schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1)
    elif kind == "string":
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6)
    elif kind == "array":
        assert len(value) >= schema["minItems"]
        for item in value:
            check(item, schema["items"])
    elif kind == "object":
        assert value.keys() == schema["properties"].keys()
        for name, inner in schema["properties"].items():
            check(value[name], inner)


@given(SCHEMAS, st.integers())
def test_arguments_fit_their_simple_types(schema: dict[str, Any], seed: int) -> None:
    function = {"name": "f", "parameters": {"type": "object", "properties": {"it": schema}, "required": ["it"]}}
    check(json.loads(arguments_for(function, "rain in Paris", Dice(seed, "test")))["it"], schema)


def made(schema: Any, **root: Any) -> Any:
    function = {"name": "f", "parameters": {"properties": {"it": schema}, "required": ["it"], **root}}
    return json.loads(arguments_for(function, "rain", Dice(7, "test")))["it"]


def test_arguments_of_the_rarer_kinds() -> None:
    assert made({"$ref": "#/$defs/Day"}, **{"$defs": {"Day": {"type": "string", "format": "date"}}}) == "2026-03-14"
    assert made({"allOf": [{"type": "null"}]}) is None
    assert made({"type": ["boolean", "null"]}) in (True, False)
    assert made({"default": [1]}) == [1]
    assert made({"examples": ["snow"]}) == "snow"
    assert made({"type": "array"}) == ["rain"]
    assert made({}) == "rain"
    assert made(True) == "rain"
    assert made({"$ref": "#/$defs/Nobody"}) == "rain"
    loop = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Loop"}}, "required": ["next"]}
    assert "null" in json.dumps(made({"$ref": "#/$defs/Loop"}, **{"$defs": {"Loop": loop}}))
    optional = {"parameters": {"properties": {name: {"type": "null"} for name in "abcdefgh"}}}
    assert 0 < len(json.loads(arguments_for(optional, "rain", Dice(7, "test")))) < 8
    assert arguments_for({"name": "f"}, "rain", Dice(7, "test")) == "{}"
