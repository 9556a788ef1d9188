"""The closed union of events and its JSON form, which a newer version may have written."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headrace import events as ours
from headrace.errors import ErrorInfo
from headrace.events import (
    VERSION,
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartDelta,
    PartEnd,
    PartKind,
    PartReplace,
    PartStart,
    PartUpdate,
    PartWhole,
    Raw,
    Reset,
    Retract,
    StepStart,
    StepUpdate,
    StopReason,
    StreamWarning,
    Usage,
    UsageUpdate,
    decode_event,
    decode_events,
    encode_event,
    encode_events,
)

# -- the union is closed: whoever changes it changes this table, and thinks of the readers

SHAPES: dict[str, str] = {
    "step_start": "v step attempt provider model id",
    "step_update": "model id",
    "part_start": "part kind choice name call_id native_index data implicit",
    "part_delta": "part text kind choice logprobs",
    "part_replace": "part text kind choice",
    "part_update": "part name call_id data",
    "part_whole": "part kind choice text name call_id native_index data parent",
    "part_end": "part implicit",
    "choice_finish": "choice stop_reason native_stop_reason details",
    "usage_update": "usage",
    "reset": "reason",
    "retract": "choice start end reason",
    "warning": "code text",
    "raw": "name data",
    "end": "outcome native_stop_reason error",
}

KINDS: tuple[type[msgspec.Struct], ...] = get_args(Event)


def test_the_union_is_closed() -> None:
    assert {k.__struct_config__.tag: " ".join(k.__struct_fields__) for k in KINDS} == SHAPES
    assert VERSION == 1


def test_the_words_are_closed() -> None:
    assert get_args(PartKind) == (
        "text",
        "thinking",
        "refusal",
        "tool_call",
        "server_tool_call",
        "tool_result",
        "citation",
        "media",
        "compaction",
        "model_switch",
        "raw",
    )
    assert get_args(Outcome) == (
        "complete",
        "length",
        "tool_calls",
        "filtered",
        "refused",
        "paused",
        "stopped",
        "cancelled",
        "timeout",
        "truncated",
        "failed",
    )
    assert set(get_args(StopReason)) < set(get_args(Outcome))
    assert set(get_args(Outcome)) - set(get_args(StopReason)) == {"stopped", "cancelled", "timeout", "truncated"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_events_are_frozen(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert issubclass(kind, msgspec.Struct)
    assert vars(ours)[kind.__name__] is kind


# -- the JSON form

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
    max_leaves=5,
)
objects = st.none() | st.dictionaries(st.text(), values, max_size=3)
texts, names, counts = st.text(), st.none() | st.text(), st.none() | st.integers(0, 2**40)
kinds, indices = st.sampled_from(get_args(PartKind)), st.integers(0, 9)
seconds = st.none() | st.floats(0, 1e9)

usages = st.builds(
    Usage,
    input_tokens=counts,
    output_tokens=counts,
    cached_input_tokens=counts,
    cache_write_tokens=counts,
    reasoning_tokens=counts,
    total_tokens=counts,
    input_includes_cached=st.booleans(),
    output_includes_reasoning=st.booleans(),
    estimated=st.booleans(),
    raw=objects,
)
errors = st.builds(
    ErrorInfo,
    type=texts,
    message=texts,
    status=counts,
    code=names,
    request_id=names,
    retry_after_s=seconds,
    provider=names,
    phase=names,
)
EVERY: dict[type, st.SearchStrategy[Any]] = {
    StepStart: st.builds(StepStart, v=st.just(1), step=indices, attempt=indices, provider=names, model=names, id=names),
    StepUpdate: st.builds(StepUpdate, model=names, id=names),
    PartStart: st.builds(PartStart, texts, kinds, indices, names, names, counts, objects, st.booleans()),
    PartDelta: st.builds(PartDelta, texts, texts, kinds, indices, st.none() | st.lists(values, max_size=3)),
    PartReplace: st.builds(PartReplace, texts, texts, kinds, indices),
    PartUpdate: st.builds(PartUpdate, texts, names, names, objects),
    PartWhole: st.builds(PartWhole, texts, kinds, indices, texts, names, names, counts, objects, names),
    PartEnd: st.builds(PartEnd, texts, st.booleans()),
    ChoiceFinish: st.builds(ChoiceFinish, indices, st.sampled_from(get_args(StopReason)), names, objects),
    UsageUpdate: st.builds(UsageUpdate, usages),
    Reset: st.builds(Reset, texts),
    Retract: st.builds(Retract, indices, st.integers(0, 99), counts, texts),
    StreamWarning: st.builds(StreamWarning, texts, texts),
    Raw: st.builds(Raw, texts | st.just("event:x"), values),
    End: st.builds(End, outcome=st.sampled_from(get_args(Outcome)), native_stop_reason=names, error=st.none() | errors),
}


def test_every_event_is_tried() -> None:
    assert set(EVERY) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_event_reads_back_as_it_was(kind: type, data: st.DataObject) -> None:
    event = data.draw(EVERY[kind])
    line = encode_event(event)
    assert b"\n" not in line
    assert decode_event(line) == event
    assert decode_event(line.decode()) == event
    assert encode_event(decode_event(line)) == line


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(*EVERY.values()), max_size=4))
def test_any_events_read_back_as_lines(events: list[Event]) -> None:
    lines = encode_events(events)
    assert lines.count(b"\n") == len(events)
    assert decode_events(lines) == events
    assert decode_events(b"\n" + lines.replace(b"\n", b"\r\n \n")) == events


def test_defaults_are_left_out() -> None:
    assert encode_event(PartDelta("0.0.1", "Hel")) == b'{"type":"part_delta","part":"0.0.1","text":"Hel"}'
    assert encode_event(StepStart(v=VERSION)) == b'{"type":"step_start","v":1}'
    assert encode_event(End(outcome="complete")) == b'{"type":"end","outcome":"complete"}'
    assert encode_event(Reset()) == b'{"type":"reset"}'


# -- what another version wrote

NEWER = {
    "an unknown tag": {"type": "hologram", "part": "0.0.1", "nested": {"a": [1, None]}},
    "an unknown outcome": {"type": "end", "outcome": "ascended"},
    "an unknown part kind": {"type": "part_start", "part": "0.0.1", "kind": "smell"},
    "a value of another type": {"type": "part_delta", "part": 1, "text": "a"},
    "a field that is missing": {"type": "part_delta", "part": "0.0.1"},
    "no version": {"type": "step_start"},
    "a tag that is almost ours": {"type": "End", "outcome": "complete"},
    "an empty tag": {"type": ""},
    "an event inside an event": {"type": "event:end", "outcome": "complete"},
}


@pytest.mark.parametrize("value", NEWER.values(), ids=NEWER)
def test_what_is_not_known_is_carried_and_written_back(value: dict[str, Any]) -> None:
    line = msgspec.json.encode(value)
    event = decode_event(line)
    assert event == Raw("event:" + value["type"], value)
    assert encode_event(event) == line
    assert decode_event(encode_event(event)) == event


def test_unknown_fields_are_left_aside() -> None:
    line = b'{"type": "part_delta", "part": "0.0.1", "text": "a", "colour": {"r": 1}}'
    assert decode_event(line) == PartDelta("0.0.1", "a")
    assert decode_event(b'{"type":"step_start","v":99,"era":2}') == StepStart(v=99)


NO_EVENTS = [
    b"",
    b"{",
    b"null",
    b"5",
    b'"end"',
    b"[]",
    b"[1]",
    b"{}",
    b'{"type": 5}',
    b'{"type": null}',
    b'{"type": ["end"]}',
    b"\xff",
    b'{"type": "\xff"}',
    b'{"type": "\\ud800"}',
    b'{"type": "x", "n": NaN}',
    b"[" * 100_000,
    b'{"type":' * 100_000,
    '{"type": "\ud800"}',
]


@pytest.mark.parametrize("data", NO_EVENTS, ids=lambda d: repr(d[:20]))
def test_what_is_no_event_is_a_value_error(data: bytes | str) -> None:
    with pytest.raises(ValueError, match="not an event") as caught:
        decode_event(data)
    assert type(caught.value) is ValueError


def test_a_bad_line_among_good_ones_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not an event"):
        decode_events(encode_event(Reset()) + b"\n{\n")


FORGED = [
    Raw("event:end", {"type": "end", "outcome": "complete"}),
    Raw("event:x", {"type": "y"}),
    Raw("event:x", {"no": "type"}),
    Raw("event:x", [1, 2]),
    Raw("event:x"),
    Raw("event:", "text"),
]


@pytest.mark.parametrize("event", FORGED, ids=lambda e: json.dumps(e.data))
def test_a_provider_cannot_forge_an_event_by_the_name_of_its_frame(event: Raw) -> None:
    assert decode_event(encode_event(event)) == event
    assert json.loads(encode_event(event))["type"] == "raw"


# -- usage

COUNTS = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "total_tokens",
)


def test_merging_takes_the_last_figure_given_a_key_each() -> None:
    early = Usage(input_tokens=5, output_tokens=1, input_includes_cached=False, raw={"a": 1, "b": 1})
    late = Usage(output_tokens=7, reasoning_tokens=0, input_includes_cached=False, estimated=True, raw={"b": 2})
    assert early.merged(late) == Usage(
        input_tokens=5,
        output_tokens=7,
        reasoning_tokens=0,
        input_includes_cached=False,
        estimated=True,
        raw={"a": 1, "b": 2},
    )
    assert early.merged(Usage()).raw == {"a": 1, "b": 1}
    assert Usage().merged(late).raw == {"b": 2}
    assert Usage().merged(Usage()) == Usage()


@given(usages, usages)
def test_merging_never_loses_a_figure(a: Usage, b: Usage) -> None:
    merged = a.merged(b)
    for name in COUNTS:
        old, new = getattr(a, name), getattr(b, name)
        assert getattr(merged, name) == (old if new is None else new)


@given(usages, usages)
def test_adding_sums_what_was_said(a: Usage, b: Usage) -> None:
    total = a + b
    for name in COUNTS:
        one, two = getattr(a, name), getattr(b, name)
        assert getattr(total, name) == (None if one is two is None else (one or 0) + (two or 0))
    assert total.estimated == (a.estimated or b.estimated)
    assert total.input_includes_cached == (a.input_includes_cached and b.input_includes_cached)
    assert total.output_includes_reasoning == (a.output_includes_reasoning and b.output_includes_reasoning)
    assert total.raw is None
