"""Several answers in a pipe: lines, or events, each with its label.

Laws kept here: a line is never torn, and the lines of a label stay in order; what went out is not taken back: a label
whose answer begins anew after a line of it was written has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headrace.cli.answer import NOTICES, summary
from headrace.cli.display import BAD, DIM, WARN
from headrace.events import (
    End,
    PartDelta,
    PartEnd,
    PartReplace,
    PartWhole,
    Reset,
    StreamWarning,
    encode_event,
)
from headrace.message import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from headrace.cli.display import Screen
    from headrace.events import Event
    from headrace.flow.timing import Timing
    from headrace.message import Message


class View(Protocol):
    """Where several answers are shown; a context, within which they come."""

    waits: bool
    """Whether it is to be shown elsewhere that they are waited for."""
    failed: bool
    """Whether one of them has failed."""

    def __enter__(self) -> Any:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more."""
        ...

    def take(self, label: str, event: Event) -> bool:
        """Take an event of one of them; False: no more of it is wanted.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if it cannot be written.
        """
        ...

    def close(self, timings: Mapping[str, Timing]) -> None:
        """Say how they went."""
        ...


class Voice:
    """One of several answers, as far as it was read."""

    def __init__(self) -> None:
        self._fold = Fold()

    @property
    def message(self) -> Message:
        """What came."""
        return self._fold.message()

    def feed(self, event: Event) -> None:
        """Take an event in."""
        self._fold.feed(event)

    def call(self, event: Event) -> str | None:
        """Give a tool's call that is whole with this event."""
        if not isinstance(event, PartEnd | PartWhole):
            return None
        part = next(part for part in self.message.parts if part.id == event.part)
        return f"{part.name}({part.text})" if part.kind == "tool_call" else None


class _Labelled:
    def __init__(self, names: Mapping[str, str], screen: Screen) -> None:
        self.waits = True
        self.failed = False
        self._names = names
        self._screen = screen
        self._voices = {label: Voice() for label in names}
        self._said_simulation = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def take(self, label: str, event: Event) -> bool:
        """Take an event of one of them; False: no more of it is wanted."""
        self._voices[label].feed(event)
        match event:
            case StreamWarning(code="simulation"):
                if not self._said_simulation:
                    self._screen.note(event.text)
                self._said_simulation = True
            case StreamWarning():
                self._screen.note(f"{label}: {event.text}")
            case End() if event.error is not None:
                self.failed = True
                self._screen.error(f"{label}: {event.error.to_exception()}")
            case End() if event.outcome in NOTICES and event.outcome != "cancelled":
                self._screen.note(f"{label}: {NOTICES[event.outcome]}")
            case _:
                pass
        return True

    def close(self, timings: Mapping[str, Timing]) -> None:
        """Say how they went; at a terminal."""
        if self._screen.is_terminal:
            for label, voice in self._voices.items():
                message = voice.message
                style = BAD if message.error is not None else WARN if message.outcome in NOTICES else DIM
                self._screen.line(summary(f"{label} · {self._names[label]}", message, timings[label]), style)


class LabelledEvents(_Labelled):
    """A JSON event a line, its label first."""

    def take(self, label: str, event: Event) -> bool:
        """Write an event."""
        self._screen.stop_waiting()
        self._screen.out.data(b'{"label":' + msgspec.json.encode(label) + b"," + encode_event(event)[1:] + b"\n")
        return super().take(label, event)


class LabelledLines(_Labelled):
    """Lines of text (of choice 0), each after its label and a tab; tools' calls and refusals on stderr."""

    def __init__(self, names: Mapping[str, str], screen: Screen) -> None:
        super().__init__(names, screen)
        self._lines: dict[str, list[str]] = {label: [] for label in names}  # those that have not ended
        self._written: set[str] = set()
        self._given_up: set[str] = set()

    def take(self, label: str, event: Event) -> bool:
        """Write the lines that an event completes."""
        if label in self._given_up:
            return True
        if isinstance(event, End):
            self._end_line(label)
        super().take(label, event)
        match event:
            case PartDelta(kind="text", choice=0) | PartWhole(kind="text", choice=0):
                self._grow(label, event.text)
            case PartReplace(kind="text", choice=0) | Reset():
                if label in self._written:
                    self.failed = True
                    self._given_up.add(label)
                    what = "began anew after lines of it were written, which a pipe cannot take back"
                    self._screen.error(f"{label}: the answer {what}")
                    return False
                self._lines[label] = [event.text] if isinstance(event, PartReplace) else []
            case PartEnd() | PartWhole():
                call = self._voices[label].call(event)
                if call is not None:
                    self._screen.line(f"{label}: {call}")
            case End():
                refusal = self._voices[label].message.refusal
                if refusal:
                    self._screen.line(f"{label}: {refusal}", WARN)
            case _:
                pass
        return True

    def _grow(self, label: str, text: str) -> None:
        *whole, rest = text.split("\n")
        lines = self._lines[label]
        for line in whole:
            lines.append(line)
            self._write(label)
        if rest:
            lines.append(rest)

    def _end_line(self, label: str) -> None:
        if self._lines[label]:
            self._write(label)

    def _write(self, label: str) -> None:
        line = "".join(self._lines[label])
        self._lines[label].clear()
        self._written.add(label)
        self._screen.text(f"{label}\t{line}\n")
