"""Arguments for a call of a tool that fit its parameters' simple types."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from headrace.sim.writing.topic import Topic
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text

if TYPE_CHECKING:
    from headrace.sim.dice import Dice

_DEEPEST = 6

_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T15:09:26Z",
    "time": "15:09:26",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def arguments_for(function: dict[str, Any], prompt: str, dice: Dice) -> str:
    """Write the JSON text of a call's arguments."""
    schema = as_dict(function.get("parameters")) or {}
    value = as_dict(_Instance(schema, Topic(prompt), dice).of({**schema, "type": "object"})) or {}
    return json.dumps(value, ensure_ascii=False)


class _Instance:
    def __init__(self, root: dict[str, Any], topic: Topic, dice: Dice) -> None:
        self._root = root
        self._topic = topic
        self._dice = dice

    def of(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """Make a value of a schema; deeper than anyone needs, it is null."""
        if depth > _DEEPEST:
            return None
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if among := as_list(schema.get("enum")) or as_list(schema.get("examples")):
            return self._dice.pick(among)
        if target := self._target(schema):
            return self.of(target, depth + 1)
        kinds = as_list(schema.get("type"))
        match kinds[0] if kinds else schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                items = as_dict(schema.get("items")) or {"type": "string"}
                low = max(0, as_count(schema.get("minItems")) or 1)
                return [self.of(items, depth + 1) for _ in range(min(low, 20))]
            case "integer":
                return self._integer(schema)
            case "number":
                return self._number(schema)
            case "boolean":
                return self._dice.chance(0.5)
            case "null":
                return None
            case _:
                return self._text(schema)

    def _target(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        for key in ("anyOf", "oneOf", "allOf"):
            if options := as_list(schema.get(key)):
                return as_dict(options[0])
        kind, _, name = as_text(schema.get("$ref")).removeprefix("#/").partition("/")
        return as_dict((as_dict(self._root.get(kind)) or {}).get(name))

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = as_list(schema.get("required")) or []
        made: dict[str, Any] = {}
        for name, part in (as_dict(schema.get("properties")) or {}).items():
            if name in required or self._dice.chance(0.5):
                made[name] = self.of(as_dict(part) or {}, depth + 1)
        return made

    def _integer(self, schema: dict[str, Any]) -> int:
        least, above = _figure(schema, "minimum"), _figure(schema, "exclusiveMinimum")
        most, below = _figure(schema, "maximum"), _figure(schema, "exclusiveMaximum")
        lows = [math.ceil(least)] if least is not None else []
        lows += [math.floor(above) + 1] if above is not None else []
        highs = [math.floor(most)] if most is not None else []
        highs += [math.ceil(below) - 1] if below is not None else []
        low = max(lows, default=min([1, *highs]))
        return self._dice.between(low, max(low, min(highs, default=low + 99)))

    def _number(self, schema: dict[str, Any]) -> float:
        lows = [v for key in ("minimum", "exclusiveMinimum") if (v := _figure(schema, key)) is not None]
        highs = [v for key in ("maximum", "exclusiveMaximum") if (v := _figure(schema, key)) is not None]
        low = max(lows, default=min([0.0, *[v - 1 for v in highs]]))
        high = min(highs, default=low + 100)
        share = self._dice.between(1, 9) / 10  # well inside: the bounds may be excluded
        return low + (high - low) * share

    def _text(self, schema: dict[str, Any]) -> str:
        text = _FORMATS.get(as_text(schema.get("format"))) or self._topic.name
        low, high = as_count(schema.get("minLength")) or 0, as_count(schema.get("maxLength"))
        return text.ljust(min(low, 1000), ".")[:high]


def _figure(schema: dict[str, Any], key: str) -> float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
