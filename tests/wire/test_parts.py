"""Parts: their ids, and text that is cut inside a character."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.errors import WireError
from headrace.events import Event, PartDelta, PartEnd, PartReplace, PartStart, PartUpdate, PartWhole
from headrace.message import fold
from headrace.wire.parts import Parts


def new() -> tuple[Parts, list[Any]]:
    return Parts(0, 0), []


def test_ids_are_unique_within_the_run_and_say_their_attempt() -> None:
    out: list[Event] = []
    for step, attempt in ((0, 0), (0, 1), (1, 0)):
        parts = Parts(step, attempt)
        parts.start(out, "a", "text")
        parts.whole(out, "citation")
        parts.end_all(out)
        parts.start(out, "a", "text")  # the same key once more
        parts.end_all(out)
    ids = [e.part for e in out if isinstance(e, PartStart | PartWhole)]
    assert ids == ["0.0.0", "0.0.1", "0.0.2", "0.1.0", "0.1.1", "0.1.2", "1.0.0", "1.0.1", "1.0.2"]


def test_keys_are_the_decoders_own() -> None:
    parts, out = new()
    opened = parts.start(out, ("call", 1), "tool_call")
    assert ("call", 1) in parts
    assert parts.get(("call", 1)) is opened
    parts.end(out, ("call", 1))
    assert ("call", 1) not in parts
    assert parts.get(("call", 1)) is None
    parts.end(out, ("call", 1))  # ended already: nothing
    assert [type(e) for e in out] == [PartStart, PartEnd]
    assert out[-1] == PartEnd("0.0.0", implicit=False)


def test_the_end_of_one_choice_leaves_the_others_open() -> None:
    parts, out = new()
    for index in range(2):
        parts.start(out, index, "text", index)
    parts.end_all(out, 0)
    assert out[-1] == PartEnd("0.0.0", implicit=True)
    assert 1 in parts
    parts.end_all(out)
    assert out[-1] == PartEnd("0.0.1", implicit=True)


def grown(*pieces: str) -> list[Any]:
    parts, out = new()
    part = parts.start(out, 0, "text")
    for piece in pieces:
        parts.delta(out, part, piece)
    parts.end(out, 0)
    return out


HALVES = {
    "joined": (["a\ud83d", "\ude00b"], ["a", "\U0001f600b"]),
    "joined over an empty delta": (["\ud83d", "", "\ude00"], ["\U0001f600"]),
    "a half and then another letter": (["\ud83d", "b"], ["�b"]),
    "a half and then its twin": (["\ud83d", "\ud83d", "\ude00"], ["�", "\U0001f600"]),
    "a second half alone": (["a", "\ude00"], ["a", "�"]),
    "a half at the end": (["a\ud83d"], ["a", "�"]),
    "whole": (["\ud83d\ude00"], ["\U0001f600"]),
    "no halves": (["é", "\U0001f600", ""], ["é", "\U0001f600"]),
}


@pytest.mark.parametrize(("pieces", "said"), HALVES.values(), ids=HALVES)
def test_halves_of_a_surrogate_pair(pieces: list[str], said: list[str]) -> None:
    assert [e.text for e in grown(*pieces) if isinstance(e, PartDelta)] == said


@given(st.text(), st.lists(st.integers(0, 60)))
def test_any_text_cut_between_its_utf_16_units_is_whole_again(text: str, places: list[int]) -> None:
    units = text.encode("utf-16-le")
    cuts = [0, *sorted({min(2 * p, len(units)) for p in places}), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(cuts)]
    assert fold(grown(*pieces)).text == text


def test_a_half_is_dropped_by_a_replacement() -> None:
    parts, out = new()
    part = parts.start(out, 0, "compaction")
    parts.delta(out, part, "a\ud83d")
    parts.replace(out, part, "b\ud83d")
    parts.end(out, 0)
    assert out[-2:] == [PartReplace("0.0.0", "b�", "compaction"), PartEnd("0.0.0")]


def test_log_probabilities_without_text_are_said() -> None:
    parts, out = new()
    part = parts.start(out, 0, "text")
    parts.delta(out, part, "", [{"token": "\ud83d", "logprob": float("-inf")}])
    assert out[-1] == PartDelta("0.0.0", "", logprobs=[{"token": "�", "logprob": None}])


def test_whatever_a_part_carries_is_repaired() -> None:
    parts, out = new()
    half: dict[str, Any] = {"name": "n\ud800", "call_id": "\udfff", "data": {"k\ud800": ["\ud800", 1]}}
    whole: dict[str, Any] = {"name": "n�", "call_id": "�", "data": {"k�": ["�", 1]}}
    parts.start(out, 0, "tool_call", **half)
    parts.update(out, "0.0.0", **half)
    parts.whole(out, "text", text="\ud800", **half, parent="0.0.0")
    assert out == [
        PartStart("0.0.0", "tool_call", **whole),
        PartUpdate("0.0.0", **whole),
        PartWhole("0.0.1", "text", text="�", **whole, parent="0.0.0"),
    ]


def test_what_is_nested_past_reason_is_a_wire_error() -> None:
    value: Any = None
    for _ in range(300):
        value = [value]
    parts = Parts(0, 0)
    with pytest.raises(WireError):
        parts.whole([], "raw", data={"deep": value})
