"""Encoding for openai-responses: what was encoded decodes to the same events.

`answers` draws events as the decoder gives them, which must come back exactly; `runs` draws anything that the grammar
allows, whose content must come back, or an error in its place.
"""

from typing import Any, cast

from hypothesis import given

from headrace.events import End, Event, Outcome, PartEnd, PartKind, PartReplace, PartStart, PartUpdate, PartWhole, Reset
from headrace.message import fold
from headrace.wire.registry import encode_message
from tests.wire.drawing import places, runs
from tests.wire.encoding import FAILURES, encode, recoded
from tests.wire.openai_responses_answers import answers, errors
from tests.wire.responses import read_frames
from tests.wire.streams import decode, decode_whole

WIRE = "openai-responses"


@given(answers(), places)
def test_what_was_encoded_decodes_to_the_same_events(events: list[Event], cuts: list[int]) -> None:
    data = encode(events, WIRE)
    read_frames(data)
    assert decode(WIRE, data).events == events
    assert decode(WIRE, data, cuts).events == events


@given(answers(error=errors))
def test_an_error_in_band_decodes_to_the_same_error(events: list[Event]) -> None:
    read_frames(encode(events, WIRE))
    *body, last = recoded(events, WIRE).events
    assert body == events[:-1]
    given, end = cast("End", events[-1]), cast("End", last)
    assert given.error is not None
    assert end.error is not None
    assert (end.outcome, end.native_stop_reason) == ("failed", None)
    assert (end.error.type, end.error.code) == (given.error.type, given.error.code)
    assert end.error.request_id == given.error.request_id
    assert given.error.message in end.error.message


@given(answers())
def test_what_a_stream_says_the_document_says(events: list[Event]) -> None:
    streamed = decode(WIRE, encode(events, WIRE)).message
    document = decode_whole(WIRE, encode_message(WIRE, fold(events))).message
    for field in ("outcome", "native_stop_reason", "usage", "model", "id"):
        assert getattr(document, field) == getattr(streamed, field)

    def seen(message: Any) -> list[Any]:
        parts = [(p.kind, p.text, p.name, p.call_id, p.data, p.logprobs) for p in message.parts]
        # there a citation stands behind the whole of its text
        return [part for part in parts if part[0] != "citation"] + [part for part in parts if part[0] == "citation"]

    assert seen(document) == seen(streamed)


# -- anything that the grammar allows

OUTCOMES: dict[Outcome, Outcome] = {"stopped": "complete"}


def said(events: list[Event], *kinds: PartKind) -> str:
    return "".join([part.text for part in fold(events).parts if part.choice == 0 and part.kind in kinds])


def called(events: list[Event]) -> list[Any]:
    """Give id, name and arguments of each call of the only answer, as they were when its item began."""
    ids: dict[str, str] = {}
    names: dict[str, str] = {}
    ended: set[str] = set()
    for event in events:
        if isinstance(event, PartStart | PartWhole | PartUpdate) and event.part not in ended:
            if not names.get(event.part):
                ids[event.part] = ids.get(event.part) or event.call_id or ""
                names[event.part] = event.name or ""
        if isinstance(event, PartEnd | PartWhole):
            ended.add(event.part)
    parts = [p for p in fold(events).parts if p.kind == "tool_call" and p.choice == 0]
    return sorted((ids[p.id] or p.id, names[p.id], p.text) for p in parts)


@given(runs())
def test_whatever_the_grammar_allows_is_said_or_becomes_an_error(events: list[Event]) -> None:
    data = encode(events, WIRE)
    read_frames(data)
    back = decode(WIRE, data)
    end, given = cast("End", back.events[-1]), cast("End", events[-1])
    if end.error and ("began anew" in end.error.message or "was replaced" in end.error.message):
        assert any(isinstance(event, Reset | PartReplace) for event in events)
        return
    assert (end.outcome == "failed") == (given.outcome in FAILURES)
    if end.outcome != "failed":
        expected = OUTCOMES.get(given.outcome, given.outcome)
        if any(choice.retractions for choice in fold(events).choices if choice.index == 0):
            expected = "refused" if expected == "refused" else "filtered"
        elif expected == "complete" and called(events):
            expected = "tool_calls"
        assert end.outcome == expected
        # what is left out is left out once: encoding it again loses nothing more
        assert recoded(back.events, WIRE).events == back.events
    for kind in ("text", "refusal", "thinking"):
        assert sorted(said(back.events, kind)) == sorted(said(events, kind))
    assert called(back.events) == called(events)
    used, written = fold(events).usage, back.message.usage
    if any(event for event in events if not isinstance(event, End)):
        assert (written.input_tokens or 0, written.output_tokens or 0) == (
            used.input_tokens or 0,
            used.output_tokens or 0,
        )
