"""The one fold: what had arrived is in the message, however it ended, and a snapshot does not change."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from headrace.errors import ErrorInfo
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
from headrace.message import Choice, Fold, Message, Part, ToolCall, fold

STEP = StepStart(v=1, provider="acme", model="m-1", id="a-1")


def text(part: str, *pieces: str, choice: int = 0) -> list[Event]:
    deltas = [PartDelta(part, piece, "text", choice) for piece in pieces]
    return [PartStart(part, "text", choice), *deltas, PartEnd(part)]


def test_an_empty_message() -> None:
    message = fold([])
    assert message == Message()
    assert (message.text, message.thinking, message.refusal, message.tool_calls) == ("", "", "", [])
    assert (message.outcome, message.usage, message.choices) == (None, Usage(), ())


def test_an_answer() -> None:
    message = fold(
        [
            STEP,
            PartStart("t", "thinking"),
            PartDelta("t", "hm", "thinking"),
            PartEnd("t"),
            *text("x", "Hel", "lo"),
            PartStart("r", "refusal"),
            PartDelta("r", "no", "refusal"),
            PartEnd("r"),
            PartStart("c", "tool_call", name="look", call_id="call_1"),
            PartDelta("c", '{"a"', "tool_call"),
            PartDelta("c", ":1}", "tool_call"),
            PartEnd("c"),
            PartWhole("s", "server_tool_call", text="q", name="search"),
            PartWhole("z", "citation", parent="x", data={"url": "u"}),
            *text("y", "!"),
            UsageUpdate(Usage(input_tokens=3, output_tokens=4)),
            ChoiceFinish(0, "tool_calls", "tool_use", {"why": 1}),
            StreamWarning("odd", "it was"),
            Raw("ping", {"a": 1}),
            End(outcome="tool_calls", native_stop_reason="tool_use"),
        ]
    )
    assert (message.text, message.thinking, message.refusal) == ("Hello!", "hm", "no")
    assert message.tool_calls == [ToolCall("call_1", "look", '{"a":1}')]
    assert [p.id for p in message.parts] == ["t", "x", "r", "c", "s", "z", "y"]
    assert all(p.ended for p in message.parts)
    assert message.parts[5] == Part(id="z", kind="citation", parent="x", data={"url": "u"}, ended=True)
    assert (message.outcome, message.native_stop_reason) == ("tool_calls", "tool_use")
    assert message.usage == Usage(input_tokens=3, output_tokens=4)
    assert (message.provider, message.model, message.id) == ("acme", "m-1", "a-1")
    assert message.warnings == (StreamWarning("odd", "it was"),)
    assert message.error is None
    (only,) = message.choices
    assert (only.stop_reason, only.native_stop_reason, only.details) == ("tool_calls", "tool_use", {"why": 1})
    assert only.parts == message.parts


def test_what_had_arrived_is_in_the_message_however_it_ended() -> None:
    error = ErrorInfo(type="truncated", message="gone")
    folding = Fold()
    before: list[Event] = [STEP, PartStart("x"), PartDelta("x", "Hel")]
    for event in before:
        folding.feed(event)
    assert (folding.open_parts(), folding.end) == (["x"], None)
    assert folding.message().text == "Hel"
    assert not folding.message().parts[0].ended
    end = End(outcome="truncated", error=error)
    folding.feed(PartEnd("x", implicit=True))
    folding.feed(end)
    assert (folding.open_parts(), folding.end) == ([], end)
    assert (folding.message().text, folding.message().error) == ("Hel", error)


def test_a_snapshot_is_kept_until_the_next_event_and_never_changes() -> None:
    folding = Fold()
    folding.feed(STEP)
    folding.feed(PartStart("x", data={"k": 1}))
    folding.feed(PartDelta("x", "a", logprobs=[{"token": "a"}]))
    first = folding.message()
    assert folding.message() is first
    before = msgspec.json.encode(first)
    folding.feed(PartDelta("x", "b", logprobs=[{"token": "b"}]))
    folding.feed(PartUpdate("x", data={"k": 2}))
    folding.feed(StreamWarning("c", "t"))
    second = folding.message()
    assert second is not first
    assert msgspec.json.encode(first) == before
    assert (second.text, second.parts[0].data) == ("ab", {"k": 2})
    assert second.parts[0].logprobs == [{"token": "a"}, {"token": "b"}]
    with pytest.raises(AttributeError):
        first.parts = ()  # type: ignore[misc]


def test_interleaved_choices() -> None:
    message = fold(
        [
            STEP,
            PartStart("b", "text", 1),
            PartStart("a", "text", 0),
            PartDelta("b", "B", "text", 1),
            PartDelta("a", "A"),
            PartDelta("b", "!", "text", 1),
            PartEnd("a"),
            ChoiceFinish(0, "complete", "stop"),
            PartEnd("b"),
            ChoiceFinish(1, "length", "length"),
            ChoiceFinish(3, "filtered"),
            End(outcome="complete"),
        ]
    )
    assert message.text == "A"
    assert [(c.index, c.text, c.stop_reason) for c in message.choices] == [
        (0, "A", "complete"),
        (1, "B!", "length"),
        (3, "", "filtered"),
    ]
    assert message.native_stop_reason == "stop"


def test_a_replacement_takes_the_place_of_all_before_it() -> None:
    events: list[Event] = [
        STEP,
        PartStart("x"),
        PartDelta("x", "draft"),
        PartReplace("x", "final"),
        PartDelta("x", "!"),
    ]
    assert fold(events).text == "final!"


def test_updates_set_attributes_one_by_one() -> None:
    events: list[Event] = [
        STEP,
        PartStart("c", "tool_call", name="f", data={"a": 1, "b": 1}),
        PartUpdate("c", call_id="call_1"),
        PartUpdate("c", data={"b": 2}),
        PartEnd("c"),
        PartUpdate("c", name="g", data={"c": 3}),
        PartUpdate("c"),
    ]
    part = fold(events).parts[0]
    assert (part.name, part.call_id, part.data) == ("g", "call_1", {"a": 1, "b": 2, "c": 3})
    bare = fold([STEP, PartStart("t"), PartUpdate("t", data={"signature": "s"})]).parts[0]
    assert bare.data == {"signature": "s"}


def test_the_end_has_the_last_word_on_why_it_ended() -> None:
    finish = ChoiceFinish(0, "complete", "stop")
    assert fold([STEP, finish, End(outcome="complete")]).native_stop_reason == "stop"
    assert fold([STEP, finish, End(outcome="failed", native_stop_reason="error")]).native_stop_reason == "error"
    assert fold([STEP, End(outcome="failed", native_stop_reason="error")]).native_stop_reason == "error"


def test_identity_may_change_on_the_way() -> None:
    message = fold([StepStart(v=1), StepUpdate(id="a-1"), StepUpdate(model="m-2"), StepUpdate()])
    assert (message.id, message.model, message.provider) == ("a-1", "m-2", None)


# -- steps and attempts


def test_steps_are_told_apart_and_their_usage_is_summed() -> None:
    message = fold(
        [
            STEP,
            *text("a", "one "),
            UsageUpdate(Usage(input_tokens=1)),
            UsageUpdate(Usage(input_tokens=10, output_tokens=2)),
            ChoiceFinish(0, "tool_calls", "tool_use"),
            StepStart(v=1, step=1, id="a-2"),
            *text("b", "two"),
            UsageUpdate(Usage(input_tokens=20, output_tokens=3, reasoning_tokens=1)),
            StepStart(v=1, step=2),
            StepStart(v=1, step=2, attempt=1),
        ]
    )
    assert message.text == "one two"
    assert [p.step for p in message.parts] == [0, 1]
    assert message.usage == Usage(input_tokens=30, output_tokens=5, reasoning_tokens=1)
    assert (message.id, message.model, message.provider) == ("a-2", "m-1", "acme")


def test_a_finish_belongs_to_its_attempt() -> None:
    events: list[Event] = [STEP, *text("a", "x"), ChoiceFinish(0, "tool_calls", "tool_use"), StepStart(v=1, step=1)]
    cut = fold([*events, End(outcome="truncated")])
    assert cut.native_stop_reason is None
    assert cut.choices[0].stop_reason is None


def test_a_reset_takes_back_its_attempt_and_nothing_else() -> None:
    kept: list[Event] = [
        STEP,
        *text("a", "kept "),
        Retract(end=2, reason="kept"),
        ChoiceFinish(0, "tool_calls", "tool_use"),
    ]
    folding = Fold()
    for event in [
        *kept,
        StepStart(v=1, step=1),
        *text("b", "dropped"),
        PartWhole("c", "citation"),
        Retract(reason="dropped"),
        Retract(choice=1, reason="dropped"),
        ChoiceFinish(0, "length", "length"),
        UsageUpdate(Usage(output_tokens=5)),
        Reset("a try failed"),
    ]:
        folding.feed(event)
    message = folding.message()
    assert message.text == "kept "
    assert [c.index for c in message.choices] == [0]
    assert [p.id for p in message.parts] == ["a"]
    assert message.choices[0].retractions == (Retract(end=2, reason="kept"),)
    assert message.native_stop_reason is None
    for event in [
        StepStart(v=1, step=1, attempt=1),
        *text("d", "again"),
        UsageUpdate(Usage(output_tokens=7)),
        End(outcome="complete"),
    ]:
        folding.feed(event)
    message = folding.message()
    assert message.text == "kept again"
    assert message.usage.output_tokens == 12  # what was dropped was paid for, too


def test_retractions_are_shown_beside_the_text_that_they_are_about() -> None:
    retraction = Retract(1, 2, 4, "hate")
    message = fold([STEP, *text("a", "fine"), *text("b", "not fine", choice=1), retraction])
    assert [c.retractions for c in message.choices] == [(), (retraction,)]
    assert message.choices[1].text == "not fine"  # whether to show it is the viewer's to decide
    assert fold([STEP, Retract()]).choices == (Choice(retractions=(Retract(),)),)


# -- tool calls


def test_tool_calls_without_an_id_or_a_name() -> None:
    events: list[Event] = [STEP, PartStart("0.0.0", "tool_call"), PartWhole("0.0.1", "tool_call", 1, "{}", "f")]
    message = fold(events)
    assert message.tool_calls == [ToolCall("0.0.0", "", "")]
    assert message.choices[1].tool_calls == [ToolCall("0.0.1", "f", "{}")]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [('{"a": [1, null]}', {"a": [1, None]}), ("", {}), (" \n", {}), ("{}", {}), ('"text"', "text")],
)
def test_arguments_are_parsed_on_demand(arguments: str, value: Any) -> None:
    assert ToolCall("c", "f", arguments).parsed() == value


@pytest.mark.parametrize(
    "arguments", ['{"a": "cut sho', "{}{}", "[" * 100_000, '"\\ud800"', '"\ud800"'], ids=lambda a: repr(a[:9])
)
def test_arguments_that_are_no_json_are_a_value_error(arguments: str) -> None:
    with pytest.raises(ValueError, match="the arguments of 'f' are not JSON") as caught:
        ToolCall("c", "f", arguments).parsed()
    assert type(caught.value) is ValueError


# -- linear


@given(st.lists(st.text(max_size=5), max_size=30), st.sets(st.integers(0, 30)))
def test_looking_changes_nothing(pieces: list[str], looks: set[int]) -> None:
    folding = Fold()
    folding.feed(STEP)
    folding.feed(PartStart("x"))
    for n, piece in enumerate(pieces):
        folding.feed(PartDelta("x", piece))
        if n in looks:
            assert folding.message().text == "".join(pieces[: n + 1])
    assert folding.message().text == "".join(pieces)


def test_pieces_are_kept_until_somebody_looks() -> None:
    folding = Fold()
    folding.feed(PartStart("x"))
    for _ in range(1000):
        folding.feed(PartDelta("x", "ab"))
    assert len(folding._parts["x"].pieces) == 1000
    assert len(folding.message().text) == 2000
    assert folding._parts["x"].pieces == ["ab" * 1000]
