"""Schemas that can be met, drawn by hypothesis, and a checker that knows nothing of what made the values."""

import re
from typing import Any

from hypothesis import strategies as st

FIGURES = st.integers(-50, 50)

_PATTERNS = (r"^[A-Z]{3}-\d{2,4}$", r"^(rain|snow)+$", r"\w+@\w+\.(org|com)", r"^#[0-9a-f]{6}$", "[^aeiou]x?", "")
FORMATS = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "time": r"\d\d:\d\d:\d\dZ",
    "duration": r"PT\d+M",
    "email": r"[a-z]+\d+@example\.com",
    "hostname": r"[a-z]+\d+\.example\.com",
    "ipv4": r"192\.0\.2\.\d+",
    "ipv6": r"2001:db8::[0-9a-f]+",
    "uri": r"https://example\.com/[a-z]+/\d+",
    "url": r"https://example\.com/[a-z]+/\d+",
    "uri-reference": r"/[a-z]+/\d+",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}",
    "json-pointer": r"/[a-z]+/\d",
    "regex": r"\^\[a-z\]\{\d\}\$",
}


def _kind(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


_bounded = st.builds(
    lambda kind, low, span, keys: _kind(kind, **{keys[0]: low, keys[1]: low + span}),
    st.sampled_from(["integer", "number"]),
    FIGURES,
    st.integers(2, 20),
    st.tuples(st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"])),
)
_half_bounded = st.builds(
    lambda kind, key, at: _kind(kind, **{key: at}),
    st.sampled_from(["integer", "number"]),
    st.sampled_from(["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]),
    FIGURES | st.floats(-50, 50, width=16),
)
_stepped = st.builds(
    lambda kind, step, low: _kind(kind, multipleOf=step, minimum=low, maximum=low + 3 * step + 3),
    st.sampled_from(["integer", "number"]),
    st.sampled_from([1, 2, 3, 7]),
    FIGURES,
) | st.builds(lambda step: _kind("number", multipleOf=step), st.sampled_from([0.1, 0.25, 0.01, 2.5]))
_texts = st.one_of(
    st.builds(lambda low, more: _kind("string", minLength=low, maxLength=low + more), st.integers(0, 30),
              FIGURES.map(abs)),
    st.builds(lambda pattern: _kind("string", pattern=pattern), st.sampled_from(_PATTERNS)),
    st.builds(lambda name: _kind("string", format=name), st.sampled_from([*FORMATS, "secret"])),
)  # fmt: skip
_simple = st.builds(_kind, st.sampled_from(["boolean", "null", "string", "integer", "number", "array", "object"]))
_given = st.builds(lambda values: {"enum": values}, st.lists(FIGURES | st.text(max_size=3), min_size=1, max_size=3))
_leaves = st.one_of(
    _simple, _given, _bounded, _half_bounded, _stepped, _texts, st.builds(lambda value: {"const": value}, FIGURES),
    st.builds(lambda kinds: {"type": kinds},
              st.lists(st.sampled_from(["string", "integer", "null"]), min_size=1, unique=True)),
    st.just({}), st.just(True),
)  # fmt: skip
_NAMES = st.sampled_from(["a", "b", "c", "d"])


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, required, more: _kind(
            "object", properties=properties, required=sorted(required), additionalProperties=more
        ),
        st.dictionaries(_NAMES, inner, max_size=3),
        st.sets(_NAMES, max_size=2),
        inner,
    ) | st.builds(
        lambda properties, least: _kind(
            "object",
            properties=properties,
            required=list(properties),
            additionalProperties=False,
            minProperties=min(least, len(properties)),
        ),
        st.dictionaries(_NAMES, inner, max_size=3),
        st.integers(0, 3),
    )


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(
            lambda items, low, more: _kind("array", items=items, minItems=low, maxItems=low + more),
            inner,
            st.integers(0, 3),
            st.integers(0, 2),
        ),
        st.builds(lambda first, rest: _kind("array", prefixItems=first, items=rest), st.lists(inner, max_size=3),
                  st.just(False) | inner),
        st.builds(lambda first: _kind("array", items=first, minItems=len(first)),
                  st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda low: _kind("array", items=_kind("string"), uniqueItems=True, minItems=low), st.integers(0, 9)),
        st.builds(lambda low: _kind("array", items={"enum": [1, True, "1", None]}, uniqueItems=True, minItems=low),
                  st.integers(0, 4)),
    )  # fmt: skip


def _choices(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda option, other: {"oneOf": [option, {"const": other}]}, inner, st.integers(10**6, 10**9)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(inner, min_size=1, max_size=1)),
        st.builds(
            lambda one, other: {
                "allOf": [
                    {"properties": {"one": one}, "required": ["one"]},
                    _kind("object", properties={"other": other}, required=["other"]),
                ]
            },
            inner,
            inner,
        ),
        st.builds(lambda low: {"allOf": [_kind("number", minimum=low), _kind("integer", maximum=low + 5)]}, FIGURES),
        st.builds(lambda inner: {"$ref": "#/$defs/Tree", "description": "A tree.", "title": repr(inner)}, inner),
        st.builds(lambda schema: {**schema, "nullable": True} if isinstance(schema, dict) else schema, inner),
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    _leaves, lambda inner: st.one_of(_objects(inner), _arrays(inner), _choices(inner)), max_leaves=6
)

DEFINITIONS: dict[str, Any] = {
    "Tree": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
            "all": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
        "required": ["name", "left", "all"],
        "additionalProperties": False,
    }
}

_TYPES: dict[str, Any] = {
    "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "string": str, "array": list,
    "object": dict,
}  # fmt: skip


def problem(value: Any, schema: Any) -> str | None:
    """Say where a value misses a schema of those above; None: it fits."""
    if schema is True or schema == {}:
        return None
    if schema is False:
        return f"{value!r} is where nothing may be"
    if schema.get("nullable") and value is None:
        return None
    if "$ref" in schema:
        schema = DEFINITIONS[schema["$ref"].removeprefix("#/$defs/")]
    for key, wanted in (("anyOf", None), ("oneOf", 1)):
        if key in schema:
            number = sum(problem(value, option) is None for option in schema[key])
            if not (number if wanted is None else number == wanted):
                return f"{value!r} fits {number} of {schema[key]!r}"
    for part in schema.get("allOf", ()):
        if said := problem(value, part):
            return said
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(
        isinstance(value, _TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number"))
        for kind in kinds
    ):
        return f"{value!r} is none of {kinds}"
    if "enum" in schema and not any(type(value) is type(one) and value == one for one in schema["enum"]):
        return f"{value!r} is not among {schema['enum']!r}"
    if value != schema.get("const", value):
        return f"{value!r} is not {schema['const']!r}"
    if isinstance(value, str):
        return _text_problem(value, schema)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number_problem(value, schema)
    if isinstance(value, list):
        return _array_problem(value, schema)
    return _object_problem(value, schema) if isinstance(value, dict) else None


def _text_problem(value: str, schema: Any) -> str | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**6):
        return f"{value!r} has {len(value)} characters"
    if not re.search(schema.get("pattern", ""), value):
        return f"{value!r} does not match {schema['pattern']!r}"
    if schema.get("format") in FORMATS and not re.fullmatch(FORMATS[schema["format"]], value):
        return f"{value!r} is no {schema['format']}"
    return None


def _number_problem(value: float, schema: Any) -> str | None:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{value} is out of its bounds"
    if not schema.get("exclusiveMinimum", value - 1) < value < schema.get("exclusiveMaximum", value + 1):
        return f"{value} is not within its bounds"
    step = schema.get("multipleOf", value) or 1
    return None if abs(value / step - round(value / step)) < 1e-9 else f"{value} is no multiple of {step}"


def _array_problem(value: list[Any], schema: Any) -> str | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**6):
        return f"{value!r} has {len(value)} items"
    if schema.get("uniqueItems") and len({repr(item) for item in value}) < len(value):
        return f"{value!r} repeats itself"
    first, rest = schema.get("prefixItems", []), schema.get("items", True)
    if isinstance(rest, list):
        first, rest = rest, True
    schemas = [*first, *[rest] * len(value)]
    return next((said for item, part in zip(value, schemas, strict=False) if (said := problem(item, part))), None)


def _object_problem(value: dict[str, Any], schema: Any) -> str | None:
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        return f"{value!r} lacks {missing}"
    if len(value) < schema.get("minProperties", 0):
        return f"{value!r} has too few properties"
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    return next((said for name, item in value.items() if (said := problem(item, known.get(name, more)))), None)
