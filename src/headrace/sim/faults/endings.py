"""What is done to the connection in the middle of the body: holds and endings, at their exact places.

Law kept here: a place in bytes is exact, also within a frame; a moment in time is kept also if nothing is due then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.sim.play import Act, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headrace.sim.faults.place import Place
    from headrace.sim.play import ActKind, Step

    Then = Callable[[float, Iterator[Step]], Iterable[Step]]
    """What happens at a place: from the time, and the steps that would have followed, to those that do."""


def at_place(steps: Iterator[Step], place: Place, then: Then, *, start_s: float) -> Iterator[Step]:
    """Let the steps go on to a place, and then something else.

    Args:
        steps: before.
        place: where.
        then: what happens there, from the time and the steps that were to follow.
        start_s: when the body begins.
    """
    if place.kind == "time":
        yield from _at_time(steps, place.at, then, start_s)
        return
    count, now_s = 0.0, start_s
    if count >= place.at:
        yield from then(now_s, steps)
        return
    for step in steps:
        now_s = step.at_s
        if not isinstance(step, Piece):
            yield step
            continue
        if place.kind == "byte" and (left := int(place.at - count)) < len(step.data):
            yield Piece(now_s, step.data[:left], 0, step.alone)
            rest = Piece(now_s, step.data[left:], step.tokens, step.alone)
            yield from then(now_s, _before(rest, steps))
            return
        yield step
        match place.kind:
            case "token":
                count += step.tokens
            case "byte":
                count += len(step.data)
            case _:
                count += 1
        if count >= place.at:
            yield from then(now_s, steps)
            return


def _at_time(steps: Iterator[Step], at_s: float, then: Then, start_s: float) -> Iterator[Step]:
    now_s = max(at_s, start_s)
    for step in steps:
        if step.at_s >= at_s:
            yield from then(now_s, _before(step, steps))
            return
        yield step


def _before(step: Step, steps: Iterator[Step]) -> Iterator[Step]:
    yield step
    yield from steps


def ending(kind: ActKind) -> Then:
    """Make an ending of an act."""
    return lambda at_s, _: (Act(at_s, kind),)


def holding(name: str) -> Then:
    """Make a hold: what was to follow, follows it."""

    def then(at_s: float, steps: Iterator[Step]) -> Iterator[Step]:
        yield Act(at_s, "hold", name)
        yield from steps

    return then


def cut_off(at_s: float, steps: Iterator[Step]) -> Iterator[Step]:
    """End in the middle of the next piece."""
    piece = next((step for step in steps if isinstance(step, Piece)), None)
    if piece is not None:
        at_s = piece.at_s
        yield Piece(at_s, piece.data[: max(1, len(piece.data) // 2)], 0, piece.alone)
    yield Act(at_s, "eof")


def keepalives(every_s: float, comment: bytes) -> Then:
    """Make an ending that is none: a comment, or a ping, again and again."""

    def then(at_s: float, _: Iterator[Step]) -> Iterator[Step]:
        while True:
            at_s += every_s
            yield Piece(at_s, comment, 0, True)

    return then
