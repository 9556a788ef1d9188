"""Arguments for a call of a tool that fit its parameters' simple types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headrace.sim.topic import Topic
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
                return int(self._number(schema, 1))
            case "number":
                return round(self._number(schema, 0), 2)
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

    def _number(self, schema: dict[str, Any], step: int) -> float:
        low, high = (
            _bound(schema, "minimum", "exclusiveMinimum", step),
            _bound(schema, "maximum", "exclusiveMaximum", -step),
        )
        if low is None:
            low = 1 if high is None else min(1, high)
        if high is None:
            high = max(low, 100)
        return self._dice.between(int(low), int(high)) if step else self._dice.uniform(low, high)

    def _text(self, schema: dict[str, Any]) -> str:
        text = _FORMATS.get(as_text(schema.get("format"))) or self._topic.name
        low, high = as_count(schema.get("minLength")) or 0, as_count(schema.get("maxLength"))
        return text.ljust(min(low, 1000), ".")[:high]


def _bound(schema: dict[str, Any], within: str, beside: str, step: int) -> float | None:
    for key, move in ((within, 0), (beside, step)):
        value = schema.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value + move
    return None
