"""Which values of a body are secrets, by the names under which they stand.

Laws kept here: what people and models say to each other is left alone: messages, answers, arguments of tools, and the
pieces of text beside which probabilities stand; a schema tells names, and no values; a secret may stand one deeper, as
the ``value`` of its name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace.sim.secrets import Strength, is_key, is_word, looks_random, strength
from headrace.wire.lenient_json import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_VALUES = frozenset({"value", "values", "key", "data"})
_SAID = frozenset(
    {
        "arguments", "args", "candidates", "choices", "completion", "content", "content_block", "contents", "delta",
        "function_call", "functioncall", "input", "inputs", "message", "messages", "output", "parts", "prompt",
        "system", "system_instruction", "systeminstruction", "text", "thinking", "tool_calls",
    }
)  # fmt: skip
_LONG = 16
_LONGEST_NAME = 200
_PLAIN = re.compile(r"[A-Za-z]?[a-z]{7,13}")
_NAMES = ("name", "key", "header")


class Place(NamedTuple):
    """Where a value stands.

    Attributes:
        name: its field's name.
        says: how much its names say that it is a secret.
        said: whether it is part of what was said.
        probable: whether it tells of probabilities.
    """

    name: str = ""
    says: Strength = Strength.NONE
    said: bool = False
    probable: bool = False

    def inside(self, name: str) -> Place:
        """Give the place of a field in the object that stands here; what is in a list stands where the list does."""
        return _inside(self, name) if len(name) <= _LONGEST_NAME else self._replace(name="", says=Strength.NONE)

    def fields(self, fields: dict[str, Any]) -> Iterator[tuple[str, Any, Place]]:
        """Give the fields of the object that stands here, and where; a ``value`` may have its name beside it."""
        for name, value in fields.items():
            place = self.inside(name)
            if name == "value":
                says = max(strength(as_text(fields.get(key))) for key in _NAMES)
                place = place._replace(says=max(place.says, says))
            yield name, value, place

    @property
    def is_value(self) -> bool:
        """Whether it may be a secret that has its name elsewhere."""
        return self.name.lower() in _VALUES

    @property
    def may_be_answered(self) -> bool:
        """Whether a secret may stand here in an answer."""
        return not (self.said or self.probable) and (self.says is not Strength.NONE or self.is_value)


@lru_cache(maxsize=4096)
def _inside(place: Place, name: str) -> Place:
    lower = name.lower()
    says = strength(name)
    if says is Strength.NONE and lower in _VALUES:
        says = place.says
    return Place(name, says, place.said or lower in _SAID, place.probable or "prob" in lower)


def was_asked(place: Place, text: str) -> bool:
    """Tell whether a text of a request is a secret."""
    if place.said:
        return place.says is Strength.SURE and not place.probable and looks_random(text)
    if place.probable or not text:
        return False
    if place.says is Strength.SURE and not place.is_value:
        return True
    return is_key(text) or (place.says is not Strength.NONE and is_word(text))


def was_answered(place: Place, text: str) -> bool:
    """Tell whether a text that `may_be_answered` is a secret; what is scrubbed of an answer, its client misses."""
    if place.says is Strength.SURE:
        return is_word(text) and _PLAIN.fullmatch(text) is None
    return is_key(text) or (place.says is Strength.LIKELY and len(text) >= _LONG and looks_random(text))
