"""Whether a value fits a JSON schema, as far as the schemas of tools and answers go.

Law kept here: what is not known of a schema is not regarded, so it refuses nothing; a schema that leads back to itself
ends.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.sim.writing.patterns import held_against
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_LOOKS = 5_000
_DEEPEST = 48
_HIGHEST = 1e306  # of what floats can still count with


class Fitting:
    """Hold values against the schemas within one whole schema.

    Args:
        root: the whole schema, which references lead into.
    """

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._left = 0
        self._depth = 0

    def fits(self, value: Any, schema: Any) -> bool:
        """Tell whether a value fits a schema; what would take all too long to tell, does."""
        self._left = _MOST_LOOKS
        return self._fits(value, schema)

    def _fits(self, value: Any, schema: Any) -> bool:
        if schema is False:
            return False
        keywords = as_dict(schema)
        self._left -= 1
        if not keywords or self._left < 0 or self._depth > _DEEPEST:
            return True
        self._depth += 1
        try:
            return self._holds(value, keywords)
        finally:
            self._depth -= 1

    def _holds(self, value: Any, keywords: dict[str, Any]) -> bool:
        if value is None and keywords.get("nullable") is True:  # as OpenAPI has it
            return True
        return (
            ("const" not in keywords or same(value, keywords["const"]))
            and any(same(value, one) for one in (as_list(keywords.get("enum")) or [value]))
            and _of_kind(value, keywords.get("type"))
            and self._combined(value, keywords)
            and self._kept(value, keywords)
        )

    def _combined(self, value: Any, schema: dict[str, Any]) -> bool:
        options = as_list(schema.get("oneOf"))
        return (
            self._fits(value, target_of(schema, self._root))
            and all(self._fits(value, part) for part in as_list(schema.get("allOf")) or ())
            and any(self._fits(value, part) for part in as_list(schema.get("anyOf")) or (True,))
            and (not options or sum(self._fits(value, part) for part in options) == 1)
            and ("not" not in schema or not self._fits(value, schema["not"]))
        )

    def _kept(self, value: Any, schema: dict[str, Any]) -> bool:
        if (items := as_list(value)) is not None:
            return self._array(items, schema)
        if (fields := as_dict(value)) is not None:
            return self._object(fields, schema)
        match value:
            case int() | float() if not isinstance(value, bool):
                return _bounded(value, schema) and _multiple(value, schema)
            case str():
                pattern = schema.get("pattern")
                return _sized(len(value), schema, "Length") and (not isinstance(pattern, str) or _found(pattern, value))
            case _:
                return True

    def _array(self, value: list[Any], schema: dict[str, Any]) -> bool:
        first, rest = items_of(schema)
        return (
            _sized(len(value), schema, "Items")
            and all(self._fits(item, part) for item, part in zip(value, first, strict=False))
            and all(self._fits(item, rest) for item in value[len(first) :])
            and (schema.get("uniqueItems") is not True or not repeated(value))
        )

    def _object(self, value: dict[str, Any], schema: dict[str, Any]) -> bool:
        known = as_dict(schema.get("properties")) or {}
        patterns = as_dict(schema.get("patternProperties")) or {}
        more = schema.get("additionalProperties", True)
        return (
            _sized(len(value), schema, "Properties")
            and all(name in value for name in required_of(schema))
            and all(
                self._fits(item, known.get(name, more))
                for name, item in value.items()
                if name in known or not any(_found(pattern, name) for pattern in patterns)
            )
        )


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: 1 is 1.0, but not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    items, others = as_list(one), as_list(other)
    if items is not None and others is not None:
        return len(items) == len(others) and all(map(same, items, others))
    fields, more = as_dict(one), as_dict(other)
    if fields is not None and more is not None:
        return fields.keys() == more.keys() and all(same(fields[key], more[key]) for key in fields)
    return bool(one == other)


def target_of(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Give the schema that a reference leads to; None: there is no reference, or it leads nowhere."""
    reference = as_text(schema.get("$ref"))
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        items = as_list(found)
        if items is not None:
            found = items[int(step)] if step.isdigit() and int(step) < len(items) else None
        else:
            found = (as_dict(found) or {}).get(step)
    return found


def figure(schema: dict[str, Any], key: str) -> float | None:
    """Give a keyword's number, if it is one."""
    value = schema.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < _HIGHEST else None  # which NaN is not


def _integral(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


_KINDS: dict[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and _integral(value),
    "null": lambda value: value is None,
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}


def _of_kind(value: Any, kinds: Any) -> bool:
    known = [kind for kind in as_list(kinds) or [kinds] if isinstance(kind, str) and kind in _KINDS]
    return not known or any(_KINDS[kind](value) for kind in known)


def items_of(schema: dict[str, Any]) -> tuple[list[Any], Any]:
    """Give an array's schemas: of its first items, one each, and of all others; also as earlier drafts wrote them."""
    items = as_list(schema.get("items"))
    if items is not None:
        return items, schema.get("additionalItems", True)
    return as_list(schema.get("prefixItems")) or [], schema.get("items", True)


def required_of(schema: dict[str, Any]) -> list[str]:
    """Give the names of the properties that an object must have."""
    return [name for name in as_list(schema.get("required")) or () if isinstance(name, str)]


def repeated(items: list[Any]) -> bool:
    """Tell whether two of the items are the same."""
    return any(same(one, other) for place, one in enumerate(items) for other in items[:place])


def _found(pattern: str, text: str) -> bool:
    return held_against(pattern, text) is not False


def _sized(size: int, schema: dict[str, Any], what: str) -> bool:
    least, most = as_count(schema.get(f"min{what}")), as_count(schema.get(f"max{what}"))
    return (least or 0) <= size and (most is None or size <= most)


def _bounded(value: float, schema: dict[str, Any]) -> bool:
    least, most = figure(schema, "minimum"), figure(schema, "maximum")
    above, below = figure(schema, "exclusiveMinimum"), figure(schema, "exclusiveMaximum")
    return (
        (least is None or value >= least)
        and (most is None or value <= most)
        and (above is None or value > above)
        and (below is None or value < below)
        # where earlier drafts say it with true
        and (schema.get("exclusiveMinimum") is not True or value != least)
        and (schema.get("exclusiveMaximum") is not True or value != most)
    )


def _multiple(value: float, schema: dict[str, Any]) -> bool:
    step = figure(schema, "multipleOf")
    return not step or not math.isfinite(value) or (Fraction(str(value)) / Fraction(str(step))).denominator == 1
