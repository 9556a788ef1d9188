"""The bytes of the body, cut elsewhere than the frames are; each piece then is a write of its own.

Law kept here: no byte is lost, added or moved, and the tokens of a frame count with its last byte.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from headrace.sim.faults.kinds import number
from headrace.sim.play import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.sim.dice import Dice
    from headrace.sim.faults.fault import Fault
    from headrace.sim.play import Step

_RANDOM = (1, 40)  # bytes a piece
_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_WIDE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")


def recut(steps: Iterator[Step], fault: Fault, dice: Dice) -> Iterator[Step]:
    """Cut the pieces as a fault of the kind ``cut`` or ``drip`` says."""
    value = fault.value or "0"
    if fault.kind == "drip":
        return _dripped(steps, number(value) or 0.0)
    match value:
        case "utf8":
            return _within(steps, _inside(_WIDE, dice))
        case "escape":
            return _within(steps, _inside(_ESCAPE, dice))
        case "crlf":
            return _within(steps, lambda data: [found.start() + 1 for found in re.finditer(rb"\r\n", data)])
        case "random":
            return _sized(steps, lambda: dice.between(*_RANDOM))
        case _:
            return _sized(steps, lambda: int(value))


def _dripped(steps: Iterator[Step], gap_s: float) -> Iterator[Step]:
    now_s = 0.0
    for step in steps:
        now_s = max(now_s, step.at_s)
        if not isinstance(step, Piece):
            yield type(step)(now_s, step.kind, step.name, step.seconds)
            continue
        last = len(step.data) - 1
        for place in range(last + 1):
            yield Piece(now_s, step.data[place : place + 1], step.tokens if place == last else 0, True)
            now_s += gap_s


def _inside(pattern: re.Pattern[bytes], dice: Dice) -> Callable[[bytes], list[int]]:
    def places(data: bytes) -> list[int]:
        return [dice.between(found.start() + 1, found.end() - 1) for found in pattern.finditer(data)]

    return places


def _within(steps: Iterator[Step], places: Callable[[bytes], list[int]]) -> Iterator[Step]:
    """Cut each piece at places within it."""
    for step in steps:
        if not isinstance(step, Piece):
            yield step
            continue
        data, last = step.data, 0
        for place in places(data):
            yield Piece(step.at_s, data[last:place], 0, True)
            last = place
        yield Piece(step.at_s, data[last:], step.tokens, True)


def _sized(steps: Iterator[Step], size: Callable[[], int]) -> Iterator[Step]:
    """Cut what is due together into pieces of these sizes, across the frames' borders."""
    held, now_s, want = bytearray(), 0.0, size()
    ends: deque[tuple[int, int]] = deque()  # how many bytes are left to a frame's end, and its tokens
    for step in steps:
        if held and (step.at_s > now_s or not isinstance(step, Piece)):
            yield _taken(held, ends, len(held), now_s)
            want = size()
        now_s = step.at_s
        if not isinstance(step, Piece):
            yield step
            continue
        held += step.data
        ends.append((len(held), step.tokens))
        while len(held) >= want:
            yield _taken(held, ends, want, now_s)
            want = size()
    if held:
        yield _taken(held, ends, len(held), now_s)


def _taken(held: bytearray, ends: deque[tuple[int, int]], size: int, at_s: float) -> Piece:
    """Take bytes from the front, with the tokens of the frames that end in them."""
    data = bytes(held[:size])
    del held[:size]
    tokens = 0
    while ends and ends[0][0] <= size:
        tokens += ends.popleft()[1]
    for at, (end, count) in enumerate(ends):
        ends[at] = (end - size, count)
    return Piece(at_s, data, tokens, True)
