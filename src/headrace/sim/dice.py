"""Seeded chance.

Law kept here: one seed gives the same throws on every machine and Python version, since only `random.Random.random`
is drawn from, whose sequence Python promises to keep.
"""

from __future__ import annotations

import hashlib
import math
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def stable_hash(data: bytes) -> int:
    """Hash to a number that is the same everywhere, unlike Python's own."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


class Dice:
    """A sequence of throws, by a seed and what the throws are for: one purpose never shifts another's."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._random = random.Random(stable_hash(f"{seed}/{purpose}".encode())).random

    def chance(self, share: float) -> bool:
        """Say yes in this share of the throws."""
        return self._random() < share

    def between(self, low: int, high: int) -> int:
        """Give a whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def uniform(self, low: float, high: float) -> float:
        """Give a number between the two."""
        return low + (high - low) * self._random()

    def pick(self, among: Sequence[T]) -> T:
        """Give one of them."""
        return among[int(self._random() * len(among))]

    def shuffled(self, given: Sequence[T]) -> list[T]:
        """Give all of them in another order."""
        items = list(given)
        for last in range(len(items) - 1, 0, -1):
            other = self.between(0, last)
            items[last], items[other] = items[other], items[last]
        return items

    def lognormal(self, median: float, sigma: float) -> float:
        """Give a number above 0 around a median: many a little below, a few far above."""
        normal = math.sqrt(-2.0 * math.log(1.0 - self._random())) * math.cos(2.0 * math.pi * self._random())
        return median * math.exp(sigma * normal)


class Deck:
    """Texts that are dealt without repeating one before all were dealt."""

    def __init__(self, dice: Dice, cards: Sequence[str]) -> None:
        self._dice = dice
        self._cards = cards
        self._left: list[str] = []
        self._last = ""

    def deal(self) -> str:
        """Give the next one."""
        if not self._left:
            self._left = self._dice.shuffled(self._cards)
            if self._left[-1] == self._last:  # not twice in a row
                self._left.insert(0, self._left.pop())
        self._last = self._left.pop()
        return self._last
