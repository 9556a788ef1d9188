"""Answers as one JSON document: what is read back is what a stream of the same answer says."""

import json
from typing import Any, cast

import pytest
from hypothesis import given

from headrace.errors import ErrorInfo
from headrace.events import (
    ChoiceFinish,
    End,
    Event,
    Outcome,
    PartEnd,
    PartKind,
    PartStart,
    PartWhole,
    Retract,
    Usage,
    UsageUpdate,
)
from headrace.message import Choice, Message, Part, fold
from headrace.wire.providers import WireName
from headrace.wire.registry import WIRES, encode_failure, encode_message
from tests.wire import anthropic_answers, openai_chat_answers
from tests.wire.drawing import runs
from tests.wire.encoding import DONE, FAILURES, encode, start
from tests.wire.samples import EVERY, SAMPLES
from tests.wire.streams import Json, decode, decode_whole


def written(wire: WireName, *events: Event, created: int = 0) -> Json:
    """Write the document for the fold of a run that begins."""
    return cast("Json", json.loads(encode_message(wire, fold([start(), *events]), created=created)))


def reread(wire: WireName, message: Message) -> Message:
    return decode_whole(wire, encode_message(wire, message)).message


def called(message: Message, *kinds: PartKind) -> list[Any]:
    """Give the calls of the first choice, their arguments parsed if they are whole objects."""
    parts = [p for p in message.parts if p.choice == 0 and p.kind in kinds]
    return [(p.kind, p.call_id or p.id, p.name or None, arguments(p.text)) for p in parts]


def arguments(text: str) -> Any:
    try:
        value = json.loads(text.strip() or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"INVALID_JSON": text}


def listed(parts: tuple[Part, ...], *kinds: PartKind) -> list[Any]:
    return [(p.kind, p.text, p.name, p.call_id, p.data) for p in parts if p.kind in kinds]


# -- anthropic


def seen_in_anthropic(message: Message) -> Json:
    first = message.choices[0] if message.choices else Choice()
    order = [(p.kind, p.text) for p in message.parts if p.kind not in ("citation", "tool_call", "server_tool_call")]
    return {
        "order": order,
        "calls": called(message, "tool_call", "server_tool_call"),
        "data": [p.data for p in message.parts if p.kind != "citation"],
        "citations": sorted(map(repr, listed(message.parts, "citation"))),
        "identity": (message.model, message.id),
        "end": (message.outcome, message.native_stop_reason, first.details),
        "usage": message.usage,
    }


@given(anthropic_answers.answers())
def test_what_a_stream_of_anthropic_says_the_document_says(events: list[Event]) -> None:
    streamed = decode("anthropic", encode(events, "anthropic")).message
    assert seen_in_anthropic(reread("anthropic", fold(events))) == seen_in_anthropic(streamed)


# -- openai-chat


def seen_in_openai_chat(message: Message) -> Json:
    choices: dict[int, Json] = {}
    for choice in message.choices:
        kinds: list[PartKind] = ["citation", "media", "server_tool_call"]
        audio = [p for p in choice.parts if p.kind == "media" and (p.data or {}).get("type") == "audio"]
        choices[choice.index] = {
            "said": (choice.text, choice.thinking, choice.refusal),
            "calls": [(p.call_id, p.name, p.text, p.data) for p in choice.parts if p.kind == "tool_call"],
            **{kind: listed(tuple(p for p in choice.parts if p not in audio), kind) for kind in kinds},
            "audio": ("".join([p.text for p in audio]), {k: v for p in audio for k, v in (p.data or {}).items()}),
            "hidden": [p.data for p in choice.parts if (p.data or {}).get("type") == "reasoning.encrypted"],
            "probable": probable(choice.parts, "text") if choice.text else [],
            "probably not": probable(choice.parts, "refusal") if choice.refusal else [],
            "end": (reason(choice.stop_reason, choice), choice.native_stop_reason, choice.retractions),
        }
    first = message.choices[0] if message.choices else Choice()
    return {
        "choices": choices,
        "identity": (message.model, message.id),
        "end": (reason(message.outcome, first), message.native_stop_reason),
        "usage": message.usage,
    }


def probable(parts: tuple[Part, ...], kind: PartKind) -> list[Any]:
    return [entry for part in parts if part.kind == kind for entry in part.logprobs or ()]


def reason(outcome: Outcome | None, choice: Choice) -> Outcome | None:
    """Give why a choice ended: in a document all its calls came before its finish."""
    return "tool_calls" if choice.tool_calls and outcome == "complete" else outcome


@given(openai_chat_answers.answers())
def test_what_a_stream_of_openai_chat_says_the_document_says(events: list[Event]) -> None:
    streamed = decode("openai-chat", encode(events)).message
    assert seen_in_openai_chat(reread("openai-chat", fold(events))) == seen_in_openai_chat(streamed)


# -- both


@pytest.mark.parametrize("wire", WIRES)
@given(events=runs())
def test_whatever_the_grammar_allows_is_a_document_that_can_be_read(wire: WireName, events: list[Event]) -> None:
    message = fold(events)
    back = reread(wire, message)
    assert (back.outcome == "failed") == (message.outcome in FAILURES)
    if back.outcome == "failed":
        assert back.parts == ()
        return
    said = "".join([p.text for p in message.parts if p.choice == 0 and p.kind in ("text", "refusal")])
    assert back.text == (said if wire == "anthropic" else message.text)
    assert back.thinking == message.thinking
    assert called(back, "tool_call") == called(message, "tool_call")


@pytest.mark.parametrize(("wire", "name"), EVERY)
def test_a_stream_that_was_written_by_hand_is_the_same_as_a_document(wire: WireName, name: str) -> None:
    message = decode(wire, SAMPLES[wire][name]).message
    back = reread(wire, message)
    if message.error is not None:
        assert back.outcome == "failed"
        return
    for field in ("text", "thinking", "model", "id", "outcome", "native_stop_reason"):
        assert getattr(back, field) == getattr(message, field)
    assert (back.usage.input_tokens or 0) == (message.usage.input_tokens or 0)
    assert called(back, "tool_call") == called(message, "tool_call")


# -- case by case


def test_an_answer_as_openai_writes_it() -> None:
    thought = PartWhole("h", "thinking", text="Hm.", data={"signature": "s", "text": "Hm."})
    call = PartWhole("c", "tool_call", 0, '{"a": 1}', "add", "call_1", data={"extra_content": {"x": 1}})
    audio = PartWhole("u", "media", 0, "UklG", data={"type": "audio", "id": "audio_1"})
    used = UsageUpdate(Usage(input_tokens=3, output_tokens=2))
    ends = (ChoiceFinish(0, "tool_calls", "tool_use"), End(outcome="tool_calls"))
    assert written("openai-chat", thought, PartWhole("t", text="Hello"), call, audio, used, *ends, created=7) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hello",
                    "refusal": None,
                    "reasoning_content": "Hm.",
                    "reasoning_details": [{"signature": "s"}],
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "add", "arguments": '{"a": 1}'},
                            "extra_content": {"x": 1},
                        }
                    ],
                    "audio": {"id": "audio_1", "data": "UklG"},
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def test_choices_of_openai_stand_side_by_side() -> None:
    events: list[Event] = [
        PartWhole("a", "text", 0, "x"),
        PartWhole("b", "refusal", 1, "No."),
        PartWhole("c", "text", 2, "y", data={"extra_content": {"x": 1}}),
        Retract(0, reason="hate"),
        ChoiceFinish(0, "complete", "stop"),
        ChoiceFinish(1, "failed"),
    ]
    found = written("openai-chat", *events, End(outcome="filtered"))["choices"]
    assert [(c["index"], c["message"]["content"], c["message"]["refusal"], c["finish_reason"]) for c in found] == [
        (0, "x", None, "stop"),
        (1, None, "No.", "error"),
        (2, "y", None, None),
    ]
    assert found[0]["content_filter_results"] == {"hate": {"filtered": True}}
    assert found[2]["message"]["extra_content"] == {"x": 1}
    back = reread("openai-chat", fold([start(), *events, End(outcome="filtered")]))
    assert (back.outcome, back.choices[0].retractions) == ("filtered", (Retract(0, reason="hate"),))


def test_an_end_alone_is_a_finish() -> None:
    (only,) = written("openai-chat", End(outcome="length"))["choices"]
    assert (only["message"]["content"], only["finish_reason"]) == (None, "length")
    (only,) = written("openai-chat", PartWhole("a", text="x"), DONE)["choices"]
    assert (only["message"]["content"], only["finish_reason"]) == ("x", "stop")
    body = written("anthropic", End(outcome="length"))
    assert (body["content"], body["stop_reason"]) == ([], "max_tokens")


def test_an_answer_as_anthropic_writes_it() -> None:
    cited = {"type": "char_location", "cited_text": "x"}
    hidden = {"type": "redacted_thinking", "data": "x1"}
    result = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
    events: list[Event] = [
        PartWhole("h", "thinking", text="Hm.", data={"signature": "s"}),
        PartWhole("r", "thinking", data=hidden),
        PartStart("t", data={"x": 1}),
        PartWhole("q", "citation", data=cited, parent="t"),
        PartWhole("q2", "citation", data=cited, parent="h"),
        PartWhole("q3", "citation", data=cited),
        PartEnd("t"),
        PartWhole("s", "server_tool_call", 0, "{}", "web_search", "srv_1", data={"type": "server_tool_use"}),
        PartWhole("o", "tool_result", data=result),
        PartWhole("c", "tool_call", 0, '{"a": 1.0, "a": 12345678901234567890123}', "add", "toolu_1"),
        PartWhole("e", "tool_call", 0, "", "now"),
        PartWhole("k", "compaction", text="so far", data={"encrypted_content": "e"}),
        PartWhole("m", "media", text="UklG", data={"type": "audio"}),
        PartWhole("z", "text", 1, "another choice"),
        UsageUpdate(Usage(input_tokens=3, output_tokens=2)),
        ChoiceFinish(0, "complete", "stop", {"stop_sequence": "END"}),
        DONE,
    ]
    assert written("anthropic", *events) == {
        "model": "m",
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            hidden,
            {"type": "text", "text": "", "x": 1, "citations": [cited]},
            {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
            result,
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 12345678901234567890123}},
            {"type": "tool_use", "id": "e", "name": "now", "input": {}},
            {"type": "compaction", "content": "so far", "encrypted_content": "e"},
        ],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    text = encode_message("anthropic", fold([start(), *events]))
    assert b'"input":{"a": 1.0, "a": 12345678901234567890123}' in text


@pytest.mark.parametrize("arguments", ['{"a', "[1]", '"x"', "{} {}", '{"a": "\\ud800"}', "[" * 100_000])
def test_an_input_that_is_no_object_is_kept_as_text(arguments: str) -> None:
    body = written("anthropic", PartWhole("c", "tool_call", 0, arguments, "add"), DONE)
    assert body["content"][0]["input"] == {"INVALID_JSON": arguments}


def test_a_refusal_of_anthropics_in_a_document() -> None:
    said = PartWhole("t", text="x")
    details = {"stop_details": {"type": "refusal"}}
    body = written("anthropic", said, ChoiceFinish(0, "refused", "refusal", details), End(outcome="refused"))
    assert (body["stop_reason"], body["stop_details"]) == ("refusal", {"type": "refusal"})
    assert written("anthropic", said, Retract(), ChoiceFinish(0, "complete"), DONE)["stop_reason"] == "refusal"
    other = written("anthropic", PartWhole("o", "text", 1, "x"), DONE)
    assert (other["content"], other["stop_reason"]) == ([], "end_turn")


@pytest.mark.parametrize("wire", WIRES)
def test_a_message_that_is_no_success_is_its_error(wire: WireName) -> None:
    said = PartWhole("t", text="half")
    info = ErrorInfo(type="overloaded", message="no room")
    failed = fold([start(), said, End(outcome="failed", error=info)])
    assert encode_message(wire, failed) == encode_failure(wire, info)[1]
    for outcome in FAILURES:
        back = reread(wire, fold([start(), said, End(outcome=outcome)]))
        assert back.outcome == "failed"
        assert back.error is not None
        assert outcome in back.error.message
    unfinished = reread(wire, fold([start(), said]))
    assert unfinished.error is not None
    assert "truncated" in unfinished.error.message
