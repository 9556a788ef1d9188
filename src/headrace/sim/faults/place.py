"""Where a fault happens: counted in tokens, in frames, in bytes, or by the time.

Law kept here: nothing is counted ahead, so that frames may come for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from headrace.sim.faults.fault import PlaceKind
from headrace.sim.faults.frame import written
from headrace.sim.faults.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.sim.dice import Dice
    from headrace.sim.faults.fault import Fault
    from headrace.sim.faults.frame import Frame

_UNKNOWN = 8  # tokens, where nobody knows how many there are


class Place(Struct, frozen=True):
    """A place in an answer.

    Attributes:
        kind: what is counted.
        at: how much of it comes before.
    """

    kind: PlaceKind
    at: float


def place_of(fault: Fault, dice: Dice, total_tokens: int | None, *, size: int | None = None) -> Place:
    """Give the place of a fault; one that has none happens in the middle third, by chance.

    Args:
        fault: what happens.
        dice: what chance draws by.
        total_tokens: how many there are, if that is known.
        size: of a body that is no stream: the middle third is then one of bytes.
    """
    if fault.place is not None and fault.at is not None:
        return Place(fault.place, fault.at)
    if fault.value == "start" and fault.kind == "duplicate":
        return Place("event", 0)
    if KINDS[fault.kind].usual != "half-way" or total_tokens == 0 or size == 0:
        return Place("event", 0)
    share = dice.uniform(1 / 3, 2 / 3)
    if size is not None:
        return Place("byte", max(1, round(size * share)))
    return Place("token", _UNKNOWN if total_tokens is None else max(1, round(total_tokens * share)))


def reaching(frames: Iterator[Frame], place: Place) -> Iterator[tuple[bool, Frame]]:
    """Tell of each frame whether the place lies before it (or, by the time: it is due then, or later).

    Bytes are counted as they stand before the frames are given another style.
    """
    count: float = 0
    for frame in frames:
        yield (frame.at_s if place.kind == "time" else count) >= place.at, frame
        match place.kind:
            case "token":
                count += frame.tokens
            case "byte":
                count += len(written(frame))
            case _:
                count += 1
