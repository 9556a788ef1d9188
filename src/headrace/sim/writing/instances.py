"""Values that fit a JSON schema, by seed: what a call's arguments and a structured answer are made of.

Regarded are ``type`` (also several), ``enum``, ``const``, ``properties``, ``required``, ``additionalProperties``,
``minProperties``, ``items``, ``prefixItems``, ``minItems``, ``maxItems``, ``uniqueItems``, ``minLength``,
``maxLength``, ``pattern`` (see `patterns`), ``format``, the bounds of numbers, ``multipleOf``, ``anyOf``, ``oneOf``,
``allOf``, ``not``, ``$ref`` within the schema, and OpenAPI's ``nullable``; a default or an example is taken if it fits.
Other keywords are not.

Laws kept here: a value is held against its schema where chance could miss it, and drawn again some times; what cannot
be met gives the nearest that is found, never an error; however a schema leads back to itself, the value is small.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from headrace.sim.dice import Deck
from headrace.sim.writing.fitting import Fitting, figure, items_of, required_of, same, target_of
from headrace.sim.writing.formats import formatted
from headrace.sim.writing.merging import merged
from headrace.sim.writing.patterns import text_for
from headrace.wire.lenient_json import as_count, as_dict, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.dice import Dice
    from headrace.sim.writing.topic import Topic

_DEEPEST = 5  # beyond it, only what is required
_NEVER_DEEPER = 24
_MOST_VALUES = 400  # beyond them, the same
_NEVER_MORE = 5_000
_MOST_ITEMS = 200
_MOST_PARTS = 64  # of one schema, by references and allOf
_MOST_CHARACTERS = 10_000
_TRIES = 8
_MOST_TRIES = 200
_MOST_LOOKS = 20_000

_UNSURE = ("anyOf", "oneOf", "allOf", "not")  # whose keywords may miss one another
_SIGNS = {  # the type that a keyword is about
    "properties": "object", "required": "object", "additionalProperties": "object", "minProperties": "object",
    "items": "array", "prefixItems": "array", "minItems": "array", "maxItems": "array", "uniqueItems": "array",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
    "multipleOf": "number",
}  # fmt: skip


def instance_of(schema: Any, topic: Topic, dice: Dice) -> Any:
    """Make a value of a schema.

    Args:
        schema: the whole schema; what is no object says nothing.
        topic: what texts are about.
        dice: chance.
    """
    root = as_dict(schema) or {}
    return _Maker(root, topic, dice).of(schema)


class _Maker:
    def __init__(self, root: dict[str, Any], topic: Topic, dice: Dice) -> None:
        self._root = root
        self._topic = topic
        self._dice = dice
        self._fitting = Fitting(root)
        self._words = Deck(dice, topic.words)
        self._named = False  # whether the topic's whole name was used
        self._values = 0
        self._tries = 0
        self._looks = 0
        self._heights: dict[int, float] = {}

    def of(self, schema: Any, depth: int = 0) -> Any:
        """Make a value, and again if it does not fit and may do so."""
        self._values += 1
        if depth > _NEVER_DEEPER or self._values > _NEVER_MORE:
            return None
        part = as_dict(schema) or {}
        value = self._try(part, depth)
        if any(key in part for key in _UNSURE) or "$ref" in part:
            for turn in range(_TRIES):
                if self._tries >= _MOST_TRIES or self._fitting.fits(value, part):
                    break
                self._tries += 1
                # by turns another option, and chance again
                value = self._try(part, depth, None if turn % 2 else turn // 2)
        return value

    def _try(self, schema: dict[str, Any], depth: int, turn: int | None = None) -> Any:
        flat = self._flat(schema, turn, small=self._small(depth))
        if flat is None:
            return None
        if "const" in flat:
            return flat["const"]
        if among := as_list(flat.get("enum")):
            return self._dice.pick([one for one in among if self._fitting.fits(one, flat)] or among)
        for given in ([flat["default"]] if "default" in flat else []), as_list(flat.get("examples")) or []:
            if fitting := [one for one in given if self._fitting.fits(one, flat)]:
                return self._dice.pick(fitting)
        match self._kind(flat):
            case "object":
                return self._object(flat, depth)
            case "array":
                return self._array(flat, depth)
            case "integer":
                return self._number(flat, whole=True)
            case "number":
                return self._number(flat, whole=False)
            case "boolean":
                return self._dice.chance(0.5)
            case "null":
                return None
            case _:
                return self._text(flat)

    def _small(self, depth: int) -> bool:
        return depth >= _DEEPEST or self._values > _MOST_VALUES

    # -- schemas

    def _flat(self, schema: dict[str, Any], turn: int | None, *, small: bool) -> dict[str, Any] | None:
        """Put the parts of a schema together, an option of each choice; None: it only leads back to itself."""
        flat: dict[str, Any] = {}
        todo: list[Any] = [schema]
        for _ in range(_MOST_PARTS):
            if not todo:
                return flat
            part = as_dict(todo.pop()) or {}
            flat = merged(flat, part)
            if (target := target_of(part, self._root)) is not None:
                todo.append(target)
            todo += as_list(part.get("allOf")) or ()
            for key in ("anyOf", "oneOf"):
                if options := as_list(part.get(key)):
                    todo.append(self._option(options, turn, small=small))
        return None

    def _option(self, options: list[Any], turn: int | None, *, small: bool) -> Any:
        if turn is not None:
            return options[turn % len(options)]
        if small:
            return min(options, key=self._height)
        return self._dice.pick([option for option in options if _says_something(option)] or options)

    def _height(self, schema: Any, above: tuple[Any, ...] = ()) -> float:
        """Tell how deep the smallest value is at least; infinite: it never ends."""
        part = as_dict(schema)
        self._looks += 1
        if part is None or self._looks > _MOST_LOOKS:
            return 0.0
        if any(part is one for one in above):
            return math.inf
        if id(part) not in self._heights:
            height = max([0.0, *self._heights_within(part, (*above, part))])
            if math.isinf(height):  # perhaps only because of where it was come from
                return height
            self._heights[id(part)] = height
        return self._heights[id(part)]

    def _heights_within(self, part: dict[str, Any], above: tuple[Any, ...]) -> Iterator[float]:
        yield self._height(target_of(part, self._root), above)
        for inner in as_list(part.get("allOf")) or ():
            yield self._height(inner, above)
        for key in ("anyOf", "oneOf"):
            if options := as_list(part.get(key)):
                yield min([self._height(option, above) for option in options])
        known = as_dict(part.get("properties")) or {}
        for name in required_of(part):
            yield 1 + self._height(known.get(name), above)
        if as_count(part.get("minItems")):
            first, rest = items_of(part)
            for inner in (*first, rest):
                yield 1 + self._height(inner, above)

    def _kind(self, flat: dict[str, Any]) -> str:
        kinds = as_list(flat.get("type"))
        if kinds is not None:
            named = [kind for kind in kinds if isinstance(kind, str)]
            return self._dice.pick([kind for kind in named if kind != "null"] or named or ["string"])
        return as_text(flat.get("type")) or next((kind for key, kind in _SIGNS.items() if key in flat), "string")

    # -- values

    def _object(self, flat: dict[str, Any], depth: int) -> dict[str, Any]:
        known = as_dict(flat.get("properties")) or {}
        required = required_of(flat)
        more = flat.get("additionalProperties", True)
        small = self._small(depth)
        made: dict[str, Any] = {}
        for name, part in known.items():
            if name in required or (not small and part is not False and self._dice.chance(0.5)):
                made[name] = self.of(part, depth + 1)
        for name in required:
            if name not in made:
                made[name] = self.of(more, depth + 1)
        if more is False:
            return made
        least = min(as_count(flat.get("minProperties")) or 0, _MOST_ITEMS)
        if as_dict(more) and not known and not small:  # a dictionary
            most = as_count(flat.get("maxProperties"))
            wanted = max(least, self._dice.between(1, 3))
            least = wanted if most is None else min(wanted, most)
        for number in range(least - len(made)):
            name = self._words.deal()
            made[name if name not in made else f"{name}_{number}"] = self.of(more, depth + 1)
        return made

    def _array(self, flat: dict[str, Any], depth: int) -> list[Any]:
        first, rest = items_of(flat)
        least = max(as_count(flat.get("minItems")) or 0, 0)
        most = as_count(flat.get("maxItems"))
        if rest is False:
            most = len(first) if most is None else min(most, len(first))
        usual = max(least, 0 if self._small(depth) else max(1, len(first)))
        if not first and "minItems" not in flat and not self._small(depth) and as_dict(rest):
            usual = self._dice.between(1, 3)
        size = min(usual if most is None else min(usual, most), _MOST_ITEMS)
        unique = flat.get("uniqueItems") is True
        items: list[Any] = []
        for place in range(size):
            part = first[place] if place < len(first) else rest
            item = self.of(part, depth + 1)
            if unique:
                item = self._another(item, items, part, depth)
                if place >= least and any(same(item, one) for one in items):
                    break
            items.append(item)
        return items

    def _another(self, item: Any, items: list[Any], part: Any, depth: int) -> Any:
        """Make an item that is not among the items, if there is any."""
        for turn in range(_TRIES * 4):
            if not any(same(item, one) for one in items):
                return item
            item = self.of(part, depth + 1)
            if turn >= _TRIES and isinstance(item, str):  # the words of the topic may be used up
                tried = f"{item} {turn}"
                item = tried if self._fitting.fits(tried, part) else item
        among = as_list((as_dict(part) or {}).get("enum")) or []
        return next((one for one in among if not any(same(one, other) for other in items)), item)

    def _number(self, flat: dict[str, Any], *, whole: bool) -> float:
        least, above, most, below = _bounds(flat)
        step = abs(Fraction(str(figure(flat, "multipleOf") or 0)))
        if whole:
            step = Fraction(step.numerator or 1)  # the multiples that are whole
        if step:
            low, high = _steps(least, above, most, below, step)
            values = [step * self._dice.between(low, max(low, min(high, low + 99))) for _ in range(_TRIES)]
            # most checkers divide to see whether it is a multiple
            value = next((one for one in values if (float(one) / float(step)).is_integer()), values[0])
            return int(value) if value.denominator == 1 else float(value)
        lows = [bound for bound in (least, above) if bound is not None]
        highs = [bound for bound in (most, below) if bound is not None]
        lowest = max(lows, default=min([0.0, *[bound - 1 for bound in highs]]))
        highest = min(highs, default=lowest + 100)
        if lowest >= highest:
            return lowest
        share = self._dice.between(1, 9) / 10  # well inside: the bounds may be excluded
        return lowest * (1 - share) + highest * share

    def _text(self, flat: dict[str, Any]) -> str:
        least = min(max(as_count(flat.get("minLength")) or 0, 0), _MOST_CHARACTERS)
        most = as_count(flat.get("maxLength"))
        if pattern := as_text(flat.get("pattern")):
            text = text_for(pattern, self._dice, least=least, most=most)
            if text is not None:
                return text
        text = formatted(as_text(flat.get("format")), self._dice)
        if text is None:
            text = self._words.deal() if self._named else self._topic.name
            self._named = True
        return text.ljust(least, ".")[:most]


def _says_something(schema: Any) -> bool:
    """Tell whether an option is more than null."""
    return schema is not False and (as_dict(schema) or {}).get("type") not in ("null", ["null"])


def _bounds(flat: dict[str, Any]) -> tuple[float | None, float | None, float | None, float | None]:
    """Give the least, what it is above, the most, what it is below; also as earlier drafts wrote them."""
    least, above = figure(flat, "minimum"), figure(flat, "exclusiveMinimum")
    most, below = figure(flat, "maximum"), figure(flat, "exclusiveMaximum")
    if flat.get("exclusiveMinimum") is True:
        least, above = None, least
    if flat.get("exclusiveMaximum") is True:
        most, below = None, most
    return least, above, most, below


def _steps(
    least: float | None, above: float | None, most: float | None, below: float | None, step: Fraction
) -> tuple[int, int]:
    """Give the first and the last multiple within the bounds."""
    lows = [math.ceil(Fraction(str(least)) / step)] if least is not None else []
    lows += [math.floor(Fraction(str(above)) / step) + 1] if above is not None else []
    highs = [math.floor(Fraction(str(most)) / step)] if most is not None else []
    highs += [math.ceil(Fraction(str(below)) / step) - 1] if below is not None else []
    low = max(lows, default=min([1, *highs]))
    return low, min(highs, default=low + 99)


def json_text(value: Any) -> str:
    """Write a value as a model does."""
    return json.dumps(value, ensure_ascii=False)
