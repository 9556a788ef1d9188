"""From the frames of a good answer to the steps of one that is spoilt: all faults, and a dialect, put together.

In this order, whatever the order in which they are asked for: the dialect's habits; what is done before or in the head;
the frames (as `KINDS` orders them); how they are written; holds and endings at tokens and frames; the cutting of the
bytes; holds and endings at bytes and times.

Laws kept here: lazy, so that frames may come for ever and none is made before it is wanted; by seed alone; without
faults and dialect, byte for byte what the encoder gave.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from headrace.sim.dice import Dice
from headrace.sim.faults import oddities, stream_ends
from headrace.sim.faults.cutting import recut
from headrace.sim.faults.dialects import Dialect, Known
from headrace.sim.faults.endings import at_place, cut_off, ending, holding, keepalives
from headrace.sim.faults.frame import Frame, cut_frames
from headrace.sim.faults.head import answered, reheaded, request_id_of, unanswered, with_header
from headrace.sim.faults.kinds import KINDS, number
from headrace.sim.faults.parse import check_faults
from headrace.sim.faults.place import Place, place_of
from headrace.sim.faults.style import BOM, PLAIN, escaped, restyled, styled, write_frames
from headrace.sim.faults.usage_places import place_usage
from headrace.sim.play import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headrace.sim.faults.endings import Then
    from headrace.sim.faults.fault import Fault
    from headrace.sim.faults.style import Style
    from headrace.sim.play import Head, Step
    from headrace.wire.providers import WireName

__all__ = ["Frame", "cut_frames", "spoil", "spoil_document"]

_ORDER = {name: number for number, name in enumerate(KINDS)}
_ENDINGS = ("hold", "eof", "truncate-frame", "close", "reset", "stall", "keepalives")
_CUTTING = ("cut", "drip")
_KEEPALIVES: dict[WireName, bytes] = {
    "openai-chat": b": keep-alive\n\n",
    "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n',
}


def spoil(
    head: Head,
    frames: Iterator[Frame],
    *,
    wire: WireName,
    faults: Sequence[Fault],
    dialect: Dialect | None,
    dice: Dice,
    total_tokens: int | None,
    prompt_tokens: int | None = None,
) -> tuple[Head | None, Iterator[Step]]:
    """Spoil a stream.

    Args:
        head: of the good answer.
        frames: of the good answer, each once.
        wire: which.
        faults: what goes wrong.
        dialect: whose habits the frames have; one of another wire changes nothing.
        dice: what chance draws by.
        total_tokens: how many tokens the frames bring, if that is known.
        prompt_tokens: how many the prompt has, if that is known, for usage that comes early.

    Returns:
        What a `Play` is made of.

    Raises:
        UsageError: if a fault is none, or two contradict each other.
    """
    spoiling = _Spoiling(head, wire, faults, dialect, dice)
    if spoiling.head is None or spoiling.body is not None:
        return spoiling.answer()
    frames = spoiling.frames(frames, total_tokens, prompt_tokens)
    return spoiling.written(write_frames(frames, spoiling.style, spoiling.dice("style")), total_tokens)


def spoil_document(
    head: Head, body: bytes, *, at_s: float, tokens: int, wire: WireName, faults: Sequence[Fault], dice: Dice
) -> tuple[Head | None, Iterator[Step]]:
    """Spoil an answer that is one JSON document.

    What only frames can have is left out; the usual place of the rest is half-way in bytes.

    Raises:
        UsageError: if a fault is none, or two contradict each other.
    """
    spoiling = _Spoiling(head, wire, faults, None, dice)
    if spoiling.head is None or spoiling.body is not None:
        return spoiling.answer()
    return spoiling.document(body, at_s, tokens)


class _Spoiling:
    """What the faults of one answer make of it.

    Attributes:
        head: as it goes out; None: there is none.
        body: in place of the answer's; None: it is the answer's.
        style: how frames are written.
    """

    def __init__(
        self, head: Head, wire: WireName, faults: Sequence[Fault], dialect: Dialect | None, dice: Dice
    ) -> None:
        check_faults(faults)
        self.head: Head | None = head
        self.body: bytes | None = None
        self._wire: WireName = wire
        self._faults = sorted(faults, key=lambda fault: _ORDER[fault.kind])
        self._dialect = dialect = dialect if dialect and dialect.wire == wire else None
        self._seed = dice.between(0, 2**52)
        self._start_s = head.at_s
        self.style: Style = styled(dialect.style if dialect else PLAIN, self._faults)
        self._request_id = request_id_of(head)
        self._act: Step | None = None
        for name, value in dialect.headers if dialect else ():
            head = with_header(head, name, value)
        self._heads(head)

    def dice(self, purpose: str) -> Dice:
        """Give the dice for a purpose."""
        return Dice(self._seed, purpose)

    # -- the head

    def _heads(self, head: Head) -> None:
        overlong = self._dialect.overlong if self._dialect else "error"
        for fault in self._faults:
            if KINDS[fault.kind].usual == "before the head":
                self.head = None
                self._act = unanswered(fault, head.at_s if fault.at is None else fault.at)
                return
            if fault.at is not None and KINDS[fault.kind].usual == "in the head":
                head = msgspec.structs.replace(head, at_s=fault.at)
                self._start_s = fault.at
            if (instead := answered(fault, head, self._wire, overlong=overlong)) is not None:
                head, self.body = instead.head, instead.body
            head = reheaded(fault, head)
        if head.framing == "length" and any(fault.kind in _ENDINGS + _CUTTING for fault in self._faults):
            head = msgspec.structs.replace(head, framing="chunked")  # a length would have the whole gathered first
        self.head = head

    def answer(self) -> tuple[Head | None, Iterator[Step]]:
        """Give an answer that is not the model's."""
        if self._act is not None:
            return None, iter((self._act,))
        return self.document(self.body or b"", self._start_s, 0)

    # -- frames

    def frames(self, frames: Iterator[Frame], total: int | None, prompt: int | None) -> Iterator[Frame]:
        """Give the frames with the dialect's habits and the faults."""
        wire = self._wire
        for habit in self._dialect.habits if self._dialect else ():
            frames = habit(frames, Known(total, prompt))
        for fault, place in self._placed(total):
            match fault.kind:
                case "usage":
                    frames = place_usage(frames, fault.value or "", wire, total_tokens=total, prompt_tokens=prompt)
                case "finish":
                    frames = stream_ends.finish_word(frames, wire, fault.value or "")
                case "no-finish":
                    frames = stream_ends.no_finish(frames, wire)
                case "done-only":
                    frames = stream_ends.marker_only(frames, wire)
                case "double-finish":
                    frames = stream_ends.double_finish(frames, wire)
                case "no-done":
                    frames = stream_ends.no_marker(frames, wire)
                case "unknown":
                    frames = oddities.unknown(frames, place, wire)
                case "huge":
                    frames = oddities.huge(frames, place, int(fault.value or oddities.HUGE), wire)
                case "splice":
                    frames = oddities.splice(frames, place, wire)
                case "duplicate":
                    frames = oddities.duplicate(frames, place)
                case "surrogates":
                    frames = oddities.surrogates(frames, wire)
                case "error":
                    shape = fault.value or (self._dialect.error if self._dialect else "")
                    frames = stream_ends.failing(frames, place, shape, wire, request_id=self._request_id)
                case "malformed":
                    frames = oddities.malformed(frames, place, fault.value or "cut")
                case "bad-utf8":
                    frames = oddities.bad_utf8(frames, place)
                case _:
                    pass
        return frames

    def written(self, pieces: Iterator[Step], total: int | None) -> tuple[Head | None, Iterator[Step]]:
        """Give the pieces with holds, endings and cuttings."""
        return self.head, self._ended(pieces, self._placed(total))

    def document(self, body: bytes, at_s: float, tokens: int) -> tuple[Head | None, Iterator[Step]]:
        """Give a body that is no stream."""
        for fault in self._faults if self.body is None else ():
            match fault.kind:
                case "malformed":
                    body = oddities.broken(body, fault.value or "cut")
                case "bad-utf8":
                    body = oddities.spoilt_text(body) or body
                case "escapes":
                    body = escaped(body)
                case "bom":
                    body = BOM + body
                case _:
                    pass
        pieces = iter([Piece(at_s, body, tokens)] if body else ())
        return self.head, self._ended(pieces, self._placed(None, size=len(body)))

    # -- holds, endings, cuttings

    def _ended(self, steps: Iterator[Step], placed: Sequence[tuple[Fault, Place]]) -> Iterator[Step]:
        for fault, place in placed:
            # keepalives are no act: a comment within a frame would break it
            if place.kind in ("token", "event") or fault.kind == "keepalives":
                steps = self._end(steps, fault, place)
        for fault in self._faults:
            if fault.kind in _CUTTING:
                steps = recut(steps, fault, self.dice("cut"))
        for fault, place in placed:
            if place.kind in ("byte", "time") and fault.kind != "keepalives":
                steps = self._end(steps, fault, place)
        return steps

    def _end(self, steps: Iterator[Step], fault: Fault, place: Place) -> Iterator[Step]:
        then: Then
        match fault.kind:
            case "eof" | "close" | "reset" | "stall":
                then = ending(fault.kind)
            case "hold":
                then = holding(fault.value or "")
            case "truncate-frame":
                then = cut_off
            case "keepalives":
                comment = restyled(_KEEPALIVES[self._wire], self.style, self.dice("keepalives"))
                then = keepalives(number(fault.value or "1") or 1.0, comment)
            case _:
                return steps
        return at_place(steps, place, then, start_s=self._start_s)

    def _placed(self, total: int | None, *, size: int | None = None) -> list[tuple[Fault, Place]]:
        """Give the faults with their places; one that is added moves no other's."""
        placed: list[tuple[Fault, Place]] = []
        before = Counter[str]()
        for fault in self._faults:
            before[fault.kind] += 1
            dice = self.dice(f"place {before[fault.kind]} of {fault.kind}")
            place = place_of(fault, dice, total, size=size)
            if place.kind == "time":
                place = Place("time", max(place.at, self._start_s))
            placed.append((fault, place))
        return placed
