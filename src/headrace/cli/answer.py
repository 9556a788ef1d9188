"""Show one answer while it is written, and say how it ended.

Laws kept here: only the text of choice 0 goes to stdout; what had arrived stays, also when it ends badly; no end but a
plain success is passed over in silence; an answer that begins anew after text was given out is an error in a pipe,
which cannot take it back, and a line on a screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from headrace.cli.asking import Watch
from headrace.cli.display import BAD, DIM, THOUGHT, WARN, OutputError, ReaderGone
from headrace.cli.interrupts import READER_GONE
from headrace.errors import RetractedError
from headrace.events import PartDelta, PartEnd, PartReplace, PartStart, PartWhole, Reset, Retract, StreamWarning

if TYPE_CHECKING:
    from headrace.cli.display import Screen
    from headrace.cli.interrupts import Interrupts
    from headrace.events import Event, PartKind
    from headrace.flow.timing import Timing
    from headrace.message import Message
    from headrace.stream import Stream

NOTICES = {
    "length": "the answer reached the limit of tokens and is cut (length)",
    "filtered": "the provider's filter cut the answer (filtered)",
    "refused": "the model refused (refused)",
    "paused": "the provider paused the answer; it can be asked to go on (paused)",
    "cancelled": "stopped before the answer was complete (cancelled)",
}
"""What is said of an outcome that is none of the good ones, and no failure."""
_MEASURABLE_S = 0.1  # what came in a shorter time came at once: a rate would mean nothing
GOOD = ("complete", "stopped", "tool_calls")
"""Outcomes that nobody need be told of."""


class Answer(NamedTuple):
    """What came of it.

    Attributes:
        message: as far as it arrived.
        exit_code: of a command that asks for this one answer.
    """

    message: Message
    exit_code: int


def show(stream: Stream, label: str, screen: Screen, interrupts: Interrupts, *, say_simulation: bool = True) -> Answer:
    """Send the stream's request and show what comes.

    Args:
        stream: not yet entered.
        label: whom it asks.
        screen: where to.
        interrupts: what may end it early.
        say_simulation: whether the warning of a simulation is yet to be given.
    """
    shown = _Shown(stream, screen, say_simulation)
    watch = Watch(stream, label, screen, interrupts)
    with watch, stream:
        for event in stream:
            shown.take(event)
    message, error, code = stream.message, watch.error, watch.code
    if code != READER_GONE:
        try:
            screen.out.end_line()
        except (ReaderGone, OutputError) as problem:
            code, error = (READER_GONE, error) if isinstance(problem, ReaderGone) else (1, problem)
    if code != READER_GONE:  # whoever closed the pipe has what they wanted: other tools are silent, too
        shown.close(message, error)
        if screen.is_terminal and (error is None or message.parts):
            if screen.out.is_terminal and message.text:
                screen.line("")
            style = DIM if message.outcome in GOOD else BAD if error else WARN
            screen.line(summary(label, message, stream.timing), style)
    return Answer(message, code)


def summary(label: str, message: Message, timing: Timing, outcome: str | None = None) -> str:
    """Say in one line how it went: ``openai/gpt-4o-mini · complete · first token 0.41 s · 83 tokens/s · …``.

    Args:
        label: whom was asked; "": it is not said.
        message: what came.
        timing: when.
        outcome: in place of the message's.
    """
    said = [*([label] if label else []), outcome or message.outcome or "cancelled"]
    first, last, usage = timing.first_token_s, timing.last_token_s, message.usage
    about = "≈" if usage.estimated else ""
    if first is not None:
        said.append(f"first token {first:.2f} s")
    if first is not None and last is not None and last - first > _MEASURABLE_S and usage.output_tokens:
        rate = usage.output_tokens / (last - first)
        said.append(f"{about}{rate:,.0f} tokens/s" if rate >= 10 else f"{about}{rate:.1f} tokens/s")
    if usage.input_tokens is not None:
        said.append(f"{about}{usage.input_tokens:,} tokens in")
    if usage.output_tokens is not None:
        said.append(f"{about}{usage.output_tokens:,} {'' if usage.input_tokens is not None else 'tokens '}out")
    return " · ".join(said)


class _Shown:
    """Put each event where it belongs."""

    def __init__(self, stream: Stream, screen: Screen, say_simulation: bool) -> None:
        self._stream = stream
        self._screen = screen
        self._say_simulation = say_simulation
        self._said = False
        self._calls: set[str] = set()
        self._later: list[str] = []

    def take(self, event: Event) -> None:
        match event:
            case PartDelta():
                self._grow(event.kind, event.choice, event.text)
            case PartStart(kind="tool_call" | "server_tool_call"):
                self._calls.add(event.part)
            case PartEnd():
                self._screen.end_aside()
                if event.part in self._calls:
                    part = next(p for p in self._stream.message.parts if p.id == event.part)
                    self._call(part.kind, part.name, part.text)
            case PartWhole():
                self._grow(event.kind, event.choice, event.text)
                self._screen.end_aside()
                self._call(event.kind, event.name, event.text)
            case PartReplace(kind="text", choice=0) | Reset():
                self._again()
                if isinstance(event, PartReplace):
                    self._grow(event.kind, event.choice, event.text)
            case Retract():
                why = f" ({event.reason})" if event.reason else ""
                self._later.append(f"the provider withdrew what it had said{why}")
            case StreamWarning(code="simulation"):
                if self._say_simulation:
                    self._screen.note(event.text)
            case StreamWarning():
                self._later.append(event.text)
            case _:
                pass

    def close(self, message: Message, error: Exception | None) -> None:
        """Say what was kept for the end, and the end itself if it is none of the good ones."""
        screen = self._screen
        screen.end_aside()
        for text in self._later:
            screen.note(text)
        if error is not None:
            screen.error(str(error))
        elif message.outcome in NOTICES and not (message.outcome == "cancelled" and screen.is_terminal):
            screen.note(NOTICES[message.outcome])

    def _grow(self, kind: PartKind, choice: int, text: str) -> None:
        if choice:
            return
        if kind == "text":
            self._said = self._said or bool(text)
            self._screen.text(text)
        elif kind == "refusal":
            self._screen.aside(text, WARN)
        elif kind == "thinking" and self._screen.is_terminal:
            self._screen.aside(text, THOUGHT)

    def _call(self, kind: PartKind, name: str | None, arguments: str) -> None:
        if kind == "tool_call":
            self._screen.line(f"{name}({arguments})")
        elif kind == "server_tool_call" and self._screen.is_terminal:
            self._screen.line(f"{name}({arguments})", DIM)

    def _again(self) -> None:
        if not self._said:
            return
        if self._screen.out.is_terminal:
            self._screen.note("the answer begins anew")
        else:
            raise RetractedError("the answer began anew after text was given out, which a pipe cannot take back")
        self._said = False
