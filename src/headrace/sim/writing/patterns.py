r"""Texts that a simple regular expression matches.

Known are literals, ``.``, ``\d \w \s`` and their opposites, escaped characters, classes with ranges, groups (also
named ones and such as are not captured), alternatives, and the quantifiers ``* + ? {n} {n,} {n,m}``, lazy or not.
Anchors and ``\b`` are taken for granted.  Not known are looking ahead and behind, references back, ``\p{…}`` and flags.

Law kept here: what is written was held against the pattern.
"""

from __future__ import annotations

import math
import re
import string
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from headrace.sim.dice import Dice

_LETTERS = string.ascii_letters + string.digits
_SHOWN = _LETTERS + " !#%&*+,-./:;<=>?@_"  # what "." stands for, and whatever is not in a class
_CLASSES = {"d": string.digits, "w": _LETTERS + "_", "s": " "}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_CODES = {"x": 2, "u": 4}
_QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(,(\d*))?\})\??")
_GROUP = re.compile(r"\?(:|P?<[A-Za-z_]\w*>)")
_ANCHORS = ("^", "$", r"\b", r"\A", r"\Z")
_FURTHER = (2, 4, 1, 0, 8, 16, 32, 64) * 4  # how often what may repeat does so at most, a try each
_NEAR = 16  # characters of a text that do not repeat, where its length matters
_MOST_REPEATS = 1000
_MOST_STEPS = 20_000
_DEEPEST = 40

_Node: TypeAlias = "str | _Sequence | _Alternatives | _Repeated"  # a text: one of its characters


class _Unknown(Exception):
    """The expression is not simple."""


class _Sequence:
    def __init__(self, nodes: list[_Node]) -> None:
        self.nodes = nodes


class _Alternatives:
    def __init__(self, nodes: list[_Node]) -> None:
        self.nodes = nodes


class _Repeated:
    def __init__(self, node: _Node, least: int, most: int | None) -> None:
        self.node = node
        self.least = least
        self.most = most


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile a pattern; None: it is none of Python's, as JavaScript's may be."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what may once mean something else is not our user's concern
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return None


# a group that is repeated, and in it what may repeat, be left out, or be one of several: where it does not match, the
# time that `re` takes may double with each character
_RISKY = re.compile(r"\([^()]*[*+?{|][^()]*\)[*+{]|\)\??[*+}]?\)[*+{]")
_MOST_RISKED = 16  # characters that are tried all the same


def held_against(pattern: str, text: str) -> bool | None:
    """Tell whether a pattern is found in a text; None: nobody can tell, or it might take for ever."""
    found = compiled(pattern)
    if found is None or (len(text) > _MOST_RISKED and _RISKY.search(pattern)):
        return None
    return found.search(text) is not None


def text_for(pattern: str, dice: Dice, *, least: int = 0, most: int | None = None) -> str | None:
    """Write a text that a pattern matches, of a length if that can be; None: the pattern is not a simple one."""
    if compiled(pattern) is None:
        return None
    highest = math.inf if most is None else most
    try:
        node = _Reader(pattern).whole()
        lengths = range(max(least - _NEAR, 0), least + 1)
        for further, exact in [*[(further, False) for further in _FURTHER], *[(length, True) for length in lengths]]:
            text = _Writer(dice, exact=exact).text(node, further)
            for tried in (text, text.ljust(least, "x")):  # which an end that is not anchored allows
                if least <= len(tried) <= highest and held_against(pattern, tried):
                    return tried
    except _Unknown:
        pass
    return None


class _Writer:
    def __init__(self, dice: Dice, *, exact: bool) -> None:
        self._dice = dice
        self._exact = exact  # whether what may repeat does so just as often as it may
        self._left = _MOST_STEPS

    def text(self, node: _Node, further: int) -> str:
        """Write what a node stands for; what may repeat does so at most so often beyond what it must."""
        self._left -= 1
        if self._left < 0:
            raise _Unknown
        match node:
            case str():
                return self._dice.pick(node)
            case _Sequence():
                return "".join([self.text(inner, further) for inner in node.nodes])
            case _Alternatives():
                return self.text(self._dice.pick(node.nodes), further)
            case _:
                most = max(node.least, min(node.least + further, math.inf if node.most is None else node.most))
                times = int(most) if self._exact else self._dice.between(node.least, int(most))
                return "".join([self.text(node.node, min(further // 2, 4)) for _ in range(times)])


class _Reader:
    """Read an expression that is one, from its beginning to its end."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> _Node:
        """Read all of it; that its brackets match was seen by who compiled it."""
        return self._alternatives()

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]

    def _alternatives(self) -> _Node:
        nodes: list[_Node] = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            nodes.append(self._sequence())
        return _Alternatives(nodes)

    def _sequence(self) -> _Node:
        nodes: list[_Node] = []
        while self._next() not in ("", "|", ")"):
            if anchor := next((anchor for anchor in _ANCHORS if self._pattern.startswith(anchor, self._at)), None):
                self._at += len(anchor)
                continue
            node = self._one()
            quantifier = _QUANTIFIER.match(self._pattern, self._at)
            if quantifier:
                self._at = quantifier.end()
                node = _Repeated(node, *_times(quantifier))
            nodes.append(node)
        return _Sequence(nodes)

    def _one(self) -> _Node:
        match self._take():
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _SHOWN
            case "\\":
                return self._escaped()
            case char if char in "*+?":
                raise _Unknown
            case char:
                return char

    def _group(self) -> _Node:
        if self._next() == "?":
            group = _GROUP.match(self._pattern, self._at)
            if group is None:
                raise _Unknown
            self._at = group.end()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unknown
        node = self._alternatives()
        self._depth -= 1
        self._take()  # its closing bracket
        return node

    def _escaped(self) -> str:
        char = self._take()
        if char.lower() in _CLASSES:
            chars = _CLASSES[char.lower()]
            return chars if char.islower() else _without(chars)
        if char in _CODES:
            digits = "".join([self._take() for _ in range(_CODES[char])])
            if not (char := _safe(chr(int(digits, 16)))):
                raise _Unknown
            return char
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isalnum():  # a reference, a border, a property
            raise _Unknown
        return char

    def _class(self) -> str:
        negated = self._next() == "^"
        self._at += negated
        chars = ""
        first = True
        while first or self._next() != "]":
            first = False
            one = self._escaped() if (char := self._take()) == "\\" else char
            if self._next() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", "") and len(one) == 1:
                self._at += 1
                last = self._escaped() if (char := self._take()) == "\\" else char
                one = "".join([chr(code) for code in range(ord(one), min(ord(last), ord(one) + 255) + 1)])
            chars += one
        self._at += 1
        chars = _without(chars) if negated else _safe(chars)
        if not chars:
            raise _Unknown
        return chars


def _without(chars: str) -> str:
    return "".join([char for char in _SHOWN if char not in chars])


def _safe(chars: str) -> str:
    return "".join([char for char in chars if not "\ud800" <= char <= "\udfff"])


def _times(quantifier: re.Match[str]) -> tuple[int, int | None]:
    match quantifier[1]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
        case _:
            least = int(quantifier[2])
            most = least if quantifier[3] is None else int(quantifier[4]) if quantifier[4] else None
            if least > _MOST_REPEATS:
                raise _Unknown
            return least, most
