"""All faults together: laws that hold whatever is asked for."""

import itertools
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from headrace.errors import UsageError
from headrace.sim.dice import Dice
from headrace.sim.faults.dialects import DIALECTS
from headrace.sim.faults.kinds import KINDS
from headrace.sim.faults.parse import parse_fault
from headrace.sim.faults.spoil import Frame, spoil
from headrace.sim.play import Piece
from headrace.wire.providers import WireName
from tests.sim.faults.spoiling import HEAD, TOKENS, WIRES, answer, encoded, seen, steps_of

every_wire = pytest.mark.parametrize("wire", WIRES)

SAMPLE = {
    "status": "status:429:2",
    "content-type": "content-type:text/plain",
    "slow-headers": "slow-headers:2",
    "usage": "usage:both",
    "finish": "finish:novel",
    "huge": "huge:2000",
    "cut": "cut:random",
}
FAULTS = [SAMPLE.get(kind, kind) for kind in KINDS]


@every_wire
@pytest.mark.parametrize("events", [{}, {"thinking": "hm hm"}, {"tools": 2}])
def test_without_faults_nothing_changes(wire: WireName, events: dict[str, object]) -> None:
    good = list(encoded(wire, answer(**events)))  # type: ignore[arg-type]
    play = seen(wire, events=answer(**events))  # type: ignore[arg-type]
    assert play.head is HEAD
    assert play.steps == [Piece(frame.at_s, frame.raw, frame.tokens) for frame in good]


def for_ever(wire: WireName, taken: list[int]) -> Iterator[Frame]:
    """Give an answer that has no end, and count what was taken of it."""
    for frame in encoded(wire, answer(itertools.cycle(TOKENS))):
        taken[0] += 1
        yield frame


@every_wire
@pytest.mark.parametrize("fault", ["", *FAULTS])
@pytest.mark.parametrize("dialect", [None, "openrouter", "bedrock"])
def test_an_answer_without_an_end(wire: WireName, fault: str, dialect: str | None) -> None:
    taken = [0]
    _, steps = spoil(
        HEAD,
        for_ever(wire, taken),
        wire=wire,
        faults=[parse_fault(fault)] if fault else [],
        dialect=DIALECTS[dialect] if dialect else None,
        dice=Dice(1, "x"),
        total_tokens=None,
    )
    assert taken == [0]
    first = next(steps, None)
    assert taken[0] <= 3  # a habit may look at what comes next, no further
    got = list(itertools.islice(steps, 50))
    assert taken[0] <= 60
    if KINDS[fault.partition(":")[0]].usual == "throughout" if fault else True:
        assert first is not None
        assert len(got) == 50


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_lazy(name: str) -> None:
    taken = [0]
    _, steps = spoil(
        HEAD,
        for_ever(DIALECTS[name].wire, taken),
        wire=DIALECTS[name].wire,
        faults=[],
        dialect=DIALECTS[name],
        dice=Dice(1, "x"),
        total_tokens=None,
    )
    for number, _ in enumerate(itertools.islice(steps, 200)):
        assert taken[0] <= number + 4


@st.composite
def together(draw: st.DrawFn) -> list[str]:
    """Draw faults that do not contradict each other."""
    chosen: list[str] = []
    words: set[str] = set()
    for fault in draw(st.lists(st.sampled_from(FAULTS), max_size=6, unique=True)):
        excludes = set(KINDS[fault.partition(":")[0]].excludes)
        if not excludes & words:
            words |= excludes
            chosen.append(fault)
    return chosen


@settings(max_examples=150)
@given(together(), st.sampled_from(WIRES), st.sampled_from([None, *DIALECTS]), st.integers(0, 3))
def test_any_faults_together(faults: list[str], wire: WireName, dialect: str | None, seed: int) -> None:
    play = seen(wire, *faults, dialect=dialect, seed=seed)
    assert seen(wire, *reversed(faults), dialect=dialect, seed=seed).steps == play.steps  # their order is ours
    assert all(step.data for step in play.steps if isinstance(step, Piece))


def test_a_fault_that_is_added_moves_no_other() -> None:
    alone = seen("openai-chat", "reset", seed=3)
    for other in ("bom", "hold", "unknown", "slow-headers:1"):
        play = seen("openai-chat", "reset", other, seed=3)
        assert play.acts[-1] == alone.acts[-1]


def test_seeds_differ() -> None:
    assert len({seen("openai-chat", "reset", seed=seed).body for seed in range(20)}) > 2
    assert len({tuple(map(str, seen("openai-chat", "cut:random", seed=seed).steps)) for seed in range(9)}) == 9


def test_contradictions_are_told_at_once() -> None:
    with pytest.raises(UsageError):
        steps_of("openai-chat", "eof", "reset")


def test_a_dialects_own_headers() -> None:
    dialect = msgspec.structs.replace(DIALECTS["groq"], headers=(("content-type", "text/event-stream"),))
    head, _ = spoil(
        HEAD, iter(()), wire="openai-chat", faults=[], dialect=dialect, dice=Dice(1, "x"), total_tokens=None
    )
    assert head
    assert dict(head.headers)["content-type"] == "text/event-stream"
