"""Which event may follow which: one table, put behind every decoder by the tests and by ``HEADRACE_DEBUG=1``.

Laws kept here: a run begins with a step (or ends before one), exactly one `End` closes it and nothing follows; a part
starts once, only open parts grow, everything that started has ended when its step is reset or the run ends; a choice
finishes once an attempt.
"""

from __future__ import annotations

from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    PartDelta,
    PartEnd,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StreamWarning,
    UsageUpdate,
)

_ANY = (StreamWarning, Raw)

# state of the run -> event -> next state
RUN: dict[str, dict[type, str]] = {
    "idle": {**dict.fromkeys(_ANY, "idle"), StepStart: "step", End: "ended"},
    "step": {
        **dict.fromkeys(_ANY, "step"),
        **dict.fromkeys((PartStart, PartDelta, PartReplace, PartUpdate, PartWhole, PartEnd), "step"),
        **dict.fromkeys((StepUpdate, ChoiceFinish, UsageUpdate, Retract), "step"),
        StepStart: "step",
        Reset: "reset",
        End: "ended",
    },
    "reset": {**dict.fromkeys(_ANY, "reset"), StepStart: "step", End: "ended"},
    "ended": {},
}

# state of a part (None: not seen; gone: its attempt was reset) -> event -> next state
PART: dict[str | None, dict[type, str]] = {
    None: {PartStart: "open", PartWhole: "ended"},
    "open": {PartDelta: "open", PartReplace: "open", PartUpdate: "open", PartEnd: "ended"},
    "ended": {PartUpdate: "ended"},
    "gone": {},
}


class GrammarError(AssertionError):
    """A decoder or stage of ours gave events in an order that the grammar does not have: a bug of ours."""


class Grammar:
    """Check a run's events, one at a time."""

    def __init__(self) -> None:
        self.state = "idle"
        self._parts: dict[str, str] = {}
        self._open: dict[str, tuple[str, int]] = {}
        self._attempt: set[str] = set()  # the parts of the current attempt
        self._finished: set[int] = set()

    def feed(self, event: Event) -> None:
        """Take an event.

        Raises:
            GrammarError: if it may not stand here.
        """
        kind = type(event)
        state = RUN[self.state].get(kind)
        if state is None:
            raise GrammarError(f"{kind.__name__} in a run that is {self.state!r}: {event}")
        if isinstance(event, PartStart | PartDelta | PartReplace | PartUpdate | PartWhole | PartEnd):
            self._part(event)
        elif isinstance(event, ChoiceFinish):
            if event.choice in self._finished:
                raise GrammarError(f"choice {event.choice} finishes twice: {event}")
            self._finished.add(event.choice)
        elif isinstance(event, StepStart | Reset | End):
            if self._open:
                raise GrammarError(f"{kind.__name__} while parts are open: {sorted(self._open)}")
            if isinstance(event, Reset):
                self._parts.update(dict.fromkeys(self._attempt, "gone"))
            self._attempt.clear()
            self._finished.clear()
        self.state = state

    def _part(self, event: PartStart | PartDelta | PartReplace | PartUpdate | PartWhole | PartEnd) -> None:
        now = self._parts.get(event.part)
        then = PART[now].get(type(event))
        if then is None:
            raise GrammarError(f"{type(event).__name__} for part {event.part!r}, which is {now or 'unknown'}: {event}")
        self._parts[event.part] = then
        if now is None:
            self._attempt.add(event.part)
        if isinstance(event, PartStart):
            self._open[event.part] = (event.kind, event.choice)
        elif isinstance(event, PartDelta | PartReplace):
            if self._open[event.part] != (event.kind, event.choice):
                raise GrammarError(f"part {event.part!r} is {self._open[event.part]}: {event}")
        elif isinstance(event, PartEnd):
            del self._open[event.part]
