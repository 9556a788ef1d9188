"""Values that fit their schemas, whatever the schemas."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.sim.dice import Dice
from headrace.sim.writing.fitting import Fitting
from headrace.sim.writing.instances import instance_of, json_text
from headrace.sim.writing.tool_arguments import arguments_for
from headrace.sim.writing.topic import Topic
from tests.sim.writing.schemas import DEFINITIONS, FORMATS, SCHEMAS, problem


def made(schema: Any, seed: int = 7, prompt: str = "rain") -> Any:
    return json.loads(json_text(instance_of(schema, Topic(prompt), Dice(seed, "test"))))


def several(schema: Any) -> list[Any]:
    return [made(schema, seed) for seed in range(20)]


@given(SCHEMAS, st.integers(0, 10_000))
def test_an_instance_fits_its_schema(schema: Any, seed: int) -> None:
    root = {**schema, "$defs": DEFINITIONS} if isinstance(schema, dict) else schema
    value = made(root, seed, "rain in Paris")
    assert problem(value, schema) is None
    assert Fitting({"$defs": DEFINITIONS}).fits(value, schema)
    assert value == made(root, seed, "rain in Paris")


@given(SCHEMAS, st.integers(0, 10_000))
def test_arguments_fit_their_parameters(schema: Any, seed: int) -> None:
    parameters = {"properties": {"it": schema}, "required": ["it"], "$defs": DEFINITIONS}
    assert problem(json.loads(arguments_for(parameters, "rain", Dice(seed, "test")))["it"], schema) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.text("ab^$*(|)[]{}\\1", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "type", "items"]), inner),
    max_leaves=4,
)
_KEYWORDS = [
    "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "patternProperties", "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems",
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "anyOf", "oneOf", "allOf", "not", "$ref", "nullable", "default", "examples",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(_KEYWORDS), _JSON | st.sampled_from(["object", "array", "number", "#", "#/a"])))
def test_what_is_no_schema_gives_a_value_all_the_same(schema: Any) -> None:
    made(schema)
    made({"properties": {"it": schema}, "required": ["it"]})
    assert isinstance(json.loads(arguments_for(schema, "rain", Dice(7, "test"))), dict)


@pytest.mark.parametrize("schema", [None, 3, "x", [], True, False, {}])
def test_what_says_nothing_gives_a_text_about_the_topic(schema: Any) -> None:
    assert made(schema) == "rain"
    assert arguments_for(schema, "rain", Dice(7, "test")) == "{}"


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"$ref": "#/$defs/It", "$defs": {"It": {"const": 5}}}, 5),
        ({"$ref": "#/definitions/a~1b~0c/0", "definitions": {"a/b~c": [{"const": 5}]}}, 5),
        ({"$ref": "#/definitions/a/1", "definitions": {"a": [{"const": 5}]}}, "rain"),
        ({"$ref": "#/$defs/Nobody"}, "rain"),
        ({"$ref": "other.json#/It"}, "rain"),
        ({"allOf": [{"type": "null"}]}, None),
        ({"type": ["null"]}, None),
        ({"default": [1]}, [1]),
        ({"default": "x", "type": "integer", "minimum": 5, "maximum": 5}, 5),
        ({"examples": ["snow"]}, "snow"),
        ({"examples": ["snow", 5], "type": "integer"}, 5),
        ({"type": "array", "minItems": 1, "maxItems": 1}, ["rain"]),
        ({"type": "array", "items": False}, []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
        ({"items": [{"const": 1}], "additionalItems": False, "minItems": 1}, [1]),
        ({"type": "integer", "minimum": 3, "maximum": 4, "exclusiveMinimum": True}, 4),
        ({"type": "integer", "minimum": 3, "maximum": 4, "exclusiveMaximum": True}, 3),
        ({"type": "integer", "minimum": 5, "maximum": 3}, 5),
        ({"type": "number", "minimum": 5, "maximum": 3}, 5),
        ({"type": "number", "multipleOf": 5, "minimum": 6, "maximum": 12}, 10),
        ({"type": "integer", "multipleOf": 2.5, "minimum": 3, "maximum": 7}, 5),
        ({"type": "string", "maxLength": 2}, "ra"),
        ({"type": "string", "pattern": "(?=x)"}, "rain"),
        ({"enum": [1, "a"], "type": "string"}, "a"),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, 2),
        ({"allOf": [{"type": "number"}, {"type": ["integer", "string"]}, {"minimum": 7}, {"maximum": 7}]}, 7),
        ({"allOf": [{"multipleOf": 4}, {"multipleOf": 6}, {"minimum": 1}, {"maximum": 23}]}, 12),
        ({"allOf": [{"multipleOf": 0.5}, {"multipleOf": 0.75}, {"minimum": 1}, {"maximum": 2}]}, 1.5),
        ({"oneOf": [{"type": "number"}, {"const": 5}, {"type": "string"}], "not": {"type": "number"}}, "rain"),
        ({"anyOf": [{"type": "null"}, {"const": 5}]}, 5),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"anyOf": [False, {"const": 5}]}, 5),
        ({"properties": {"a": False}}, {}),
        ({"required": ["a"]}, {"a": "rain"}),
        ({"required": ["a"], "additionalProperties": {"const": 5}, "maxProperties": 1}, {"a": 5}),
        ({"additionalProperties": {"const": 5}, "minProperties": 1, "maxProperties": 1}, {"rain": 5}),
        ({"type": "boolean", "nullable": True, "const": None}, None),
    ],
)
def test_of_a_schema_there_is_one_instance(schema: Any, wanted: Any) -> None:
    assert made(schema) == wanted


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    values = several({"type": "string", "format": name})
    assert all(re.fullmatch(FORMATS[name], value) for value in values)
    assert len(set(values)) > 5


@pytest.mark.parametrize("step", [0.1, 0.01, 0.7, 2.5, 1e-5])
def test_multiples_are_such_as_dividing_says_so(step: float) -> None:
    assert all((value / step).is_integer() for value in several({"type": "number", "multipleOf": step}))


def test_a_choice_is_a_matter_of_chance() -> None:
    assert {str(value) for value in several({"enum": [1, 2]})} == {"1", "2"}
    assert set(several({"type": "boolean"})) == {True, False}
    assert {type(value) for value in several({"type": ["string", "integer", "null"]})} == {str, int}
    optional = several({"properties": {name: {"type": "null"} for name in "abcdefgh"}})
    assert len({tuple(value) for value in optional}) > 9
    assert {len(value) for value in several({"type": "object", "additionalProperties": {"type": "string"}})} == {
        1,
        2,
        3,
    }
    assert {len(value) for value in several({"type": "array", "items": {"type": "string"}})} == {1, 2, 3}


def test_objects_that_are_asked_for_twice_have_both_ones_properties() -> None:
    one = {
        "type": "object",
        "properties": {"a": {"type": "number"}, "x": True, "y": {"const": 1}, "z": {}},
        "required": ["a"],
    }
    other = {
        "properties": {"a": {"type": "integer"}, "b": {"const": 5}, "x": {"const": 1}, "y": True, "z": False},
        "required": ["a", "b", "x", "y"],
        "additionalProperties": False,
    }
    value = made({"allOf": [one, other]})
    assert isinstance(value.pop("a"), int)
    assert value == {"b": 5, "x": 1, "y": 1}


def test_unique_items_are_found_as_far_as_there_are_any() -> None:
    def sizes(items: Any, **more: Any) -> set[int]:
        return {len(value) for value in several({"type": "array", "items": items, "uniqueItems": True, **more})}

    assert sizes({"type": "boolean"}, minItems=2) == {2}
    assert sizes({"enum": list("abcdefghij")}, minItems=10) == {10}
    assert sizes({"const": 5}) == {1}
    assert sizes({"const": 5}, minItems=3) == {3}  # which cannot be met
    (words,) = {tuple(v) for v in several({"type": "array", "items": {}, "uniqueItems": True, "minItems": 30})[:1]}
    assert len(set(words)) == 30


def test_texts_after_the_first_are_other_words_of_the_topic() -> None:
    schema = {"type": "array", "minItems": 4, "items": {"type": "string"}}
    first, *others = made(schema, prompt="rain in Paris")
    assert first == "rain in Paris"
    assert len(set(others)) == 3


LOOP = {"$ref": "#/$defs/Loop"}


@pytest.mark.parametrize(
    "loop",
    [
        LOOP,
        {"allOf": [LOOP, LOOP]},
        {"anyOf": [LOOP, LOOP]},
        {"oneOf": [LOOP, LOOP, {"not": LOOP}]},
        {"type": "object", "properties": {"next": LOOP}, "required": ["next"]},
        {"type": "object", "properties": {f"p{i}": LOOP for i in range(99)}},
        {"type": "object", "properties": {f"p{i}": LOOP for i in range(99)}, "required": [f"p{i}" for i in range(99)]},
        {"type": "array", "items": LOOP, "minItems": 9},
        {"type": "array", "prefixItems": [{"anyOf": [LOOP, LOOP]}], "minItems": 1},
        {"type": "array", "minItems": 150, "items": {"oneOf": [{}, {}]}},
    ],
)
def test_a_schema_that_leads_back_to_itself_ends(loop: Any) -> None:
    assert len(json.dumps(made({**LOOP, "$defs": {"Loop": loop}}))) < 150_000


def test_deep_down_the_smallest_choice_is_taken() -> None:
    node = {"type": "object", "properties": {"next": {"anyOf": [LOOP, {"type": "null"}]}}, "required": ["next"]}
    values = several({**LOOP, "$defs": {"Loop": node}})
    assert all(json.dumps(value).count("next") < 9 for value in values)
    chained = {"anyOf": [{"allOf": [LOOP]}, {"type": "array", "minItems": 1, "items": True}]}
    assert made({**LOOP, "$defs": {"Loop": {"type": "array", "minItems": 1, "items": chained}}})
    for _ in range(6):
        chained = {"type": "array", "minItems": 1, "items": chained}
    assert made({**chained, "$defs": {"Loop": {"type": "array", "minItems": 1, "items": LOOP}}}) == [[[[[[["rain"]]]]]]]
    both = {"type": "object", "properties": {"l": LOOP, "r": LOOP}, "required": ["l", "r"]}
    forest = {"anyOf": [both, {"type": "string"}]}
    assert problem_free(made({**LOOP, "$defs": {"Loop": forest}}))


def problem_free(value: Any) -> bool:
    """See that a tree of l and r has no end but in texts."""
    if isinstance(value, dict):
        return all(problem_free(value[name]) for name in ("l", "r"))
    return isinstance(value, str)


def test_nothing_grows_without_bounds() -> None:
    assert len(made({"type": "string", "minLength": 10**9})) == 10_000
    assert len(made({"type": "array", "minItems": 10**9, "items": {"const": 1}})) == 200
    assert made({"type": "integer", "minimum": 1e300}) >= 10**300
    assert -1e305 < made({"type": "number", "minimum": -1e305, "maximum": 1e305}) < 1e305
    assert 0 <= made({"type": "number", "minimum": -(10**400), "maximum": float("inf")}) <= 100
    many = {f"D{k}": {"type": "object", "properties": {f"p{j}": {"anyOf": [{"$ref": f"#/$defs/D{k + 1}"}, True]}
            for j in range(30)}, "required": [f"p{j}" for j in range(30)]} for k in range(30)}  # fmt: skip
    assert len(json.dumps(made({"$defs": many, "$ref": "#/$defs/D0"}))) < 400_000


# -- checking


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (5, False, False),
        (5, True, True),
        (1.0, {"type": "integer"}, True),
        (1.5, {"type": "integer"}, False),
        (True, {"type": "integer"}, False),
        (True, {"const": 1}, False),
        (1.0, {"const": 1}, True),
        ([1, {"a": 2}], {"const": [1, {"a": 2.0}]}, True),
        ([1, {"a": 2}], {"const": [1, {"b": 2}]}, False),
        (5, {"type": "nothing"}, True),
        (None, {"type": "string", "nullable": True}, True),
        (5, {"minimum": 5, "exclusiveMinimum": True}, False),
        (5, {"maximum": 5, "exclusiveMaximum": True}, False),
        (5, {"exclusiveMaximum": 5}, False),
        (5, {"exclusiveMinimum": 5}, False),
        (5, {"minimum": 6}, False),
        (5, {"maximum": 4}, False),
        (5, {"minimum": "6"}, True),
        (5, {"multipleOf": 2}, False),
        (0.3, {"multipleOf": 0.1}, True),
        (float("inf"), {"multipleOf": 2}, True),
        ("ab", {"pattern": "^a$"}, False),
        ("ab", {"pattern": "("}, True),
        ("ab", {"maxLength": 1}, False),
        ([1, 1.0], {"uniqueItems": True}, False),
        ([1, 2], {"prefixItems": [True], "items": False}, False),
        ([2], {"prefixItems": [{"const": 1}]}, False),
        ({"a": 1}, {"required": ["b"]}, False),
        ({"a": 1}, {"additionalProperties": False}, False),
        ({"a": 1}, {"additionalProperties": False, "patternProperties": {"^a": {}}}, True),
        ({"a": 1}, {"properties": {"a": {"const": 2}}}, False),
        ({"a": 1}, {"minProperties": 2}, False),
        (5, {"anyOf": [{"const": 4}, {"const": 3}]}, False),
        (5, {"allOf": [{"const": 5}, {"const": 3}]}, False),
        (5, {"oneOf": [{}, {}]}, False),
        (5, {"not": {}}, False),
    ],
)
def test_what_fits(value: Any, schema: Any, fits: bool) -> None:
    assert Fitting({}).fits(value, schema) is fits
