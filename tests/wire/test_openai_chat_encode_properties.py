"""Encoding for openai-chat: what was encoded decodes to the same events.

`answers` draws events as the decoder gives them, which must come back exactly; `runs` draws anything that the grammar
allows, whose content must come back, or an error in its place.
"""

from typing import cast

from hypothesis import given

from headrace.events import ChoiceFinish, End, Event, PartDelta, PartKind, PartReplace, PartWhole, Reset
from headrace.message import fold
from tests.wire.drawing import calls_said, places, runs
from tests.wire.encoding import FAILURES, VOICES, encode, read, recoded
from tests.wire.openai_chat_answers import answers, errors
from tests.wire.streams import decode


@given(answers())
def test_what_was_encoded_decodes_to_the_same_events(events: list[Event]) -> None:
    data = encode(events, created=1_750_000_000)
    assert decode("openai-chat", data).events == events
    for chunk in read(data):
        if chunk.get("object") == "chat.completion.chunk":  # the others are `Raw`
            assert chunk["created"] == 1_750_000_000


@given(answers(error=errors))
def test_an_error_in_band_decodes_to_the_same_error(events: list[Event]) -> None:
    *body, last = recoded(events).events
    assert body == events[:-1]
    given, end = cast("End", events[-1]), cast("End", last)
    assert given.error is not None
    assert end.error is not None
    assert (end.outcome, end.native_stop_reason) == ("failed", given.native_stop_reason)
    assert (end.error.type, end.error.request_id) == (given.error.type, given.error.request_id)
    assert given.error.message in end.error.message
    assert given.error.code in (None, end.error.code)


@given(answers(), places)
def test_any_cutting_of_the_frames_gives_the_same_events(events: list[Event], cuts: list[int]) -> None:
    data = encode(events)
    assert decode("openai-chat", data, cuts) == decode("openai-chat", data)


def said(events: list[Event]) -> dict[tuple[int, PartKind], str]:
    """Give what was said by choice and kind, in the order of its coming."""
    found: dict[tuple[int, PartKind], str] = {}
    for event in events:
        if isinstance(event, PartDelta | PartWhole | PartReplace) and event.kind in VOICES and event.text:
            key = (event.choice, event.kind)
            found[key] = found.get(key, "") + event.text
    return found


@given(runs())
def test_whatever_the_grammar_allows_is_said_or_becomes_an_error(events: list[Event]) -> None:
    data = encode(events)
    read(data)
    back = decode("openai-chat", data)
    end = cast("End", back.events[-1])
    given = cast("End", events[-1])
    reason = end.error.code if end.error else None
    if reason in ("retracted", "unsupported"):
        causes = Reset | PartReplace if reason == "retracted" else ChoiceFinish
        assert any(isinstance(event, causes) for event in events)
        return
    assert (end.outcome == "failed") == (given.outcome in FAILURES)
    message = fold(events)
    assert said(back.events) == said(events)
    assert calls_said(back.events) == calls_said(events)
    assert back.message.usage.input_tokens == message.usage.input_tokens
    assert back.message.usage.output_tokens == message.usage.output_tokens
    # what is left out is left out once: encoding it again loses nothing more
    if end.outcome != "failed":
        twice = recoded(back.events)
        assert (said(twice.events), twice.message.outcome) == (said(back.events), back.message.outcome)
        assert calls_said(twice.events) == calls_said(back.events)
