"""openai-chat: chunks, choices, text, refusals, log probabilities, and frames that are odd."""

import json
from typing import Any

import pytest

from headrace.errors import WireError
from headrace.events import (
    ChoiceFinish,
    End,
    PartDelta,
    PartEnd,
    PartStart,
    Raw,
    StepStart,
    StepUpdate,
    UsageUpdate,
)
from headrace.message import Part
from headrace.wire.framing import Frame
from headrace.wire.openai_chat import OpenAIChatDecoder
from tests.wire.streams import DONE, MODEL, Decoded, choice, chunk, decode, delta, say, sse, usage


def chat(*frames: Any, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*frames), **habits)


# -- 1.1 the chunk


def test_a_plain_answer_event_by_event() -> None:
    told = chat(
        delta(role="assistant", content="", refusal=None),
        say("Hel"),
        say("lo"),
        delta("stop"),
        chunk(usage=usage()),
        DONE,
        provider="openai",
    )
    assert told.events == [
        StepStart(v=1, provider="openai", model=MODEL, id="chatcmpl-1"),
        PartStart("0.0.0", implicit=True),
        PartDelta("0.0.0", "Hel"),
        PartDelta("0.0.0", "lo"),
        PartEnd("0.0.0", implicit=True),
        ChoiceFinish(0, "complete", "stop"),
        UsageUpdate(told.message.usage),
        End(outcome="complete", native_stop_reason="stop"),
    ]
    assert told.message.text == "Hello"
    assert told.message.usage.raw == usage()
    assert told.warnings == []


def test_steps_and_attempts_stand_in_the_start_and_in_the_parts_ids() -> None:
    told = chat(say("a", "stop"), DONE, step=2, attempt=1)
    assert told.of(StepStart)[0] == StepStart(v=1, step=2, attempt=1, model=MODEL, id="chatcmpl-1")
    assert told.of(PartStart)[0].part == "2.1.0"


def test_fields_of_the_chunk_that_say_nothing_to_us_are_left_in_the_frame() -> None:
    extras = {"created": 1, "system_fingerprint": "fp", "service_tier": "fast", "obfuscation": "xYz12"}
    told = chat(say("a", **extras), say("b", "stop", **extras), DONE)
    assert told.message.text == "ab"
    assert told.of(Raw) == []


def test_a_moderation_chunk_is_carried_raw() -> None:
    moderation = chunk(moderation={"flagged": False})
    told = chat(say("a", "stop"), chunk(usage=usage()), {**moderation, "usage": None}, DONE)
    assert told.of(Raw) == [Raw("chat.completion.chunk", {**moderation, "usage": None})]
    # openai's own accumulator forgets the usage here
    assert told.message.usage.input_tokens == 3


# -- 1.2 the first chunk

FIRST = {
    "openai": {"role": "assistant", "content": "", "refusal": None},
    "role only": {"role": "assistant"},
    "role and text": {"role": "assistant", "content": "Hel"},
    "no role ever": {"content": "Hel"},
    "an empty thought, no role": {"reasoning_content": ""},
    "null": {"role": None, "content": None, "tool_calls": None, "function_call": None},
    "nothing": {},
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_first_chunks(first: dict[str, Any]) -> None:
    rest = "lo" if first.get("content") else "Hello"
    told = chat(chunk(choice(first)), say(rest), delta("stop"), DONE)
    assert told.message.text == "Hello"
    assert len(told.message.parts) == 1
    assert len(told.of(StepStart)) == 1


def test_a_role_on_every_chunk_is_no_start() -> None:
    told = chat(*[delta(role="assistant", content=c) for c in ("a", "b", "c")], delta("stop", role="assistant"), DONE)
    assert told.message.text == "abc"
    assert len(told.message.parts) == 1


def test_identity_comes_when_it_comes() -> None:
    bare = {"choices": [choice({"content": "a"})]}
    told = chat(
        bare, {**bare, "id": "x"}, {**bare, "id": "y", "model": "m"}, {**bare, "model": "m2"}, delta("stop"), DONE
    )
    assert told.of(StepStart, StepUpdate) == [
        StepStart(v=1),
        StepUpdate(id="x"),
        StepUpdate(model="m"),
        StepUpdate(model="m2"),
        StepUpdate(model=MODEL),
    ]
    assert (told.message.id, told.message.model) == ("x", MODEL)


def test_an_identity_that_pauses_is_not_said_again() -> None:
    bare = {"choices": [choice({"content": "a"})]}
    told = chat(
        {**bare, "model": "m"}, {**bare, "id": "x"}, {**bare, "id": "x", "model": "m"}, delta("stop", content="")
    )
    assert told.of(StepUpdate) == [StepUpdate(id="x"), StepUpdate(model=MODEL)]


def test_a_number_as_id_is_a_text() -> None:
    assert chat(chunk(choice({"content": "a"}, "stop"), id=17), DONE).message.id == "17"
    assert chat(chunk(choice({"content": "a"}, "stop"), id=True), DONE).message.id is None


# -- 1.4 choices


@pytest.mark.parametrize("choices", [[], None, "absent"], ids=repr)
def test_chunks_without_choices(choices: Any) -> None:
    empty = {"id": "chatcmpl-1", "model": MODEL} | ({} if choices == "absent" else {"choices": choices})
    told = chat(empty, say("a", "stop"), {**empty, "usage": usage()}, DONE)
    assert (told.message.text, told.message.outcome) == ("a", "complete")
    assert told.of(Raw) == [Raw("", empty)]


def test_several_choices_interleave_and_finish_apart() -> None:
    told = chat(
        chunk(choice({"role": "assistant", "content": ""}, index=1)),
        chunk(choice({"content": "B"}, index=1)),
        chunk(choice({"content": "A"}, index=0)),
        chunk(choice({"content": "b"}, index=1), choice({"content": "a"}, index=0)),
        chunk(choice({}, "stop", index=0)),
        chunk(choice({"content": "!"}, index=1)),
        chunk(choice({}, "length", index=1)),
        DONE,
    )
    assert [(c.text, c.native_stop_reason) for c in told.message.choices] == [("Aa", "stop"), ("Bb!", "length")]
    assert told.message.text == "Aa"
    assert (told.message.outcome, told.message.native_stop_reason) == ("complete", "stop")


def test_a_choice_that_never_finishes_is_warned_of() -> None:
    told = chat(chunk(choice({"content": "A"}, "stop"), choice({"content": "B"}, index=1)), DONE)
    assert told.message.outcome == "complete"
    assert told.warnings == ["unfinished_choice"]
    assert [c.stop_reason for c in told.message.choices] == ["complete", None]


def test_text_after_a_finish_is_still_said() -> None:
    told = chat(say("a", "stop"), say("b"), DONE)
    assert told.message.text == "ab"
    assert len(told.of(ChoiceFinish)) == 1


@pytest.mark.parametrize("beside", [{"message": {"role": "assistant", "content": "ab"}}, {"text": "b"}], ids=str)
def test_only_the_delta_counts_beside_a_cumulative_field(beside: dict[str, Any]) -> None:
    told = chat(say("a"), chunk(choice({"content": "b"}, "stop", **beside)), DONE)
    assert told.message.text == "ab"


def test_legacy_completions() -> None:
    pieces = [
        {"object": "text_completion", "choices": [{"index": 0, "text": t, "finish_reason": f}]}
        for t, f in (("a", None), ("b", None), ("", "stop"))
    ]
    told = chat(*pieces, DONE)
    assert (told.message.text, told.message.outcome) == ("ab", "complete")


# -- 1.7 text, refusal, log probabilities


def test_a_refusal_streams_beside_the_text() -> None:
    told = chat(
        delta(role="assistant", content="", refusal=""),
        delta(refusal="I can"),
        delta(refusal="not."),
        delta("stop"),
        DONE,
    )
    assert (told.message.refusal, told.message.text) == ("I cannot.", "")
    assert [p.kind for p in told.message.parts] == ["refusal"]


def test_voices_take_turns_each_run_a_part_of_its_own() -> None:
    told = chat(
        delta(reasoning_content="hm"),
        say("yes"),
        delta(reasoning_content="but"),
        say("no"),
        delta(refusal="never"),
        delta("stop"),
        DONE,
    )
    assert [(p.kind, p.text) for p in told.message.parts] == [
        ("thinking", "hm"),
        ("text", "yes"),
        ("thinking", "but"),
        ("text", "no"),
        ("refusal", "never"),
    ]


PROBS = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]


def test_log_probabilities_stand_with_their_text() -> None:
    with_probs = chunk(choice({"content": "a"}, logprobs={"content": PROBS, "refusal": None}))
    told = chat(with_probs, with_probs, delta("stop"), DONE)
    assert told.of(PartDelta)[0] == PartDelta("0.0.0", "a", logprobs=PROBS)
    assert told.message.parts[0].logprobs == PROBS * 2


def test_log_probabilities_of_a_refusal_and_without_text() -> None:
    half = [{"token": "\\xf0\\x9f", "logprob": -1.0, "bytes": [240, 159]}]
    told = chat(
        chunk(choice({"content": ""}, logprobs={"content": half})),
        chunk(choice({}, logprobs={"refusal": half})),
        chunk(choice({"refusal": "no"}, "stop", logprobs={"refusal": PROBS})),
        DONE,
    )
    assert [(p.kind, p.text, p.logprobs) for p in told.message.parts] == [
        ("text", "", half),
        ("refusal", "no", half + PROBS),
    ]


@pytest.mark.parametrize(
    "probs", [None, {}, {"content": None}, {"content": []}, {"content": 5}, {"content": "a"}, [], 7], ids=repr
)
def test_log_probabilities_of_another_shape_are_left_out(probs: Any) -> None:
    told = chat(chunk(choice({"content": "a"}, "stop", logprobs=probs)), DONE)
    assert told.message.parts == (Part(id="0.0.0", text="a", ended=True),)


def test_a_replacement_character_and_a_split_grapheme_pass() -> None:
    told = chat(say("e"), say("\u0301"), say("�"), say("👩"), say("\u200d👩", "stop"), DONE)
    assert told.message.text == "e\u0301�👩\u200d👩"


# -- bytes that are odd

PAIR = '{"choices":[{"index":0,"delta":{"content":"%s"}}]}'


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([r"a\ud83d", r"\ude00b"], "a\U0001f600b"),
        ([r"\ud83d", "b"], "�b"),
        ([r"\ude00"], "�"),
        ([r"a\ud83d"], "a�"),
        ([r"\ud83d\ude00"], "\U0001f600"),
        (["a\x01\tb"], "a\x01\tb"),
    ],
)
def test_halves_of_pairs_and_control_characters_in_text(pieces: list[str], text: str) -> None:
    told = chat(*["data: " + PAIR % p for p in pieces], delta("stop"), DONE)
    assert told.message.text == text


def test_halves_of_pairs_in_another_choice() -> None:
    told = chat(
        *[chunk(choice({"content": h}, index=1)) for h in ("\ud83d", "\ude00")],
        chunk(choice({}, "stop", index=1)),
        DONE,
    )
    assert [(c.index, c.text) for c in told.message.choices] == [(1, "\U0001f600")]


def test_a_half_is_not_joined_across_a_change_of_voice() -> None:
    told = chat(
        "data: " + PAIR % r"a\ud83d", delta(reasoning_content="hm"), "data: " + PAIR % r"\ude00", delta("stop"), DONE
    )
    assert [p.text for p in told.message.parts] == ["a�", "hm", "�"]


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    stream = sse(say("a")).replace(b'"a"', b'"a\xff\xc3"') + sse(delta("stop"), DONE)
    assert decode("openai-chat", stream).message.text == "a��"


def test_nan_in_the_usage_is_null() -> None:
    stream = sse(say("a", "stop"), chunk(usage=usage(cost=float("nan"), n=float("inf"))), DONE)
    told = decode("openai-chat", stream)
    assert told.message.usage.raw == usage(cost=None, n=None)


def test_numbers_without_end() -> None:
    big = 10**400
    told = chat(chunk(choice({"content": "a"}, "stop", index=big)), chunk(usage=usage(big)), DONE)
    assert told.message.choices[0].index == big
    assert told.message.usage.input_tokens == big
    with pytest.raises(WireError, match="not JSON"):
        decode("openai-chat", b'data: {"choices":[{"index":' + b"1" * 5000 + b"}]}\n\n")


SHAPES: dict[str, Any] = {
    "choices are no list": {"choices": {"index": 0}},
    "choices hold no objects": {"choices": [1, "a", None]},
    "the delta is a text": {"choices": [{"index": 0, "delta": "a"}]},
    "the content is a number": {"choices": [{"index": 0, "delta": {"content": 5}}]},
    "the index is a text": {"choices": [{"index": "0", "delta": {"content": ""}}]},
    "calls are no list": {"choices": [{"index": 0, "delta": {"tool_calls": {"index": 0}}}]},
    "calls hold no objects": {"choices": [{"index": 0, "delta": {"tool_calls": [None, 1]}}]},
    "a function call is a text": {"choices": [{"index": 0, "delta": {"function_call": "f"}}]},
    "the usage is a list": {"choices": [{"index": 0, "delta": {}}], "usage": [1]},
    "an image is a text": {"choices": [{"index": 0, "delta": {"reasoning_details": ["x", None, 1]}}]},
    "the finish is an object": {"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "stop"}}]},
    "the finish is false": {"choices": [{"index": 0, "delta": {}, "finish_reason": False}]},
    "everything is null": {"id": None, "object": None, "model": None, "choices": None, "usage": None, "error": None},
}


@pytest.mark.parametrize("odd", SHAPES.values(), ids=SHAPES)
def test_odd_shapes_neither_raise_nor_harm(odd: dict[str, Any]) -> None:
    told = chat(say("a"), odd, say("b", "stop"), DONE)
    assert (told.message.text, told.message.outcome) == ("ab", "complete")


@pytest.mark.parametrize("value", [5, "text", None, [], [1], True], ids=repr)
def test_json_that_is_no_object_is_carried_raw(value: Any) -> None:
    told = chat(f"event: e\ndata: {json.dumps(value)}", say("a", "stop"), DONE)
    assert told.events[0] == Raw("e", value)
    assert told.message.text == "a"


@pytest.mark.parametrize("frame", ["data", "data: ", "data:    ", ": comment\ndata:\ndata:"], ids=repr)
def test_blank_frames_are_nothing(frame: str) -> None:
    told = chat(frame, say("a"), frame, delta("stop"), frame, DONE)
    assert [type(e) for e in told.events] == [StepStart, PartStart, PartDelta, PartEnd, ChoiceFinish, End]


@pytest.mark.parametrize("bad", ["<html>", "{", "{'a': 1}", '{"a": 1}}', "[" * 100_000], ids=lambda b: b[:8])
def test_what_is_no_json_is_a_wire_error(bad: str) -> None:
    with pytest.raises(WireError, match="not JSON"):
        chat(say("a"), f"data: {bad}")


def test_a_wire_error_quotes_no_key() -> None:
    with pytest.raises(WireError) as caught:
        chat("data: invalid key sk-secret-1", secrets=["sk-secret-1"])
    assert "sk-secret" not in str(caught.value) + repr(caught.value.info)


@pytest.mark.parametrize(
    "deep",
    ['{"x":' * 300 + "1" + "}" * 300, '{"choices":[],"x":' + "[" * 500 + "]" * 500 + "}"],
    ids=["objects", "lists"],
)
def test_nesting_past_reason_is_a_wire_error(deep: str) -> None:
    with pytest.raises(WireError, match="nested deeper"):
        chat(f"data: {deep}")


def test_nothing_comes_after_the_end() -> None:
    decoder = OpenAIChatDecoder()
    assert decoder.feed(Frame(b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}')) != []
    before = (decoder.finished, decoder.done)
    decoder.feed(Frame(b" [DONE] "))
    assert (before, decoder.done) == ((True, False), True)
    assert decoder.feed(Frame(b"<html>")) == []
    assert decoder.finish() == []


def test_finished_is_not_said_before_it_is() -> None:
    decoder = OpenAIChatDecoder()
    said = [decoder.finished]
    decoder.feed(Frame(b'{"choices":[{"delta":{"content":"a"}}]}'))
    said.append(decoder.finished)
    decoder.finish()
    said.append(decoder.finished)
    assert said == [False, False, True]
