"""Encoding for anthropic: what was encoded decodes to the same events.

`answers` draws events as the decoder gives them, which must come back exactly; `runs` draws anything that the grammar
allows, whose content must come back, or an error in its place.
"""

from typing import Any, cast

from hypothesis import given

from headrace.events import (
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartUpdate,
    PartWhole,
    Reset,
    Retract,
)
from headrace.message import fold
from tests.wire.anthropic_answers import answers, errors
from tests.wire.drawing import calls_said, places, runs
from tests.wire.encoding import FAILURES, encode, read_messages, recoded
from tests.wire.streams import decode

WIRE = "anthropic"


@given(answers(), places)
def test_what_was_encoded_decodes_to_the_same_events(events: list[Event], cuts: list[int]) -> None:
    data = encode(events, WIRE)
    read_messages(data)
    assert decode(WIRE, data).events == events
    assert decode(WIRE, data, cuts).events == events
    assert recoded(decode(WIRE, encode(events, WIRE, pings=True)).events, WIRE).events == events


@given(answers(error=errors))
def test_an_error_in_band_decodes_to_the_same_error(events: list[Event]) -> None:
    read_messages(encode(events, WIRE))
    *body, last = recoded(events, WIRE).events
    assert body == events[:-1]
    given, end = cast("End", events[-1]), cast("End", last)
    assert given.error is not None
    assert end.error is not None
    assert (end.outcome, end.native_stop_reason) == ("failed", None)
    assert (end.error.type, end.error.code) == (given.error.type, given.error.code)
    assert end.error.request_id == given.error.request_id
    assert given.error.message in end.error.message


# -- anything that the grammar allows

OUTCOMES: dict[Outcome, Outcome] = {"stopped": "complete", "filtered": "refused"}


def said(events: list[Event], *kinds: PartKind) -> list[str]:
    """Give what the only answer's parts of these kinds say, a text a part."""
    return [part.text for part in fold(events).parts if part.choice == 0 and part.kind in kinds]


def called(events: list[Event]) -> list[Any]:
    """Give id, name and arguments of each call of the only answer, without what was told of it after its end."""
    ended = {event.part: where for where, event in enumerate(events) if isinstance(event, PartEnd | PartWhole)}
    events = [e for where, e in enumerate(events) if not isinstance(e, PartUpdate) or where < ended[e.part]]
    return [(call_id, name, text) for choice, call_id, name, text in calls_said(events) if choice == 0]


@given(runs())
def test_whatever_the_grammar_allows_is_said_or_becomes_an_error(events: list[Event]) -> None:
    data = encode(events, WIRE)
    read_messages(data)
    back = decode(WIRE, data)
    end, given = cast("End", back.events[-1]), cast("End", events[-1])
    if end.error and ("began anew" in end.error.message or "was replaced" in end.error.message):
        assert any(isinstance(event, Reset | PartReplace) for event in events)
        return
    if end.error and "goes on" in end.error.message:
        assert any(isinstance(event, PartDelta) and event.kind == "tool_call" for event in events)
        return
    assert (end.outcome == "failed") == (given.outcome in FAILURES)
    if end.outcome != "failed":
        retracted = any(choice.retractions for choice in fold(events).choices if choice.index == 0)
        assert end.outcome == ("refused" if retracted else OUTCOMES.get(given.outcome, given.outcome))
        # what is left out is left out once: encoding it again loses nothing more
        assert recoded(back.events, WIRE).events == back.events
    assert said(back.events, "text") == said(events, "text", "refusal")
    assert said(back.events, "thinking") == said(events, "thinking")
    assert said(back.events, "compaction") == said(events, "compaction")
    assert called(back.events) == called(events)
    used, written = fold(events).usage, back.message.usage
    if any(event for event in events if not isinstance(event, End | Retract)):
        assert (written.input_tokens or 0, written.output_tokens or 0) == (
            used.input_tokens or 0,
            used.output_tokens or 0,
        )
