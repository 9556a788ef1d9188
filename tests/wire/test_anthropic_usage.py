"""anthropic: usage, and answers that come as one document."""

import json
from typing import Any

import pytest

from headrace.errors import (
    NotFoundError,
    WireError,
)
from headrace.events import (
    PartEnd,
    Usage,
    UsageUpdate,
)
from headrace.message import ToolCall
from tests.wire.streams import (
    MODEL,
    STOP,
    Decoded,
    Json,
    block,
    decode,
    decode_whole,
    message_delta,
    message_start,
    messages,
)


def told_by(*frames: Json | str, **habits: Any) -> Decoded:
    return decode("anthropic", messages(*frames), **habits)


# -- 3.4 usage


def test_usage_is_cumulative_and_the_start_stays_where_the_end_says_nothing() -> None:
    told = told_by(
        message_start(input_tokens=10, output_tokens=1, cache_read_input_tokens=100, cache_creation_input_tokens=7),
        *block(0, "a"),
        message_delta(None, {"output_tokens": 5}),
        message_delta("end_turn", {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": None}),
        STOP,
    )
    used = told.message.usage
    assert (used.input_tokens, used.output_tokens) == (10, 9)
    assert (used.cached_input_tokens, used.cache_write_tokens) == (100, 7)
    assert used.raw == {
        "input_tokens": 10,
        "output_tokens": 9,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 7,
    }
    assert not used.input_includes_cached
    assert used.output_includes_reasoning


def test_usage_in_the_end_overwrites_the_start() -> None:
    told = told_by(
        message_start(input_tokens=10),
        message_delta(
            "end_turn",
            {
                "input_tokens": 12,
                "output_tokens": 9,
                "cache_read_input_tokens": 0,
                "output_tokens_details": {"thinking_tokens": 4},
                "server_tool_use": {"web_search_requests": 1},
                "iterations": [{"type": "message"}],
            },
        ),
        STOP,
    )
    used = told.message.usage
    assert (used.input_tokens, used.output_tokens, used.cached_input_tokens, used.reasoning_tokens) == (12, 9, 0, 4)
    assert used.raw is not None
    assert used.raw["server_tool_use"] == {"web_search_requests": 1}


def test_usage_that_says_nothing_new_is_not_said() -> None:
    told = told_by(message_start(), message_delta(None, {}), message_delta("end_turn", {"output_tokens": 1}), STOP)
    assert len(told.of(UsageUpdate)) == 1


def test_halves_of_pairs_in_the_usage_are_repaired() -> None:
    told = told_by(message_start("msg_1", MODEL, **{"k\ud800": ["\udfff"]}), message_delta(), STOP)
    assert told.message.usage.raw == {"input_tokens": 5, "output_tokens": 7, "k�": ["�"]}


def test_usage_may_be_missing() -> None:
    start = message_start()
    del start["message"]["usage"]
    told = told_by(start, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP)
    assert (told.message.usage, told.of(UsageUpdate), told.message.outcome) == (Usage(), [], "complete")


# -- an answer in one document


def whole(*blocks: Any, stop: str | None = "end_turn", **more: Any) -> Json:
    return {**message_start()["message"], "content": list(blocks), "stop_reason": stop, **more}


def test_a_whole_message() -> None:
    told = decode_whole(
        "anthropic",
        whole(
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "4", "citations": [{"url": "u"}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"type": "compaction", "content": "so far", "encrypted_content": "AAA"},
            "odd",
            stop="tool_use",
        ),
        provider="anthropic",
    )
    assert (told.message.thinking, told.message.text) == ("hm", "4odd")
    assert told.message.tool_calls == [ToolCall("t", "f", '{"a":1}')]
    assert [(p.kind, p.text, p.data) for p in told.message.parts if p.kind == "compaction"] == [
        ("compaction", "so far", {"encrypted_content": "AAA"})
    ]
    assert (told.message.id, told.message.model, told.message.usage.input_tokens) == ("msg_1", MODEL, 5)
    assert (told.message.outcome, told.warnings) == ("tool_calls", [])
    assert not any(e.implicit for e in told.of(PartEnd))


def test_a_whole_message_tells_its_stop() -> None:
    details = {"type": "refusal", "category": "cyber"}
    told = decode_whole("anthropic", whole(stop="refusal", stop_details=details))
    assert (told.message.outcome, told.message.choices[0].details) == ("refused", {"stop_details": details})
    told = decode_whole("anthropic", whole(stop="stop_sequence", stop_sequence="END"))
    assert told.message.choices[0].details == {"stop_sequence": "END"}


def test_a_whole_message_without_a_stop_reason_is_no_success() -> None:
    told = decode_whole("anthropic", whole({"type": "text", "text": "4"}, stop=None))
    assert (told.message.outcome, told.message.text) == ("truncated", "4")


def test_a_whole_error() -> None:
    told = decode_whole("anthropic", {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}})
    assert told.message.error is not None
    assert type(told.message.error.to_exception()) is NotFoundError


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"content": "a"}', b'"error"', b"[" * 100_000], ids=lambda b: b[:9]
)
def test_a_body_that_is_neither_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError, match="neither a message nor an error"):
        decode_whole("anthropic", body)


def test_a_whole_message_is_read_leniently() -> None:
    body = json.dumps(whole({"type": "text", "text": "X"})).encode().replace(b"X", b"a\xff\\ud83d\\ude00\x01")
    assert decode_whole("anthropic", body).message.text == "a�\U0001f600\x01"
