"""A stream chunk by chunk: each frame of the wire as it came, with its time and what we read in it.

Laws kept here: every frame is there, also one that says nothing to a reader of the answer (a role, a ping, usage), or
that could not be read; what stands beside it was read in it, and in no other; an answer that came as one document is
one chunk.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace.events import (
    ChoiceFinish,
    Event,
    PartDelta,
    PartKind,
    PartReplace,
    PartStart,
    PartWhole,
    StepStart,
    StepUpdate,
    Usage,
    UsageUpdate,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.wire.framing import Frame


class Chunk(Struct, frozen=True, kw_only=True):
    """A frame, and what was read in it.

    Attributes:
        index: its number, from 0.
        at_s: when it came, in seconds from the sending of the request; None for recorded bytes.
        gap_s: how long after the one before it (the first: after the request).
        event: the frame's name, "" if it has none.
        data: its payload, as text.
        id: the message's id, as known by then.
        model: the model's name, as known by then.
        kind: of the first part that it begins or adds to; None: there is none.
        delta: what it adds, of all parts: text, thinking, a tool call's arguments.
        name: of the first tool whose call begins here.
        finish_reason: the provider's word, where it is said (of the first choice); ours, if it has none.
        usage: where it is said.
        events: all that was read in it; none if it could not be read.
    """

    index: int
    at_s: float | None
    gap_s: float | None
    event: str
    data: str
    id: str | None
    model: str | None
    kind: PartKind | None
    delta: str
    name: str | None
    finish_reason: str | None
    usage: Usage | None
    events: tuple[Event, ...]


class Chunks:
    """Take each frame with its events, and keep the chunks until they are wanted.

    Attributes:
        waiting: the chunks that nobody has taken yet, oldest first.
    """

    def __init__(self) -> None:
        self.waiting: deque[Chunk] = deque()
        self._count = 0
        self._last_s = 0.0
        self._id: str | None = None
        self._model: str | None = None
        self._stop: str | None = None

    def feed(
        self, frame: Frame, events: Sequence[Event], at_s: float | None, *, native_stop_reason: str | None = None
    ) -> None:
        """Take a frame, and what was read in it.

        Args:
            frame: as it came.
            events: what the decoder gave for it.
            at_s: when it came, None if it was recorded without its time.
            native_stop_reason: the decoder's, by now. Its event may come with a later frame (Anthropic says why in one
                and ends in the next).
        """
        kind: PartKind | None = None
        name = usage = None
        finish = None if self._stop else native_stop_reason
        delta: list[str] = []
        for event in events:
            match event:
                case PartDelta() | PartReplace():
                    kind = kind or event.kind
                    delta.append(event.text)
                case PartStart():
                    kind, name = kind or event.kind, name or event.name
                case PartWhole():
                    kind, name = kind or event.kind, name or event.name
                    delta.append(event.text)
                case StepStart():
                    self._id, self._model = event.id, event.model
                case StepUpdate():
                    self._id, self._model = event.id or self._id, event.model or self._model
                case ChoiceFinish() if event.choice or not self._stop:
                    finish = finish or event.native_stop_reason or event.stop_reason
                case UsageUpdate():
                    usage = event.usage
                case _:
                    pass
        chunk = Chunk(
            index=self._count,
            at_s=at_s,
            gap_s=None if at_s is None else at_s - self._last_s,
            event=frame.event,
            data=frame.data.decode("utf-8", "replace"),
            id=self._id,
            model=self._model,
            kind=kind,
            delta="".join(delta),
            name=name,
            finish_reason=finish,
            usage=usage,
            events=tuple(events),
        )
        self._count += 1
        self._stop = self._stop or native_stop_reason
        self._last_s = at_s or 0.0
        self.waiting.append(chunk)
