"""Two schemas as one."""

from typing import Any

import pytest

from headrace.sim.writing.merging import merged


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"type": "number"}, {"type": "integer"}, {"type": ["integer"]}),
        ({"type": ["integer", "null"]}, {"type": "number"}, {"type": ["integer"]}),
        ({"type": "string"}, {"type": "null"}, {"type": "string"}),
        ({"enum": [1, 2]}, {"enum": [2.0, 3]}, {"enum": [2]}),
        ({"enum": [1]}, {"enum": [2]}, {"enum": [1]}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"minimum": 1, "maximum": 9}, {"minimum": 2, "maximum": 8}, {"minimum": 2, "maximum": 8}),
        ({"minimum": 1}, {"minimum": "2"}, {"minimum": 1}),
        ({"maxLength": 1}, {"maxLength": True}, {"maxLength": 1}),
        ({"multipleOf": 4}, {"multipleOf": 6}, {"multipleOf": 12}),
        ({"multipleOf": 0.5}, {"multipleOf": 0.75}, {"multipleOf": 1.5}),
        ({"multipleOf": 4}, {"multipleOf": 0}, {"multipleOf": 4}),
        ({"uniqueItems": False}, {"uniqueItems": True}, {"uniqueItems": True}),
        ({"uniqueItems": False}, {"uniqueItems": False}, {"uniqueItems": False}),
        ({"items": True}, {"items": {"const": 1}}, {"items": {"const": 1}}),
        ({"items": {"const": 1}}, {"items": True}, {"items": {"const": 1}}),
        ({"items": False}, {"items": {"const": 1}}, {"items": False}),
        ({"items": {"a": 1}}, {"items": {"b": 1}}, {"items": {"allOf": [{"a": 1}, {"b": 1}]}}),
        ({"pattern": "a"}, {"pattern": "b", "format": "c"}, {"pattern": "a", "format": "c"}),
        ({}, {"$ref": "#", "allOf": [], "anyOf": [], "oneOf": [], "const": 1}, {"const": 1}),
        (
            {"properties": {"a": {"const": 1}, "b": {}}},
            {"properties": {"a": {"type": "integer"}, "c": {}}},
            {"properties": {"a": {"allOf": [{"const": 1}, {"type": "integer"}]}, "b": {}, "c": {}}},
        ),
    ],
)
def test_both_are_asked_for(one: Any, other: Any, both: Any) -> None:
    assert merged(one, other) == both
