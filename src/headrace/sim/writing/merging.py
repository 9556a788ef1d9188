"""Two JSON schemas as one that asks for both, as far as one can say it."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

from headrace.sim.writing.fitting import same
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKEN_APART = ("$ref", "allOf", "anyOf", "oneOf")  # whoever merges follows these himself


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Ask for both; of two that a keyword cannot say at once, the first stays."""
    both = dict(one)
    for key, value in other.items():
        if key in _TAKEN_APART:
            continue
        both[key] = _BOTH.get(key, _first)(both[key], value) if key in both else value
    return both


def _first(one: Any, _: Any) -> Any:
    return one


def _types(one: Any, other: Any) -> Any:
    ones, others = as_list(one) or [one], as_list(other) or [other]
    shared = [kind for kind in ones if kind in others or (kind == "integer" and "number" in others)]
    shared += [kind for kind in others if kind == "integer" and "number" in ones and kind not in shared]
    return shared or one


def _shared(one: Any, other: Any) -> Any:
    ones, others = as_list(one) or [], as_list(other) or []
    return [value for value in ones if any(same(value, another) for another in others)] or one


def _union(one: Any, other: Any) -> Any:
    ones = as_list(one) or []
    return [*ones, *[value for value in as_list(other) or () if value not in ones]]


def _properties(one: Any, other: Any) -> Any:
    ones, others = as_dict(one) or {}, as_dict(other) or {}
    return {**ones, **{name: _schemas(ones[name], part) if name in ones else part for name, part in others.items()}}


def _schemas(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    if one is True or other is True:
        return other if one is True else one
    return {"allOf": [one, other]}


def _either(one: Any, other: Any) -> Any:
    return one is True or other is True


def _larger(one: Any, other: Any) -> Any:
    return max(one, other) if _numbers(one, other) else one


def _smaller(one: Any, other: Any) -> Any:
    return min(one, other) if _numbers(one, other) else one


def _multiple(one: Any, other: Any) -> Any:
    if not _numbers(one, other) or one <= 0 or other <= 0:
        return one
    first, second = Fraction(str(one)), Fraction(str(other))
    scale = lcm(first.denominator, second.denominator)
    both = Fraction(lcm(int(first * scale), int(second * scale)), scale)
    return int(both) if both.denominator == 1 else float(both)


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


_BOTH: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _shared,
    "required": _union,
    "properties": _properties,
    "additionalProperties": _schemas,
    "items": _schemas,
    "uniqueItems": _either,
    "multipleOf": _multiple,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _larger),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _smaller),
}
