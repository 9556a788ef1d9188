"""Every cell of the grammar: each state with each event."""

from typing import get_args

import pytest

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
    Usage,
    UsageUpdate,
)
from headrace.grammar import PART, RUN, Grammar, GrammarError

STEP, END, RESET = StepStart(v=1), End(outcome="complete"), Reset()

ONE_OF_EACH: dict[type, Event] = {
    type(event): event
    for event in (
        STEP,
        StepUpdate(model="m"),
        PartStart("p"),
        PartDelta("open", "a"),
        PartReplace("open", "b"),
        PartUpdate("open", name="n"),
        PartWhole("p"),
        PartEnd("open"),
        ChoiceFinish(0, "complete"),
        UsageUpdate(Usage()),
        RESET,
        Retract(),
        StreamWarning("c", "t"),
        Raw("r"),
        END,
    )
}

TO_STATE: dict[str, list[Event]] = {
    "idle": [],
    "step": [STEP],
    "reset": [STEP, RESET],
    "ended": [STEP, END],
}

ALWAYS = {StreamWarning, Raw}
ALLOWED: dict[str, set[type]] = {
    "idle": ALWAYS | {StepStart, End},
    "step": set(ONE_OF_EACH),
    "reset": ALWAYS | {StepStart, End},
    "ended": set(),
}


def grammar_after(events: list[Event]) -> Grammar:
    grammar = Grammar()
    for event in events:
        grammar.feed(event)
    return grammar


def test_the_tables_know_every_state_and_event() -> None:
    assert set(ONE_OF_EACH) == set(get_args(Event))
    assert set(RUN) == set(TO_STATE) == set(ALLOWED)
    assert {s for row in RUN.values() for s in row.values()} <= set(RUN)
    assert {s for row in PART.values() for s in row.values()} <= set(PART)


@pytest.mark.parametrize("state", TO_STATE)
@pytest.mark.parametrize("kind", ONE_OF_EACH, ids=lambda k: k.__name__)
def test_run(state: str, kind: type) -> None:
    of_open_part = kind in (PartDelta, PartReplace, PartUpdate, PartEnd)
    before = [*TO_STATE[state], *([PartStart("open")] if of_open_part and state == "step" else [])]
    grammar = grammar_after(before)
    assert grammar.state == state
    if kind in ALLOWED[state]:
        grammar.feed(ONE_OF_EACH[kind])
        leads: dict[type, str] = {StepStart: "step", Reset: "reset", End: "ended"}
        assert grammar.state == leads.get(kind, state)
    else:
        with pytest.raises(GrammarError, match=f"{kind.__name__} in a run that is '{state}'"):
            grammar.feed(ONE_OF_EACH[kind])


PART_STATE: dict[str | None, list[Event]] = {
    None: [STEP],
    "open": [STEP, PartStart("p")],
    "ended": [STEP, PartStart("p"), PartEnd("p")],
    "gone": [STEP, PartStart("p"), PartEnd("p"), RESET, STEP],
}
PART_EVENTS: list[Event] = [
    PartStart("p"),
    PartWhole("p"),
    PartDelta("p", "a"),
    PartReplace("p", "a"),
    PartUpdate("p"),
    PartEnd("p"),
]
PART_ALLOWED: dict[str | None, set[type]] = {
    None: {PartStart, PartWhole},
    "open": {PartDelta, PartReplace, PartUpdate, PartEnd},
    "ended": {PartUpdate},
    "gone": set(),
}


@pytest.mark.parametrize("state", PART_STATE)
@pytest.mark.parametrize("event", PART_EVENTS, ids=lambda e: type(e).__name__)
def test_part(state: str | None, event: Event) -> None:
    assert set(PART) == set(PART_STATE)
    grammar = grammar_after(PART_STATE[state])
    if type(event) in PART_ALLOWED[state]:
        grammar.feed(event)
        assert grammar.state == "step"
    else:
        with pytest.raises(GrammarError, match=f"part 'p', which is {state or 'unknown'}"):
            grammar.feed(event)


def test_a_part_that_came_whole_has_ended() -> None:
    grammar = grammar_after([STEP, PartWhole("p"), PartUpdate("p")])
    with pytest.raises(GrammarError, match="which is ended"):
        grammar.feed(PartDelta("p", "a"))


@pytest.mark.parametrize("event", [PartDelta("p", "a", "thinking"), PartReplace("p", "a", "text", 1)], ids=repr)
def test_a_delta_repeats_its_parts_kind_and_choice(event: Event) -> None:
    grammar = grammar_after([STEP, PartStart("p", "text", 0)])
    with pytest.raises(GrammarError, match="part 'p' is"):
        grammar.feed(event)


@pytest.mark.parametrize("event", [STEP, RESET, END], ids=lambda e: type(e).__name__)
def test_nothing_ends_while_parts_are_open(event: Event) -> None:
    grammar = grammar_after([STEP, PartStart("p"), PartStart("q"), PartEnd("q")])
    with pytest.raises(GrammarError, match=r"while parts are open: \['p'\]"):
        grammar.feed(event)
    grammar.feed(PartEnd("p"))
    grammar.feed(event)


def test_a_choice_finishes_once_an_attempt() -> None:
    finish = ChoiceFinish(0, "complete")
    grammar = grammar_after([STEP, finish, ChoiceFinish(1, "length")])
    with pytest.raises(GrammarError, match="choice 0 finishes twice"):
        grammar.feed(finish)
    for again in (STEP, RESET):
        grammar = grammar_after([STEP, finish, again, *([STEP] if again is RESET else []), finish])
        assert grammar.state == "step"


def test_parts_of_earlier_steps_outlive_a_reset() -> None:
    grammar = grammar_after([STEP, PartWhole("old"), STEP, PartWhole("new"), RESET, STEP, PartUpdate("old")])
    with pytest.raises(GrammarError, match="which is gone"):
        grammar.feed(PartUpdate("new"))


def test_a_refused_event_changes_nothing() -> None:
    grammar = grammar_after([STEP])
    with pytest.raises(GrammarError):
        grammar.feed(PartDelta("p", "a"))
    grammar.feed(PartStart("p"))
    grammar.feed(PartEnd("p"))
    grammar.feed(END)
    assert grammar.state == "ended"
