"""Carry a play out on a line: the head, the pieces, the acts, each at its time.

Laws kept here: a piece is a chunk of its own where there are chunks, and one that is alone is a write of its own; a
step is made no earlier than the one before it is due; nothing is made any more once the player is stopped.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple, Protocol

from headrace.sim.play import Act, Piece
from headrace.sim.serving.head import has_body, write_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.sim.play import Head, Play, Step
    from headrace.sim.serving.clock import Clock
    from headrace.sim.serving.entries import Entry
    from headrace.sim.serving.head import Framing

_WRITE = 16 * 1024
_LAST_CHUNK = b"0\r\n\r\n"


class Mark(NamedTuple):
    """A place in bytes that are written, and what is whole there.

    Attributes:
        end: how many bytes come before it.
        tokens: how many tokens.
        status: the head, with this status.
    """

    end: int
    tokens: int = 0
    status: int | None = None


class Line(Protocol):
    """What a play is carried out on: a connection."""

    async def write(self, data: bytes, *, marks: Sequence[Mark] = (), how: str = "") -> None:
        """Write bytes at once, and wait until the socket has taken them.

        Args:
            data: the bytes.
            marks: what is whole after how many of them.
            how: how the exchange ends, if they are its last.
        """
        ...

    async def stall(self) -> None:
        """Wait until the client goes."""
        ...

    async def hold(self, name: str) -> None:
        """Wait until a hold is released."""
        ...

    async def act(self, act: Act) -> None:
        """Close, reset or refuse; the exchange ends with it."""
        ...


class Player:
    """One play, on one line.

    Args:
        play: what is played.
        line: on which.
        clock: by which.
        entry: where it is noted.
        began_s: when the request had come.
        chunks: whether the client knows chunks.
        head_only: whether it asked for the head alone.
        keep: whether it would ask again on this connection.
    """

    def __init__(
        self,
        play: Play,
        line: Line,
        *,
        clock: Clock,
        entry: Entry,
        began_s: float,
        chunks: bool,
        head_only: bool,
        keep: bool,
    ) -> None:
        self._steps = play.steps
        self._head = play.head
        self._line = line
        self._clock = clock
        self._entry = entry
        self._began_s = began_s
        self._head_only = head_only
        self._framing: Framing | None = None
        self.keeps = keep
        """Whether the connection stays open after an answer that ends well."""
        if play.head is not None:
            self._framing = play.head.framing if has_body(play.head.status) else None
            if self._framing == "chunked" and not chunks:
                self._framing = "close"
            if self._framing == "close" and not head_only:
                self.keeps = False
        self._batch: list[bytes] = []
        self._size = 0
        self._marks: list[Mark] = []

    async def run(self) -> None:
        """Play it to its end."""
        step = self._next()
        head = self._head
        if head is not None:
            while isinstance(step, Act) and step.kind == "hold" and step.at_s < head.at_s:
                await self._until(step.at_s)
                await self._hold(step)
                step = self._next()
            if await self._play_head(head, step):
                return
            if self._framing is None or self._head_only:
                self.stop()
                await self._flush("complete")
                return
            step = self._next() if self._framing == "length" else step
        while step is not None:
            if isinstance(step, Piece):
                if step.alone or not self._is_due(step.at_s):
                    await self._flush()
                    await self._until(step.at_s)
                self._add(step)
                if step.alone or self._size >= _WRITE:
                    await self._flush()
            else:
                await self._flush()
                await self._until(step.at_s)
                if step.kind != "hold":
                    await self._act(step)
                    return
                await self._hold(step)
            step = self._next()
        await self._end("complete")

    def stop(self) -> None:
        """Make nothing more."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()

    # -- the head

    async def _play_head(self, head: Head, first: Step | None) -> bool:
        """Write the head; tell whether an act has ended all before it was whole."""
        length = 0
        if self._framing == "length":
            length = self._gather(first)
        data = write_head(head, self._framing, length=length, keep=self.keeps)
        act = first if isinstance(first, Act) and first.kind not in ("eof", "hold") else None
        pieces = [data[i : i + 1] for i in range(len(data))] if head.drip_s else [data]
        for at_s, piece in zip(itertools.count(head.at_s, head.drip_s), pieces, strict=False):
            if act is not None and act.at_s < at_s:
                await self._flush()
                await self._until(act.at_s)
                await self._act(act)
                return True
            await self._flush()
            await self._until(at_s)
            self._put(piece)
        self._marks.append(Mark(self._size, status=head.status))
        return False

    def _gather(self, first: Step | None) -> int:
        """Make the whole body, and give its length: a byte more than comes, where it is cut short."""
        steps: list[Step] = []
        step = first
        while step is not None:
            steps.append(step)
            step = self._next()
        self._steps = iter(steps)
        length = sum(len(step.data) for step in steps if isinstance(step, Piece))
        last = steps[-1] if steps else None
        return length + (isinstance(last, Act) and last.kind not in ("eof", "hold"))

    # -- the body

    def _add(self, piece: Piece) -> None:
        data = piece.data
        if data:  # an empty chunk would be the last one
            self._put(b"%x\r\n%b\r\n" % (len(data), data) if self._framing == "chunked" else data)
            self._marks.append(Mark(self._size, piece.tokens))

    def _put(self, data: bytes) -> None:
        self._batch.append(data)
        self._size += len(data)

    async def _act(self, act: Act) -> None:
        self.stop()
        if act.kind == "stall":
            await self._line.stall()
        elif act.kind == "eof":
            await self._end("eof")
        else:
            await self._line.act(act)

    async def _hold(self, act: Act) -> None:
        await self._line.hold(act.name)
        # the play's time stood still
        self._began_s = max(self._began_s, self._clock.now() - act.at_s)

    async def _end(self, how: str) -> None:
        if self._head is None:
            await self._line.act(Act(0.0, "close"))
            return
        if self._framing == "chunked":
            self._put(_LAST_CHUNK)
        await self._flush(how)

    # -- time, steps, bytes

    def _next(self) -> Step | None:
        step = next(self._steps, None)
        if isinstance(step, Piece):
            self._entry.made(step.tokens)
        return step

    def _is_due(self, at_s: float) -> bool:
        return self._began_s + at_s <= self._clock.now()

    async def _until(self, at_s: float) -> None:
        await self._clock.sleep_until(self._began_s + at_s)

    async def _flush(self, how: str = "") -> None:
        if not self._batch and not how:
            return
        data, marks = b"".join(self._batch), self._marks
        self._batch, self._size, self._marks = [], 0, []
        await self._line.write(data, marks=marks, how=how)
