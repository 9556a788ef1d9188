"""anthropic: the sorts of blocks, and how their input comes."""

from typing import Any

import pytest

from headrace.events import (
    PartWhole,
    StepUpdate,
)
from headrace.message import ToolCall
from tests.wire.streams import (
    MODEL,
    Decoded,
    Json,
    answer,
    block,
    block_delta,
    block_start,
    block_stop,
    decode,
    messages,
)


def told_of(*frames: Json | str, **habits: Any) -> Decoded:
    """Decode a whole message around these frames."""
    return decode("anthropic", answer(*frames), **habits)


def told_by(*frames: Json | str, **habits: Any) -> Decoded:
    """Decode exactly these frames."""
    return decode("anthropic", messages(*frames), **habits)


# -- 3.3 blocks


def test_a_text_block_may_start_with_text_and_citations() -> None:
    told = told_of(
        block_start(0, text="Hel", citations=[{"url": "u"}, "odd"]),
        block_delta(0, text="lo"),
        block_stop(0),
        block_start(1, text="!", citations=None),
    )
    assert told.message.text == "Hello!"
    assert [p.data for p in told.message.parts if p.kind == "citation"] == [{"url": "u"}, {"value": "odd"}]


def test_attributes_that_are_empty_are_none() -> None:
    told = told_of(
        block_start(0, "thinking", thinking="hm", signature="", extra=None),
        block_start(1, "web_search_tool_result", content=[]),
        block_start(2, ""),
        block_start(3, "tool_use", id="", name="", input={}),
    )
    assert [(p.name, p.call_id) for p in told.message.parts] == [
        (None, None),
        ("web_search_tool_result", None),
        (None, None),
        (None, None),
    ]
    assert told.message.parts[0].data is None


def test_redacted_thinking_is_whole() -> None:
    told = told_of(block_start(0, "redacted_thinking", data="AAAA"), block_stop(0), *block(1, "a"))
    assert told.of(PartWhole) == [
        PartWhole("0.0.0", "thinking", native_index=0, data={"type": "redacted_thinking", "data": "AAAA"})
    ]
    assert told.message.thinking == ""


INPUTS: dict[str, tuple[Any, list[str], str]] = {
    "in fragments": ({}, ['{"a":', "1}"], '{"a":1}'),
    "complete in the start, no deltas": ({"a": 1, "b": ["é"]}, [], '{"a":1,"b":["é"]}'),
    "complete in the start, an empty delta": ({"a": 1}, [""], '{"a":1}'),
    "in the start and in fragments": ({"a": 0}, ['{"a":1}'], '{"a":1}'),
    "none": ({}, [], ""),
    "only empty fragments": ({}, ["", ""], ""),
    "null": (None, [], ""),
    "not JSON, as cut or streamed eagerly": ({}, ['{"a": unquoted'], '{"a": unquoted'),
}


@pytest.mark.parametrize(("start", "fragments", "arguments"), INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize(
    ("kind", "part"),
    [("tool_use", "tool_call"), ("server_tool_use", "server_tool_call"), ("mcp_tool_use", "server_tool_call")],
)
def test_tool_input(kind: str, part: str, start: Any, fragments: list[str], arguments: str) -> None:
    deltas = [block_delta(0, "input_json_delta", partial_json=f) for f in fragments]
    frames = [block_start(0, kind, id="toolu_1", name="f", input=start), *deltas, block_stop(0)]
    told = decode("anthropic", answer(*frames, stop="tool_use"))
    (only,) = told.message.parts
    assert (only.kind, only.call_id, only.name, only.text) == (part, "toolu_1", "f", arguments)
    assert told.message.tool_calls == ([ToolCall("toolu_1", "f", arguments)] if kind == "tool_use" else [])


def test_a_programmatic_call_says_who_called() -> None:
    caller = {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    told = told_of(block_start(0, "tool_use", id="toolu_1", name="f", input={"a": 1}, caller=caller), block_stop(0))
    assert told.message.parts[0].data == {"caller": caller}


def test_server_tools_and_their_results() -> None:
    ok = {
        "type": "web_search_tool_result",
        "tool_use_id": "srv_1",
        "content": [{"type": "web_search_result", "url": "u"}],
    }
    bad = {
        "type": "web_fetch_tool_result",
        "tool_use_id": "srv_2",
        "content": {"type": "web_fetch_tool_result_error", "error_code": "x"},
    }
    told = told_of(
        block_start(0, "server_tool_use", id="srv_1", name="web_search", input={}),
        block_delta(0, "input_json_delta", partial_json='{"query":"x"}'),
        block_stop(0),
        {"type": "content_block_start", "index": 1, "content_block": ok},
        block_stop(1),
        {"type": "content_block_start", "index": 2, "content_block": bad},
        block_stop(2),
        *block(3, "found"),
    )
    assert [(p.kind, p.name, p.call_id) for p in told.message.parts] == [
        ("server_tool_call", "web_search", "srv_1"),
        ("tool_result", "web_search_tool_result", "srv_1"),
        ("tool_result", "web_fetch_tool_result", "srv_2"),
        ("text", None, None),
    ]
    assert [p.data for p in told.message.parts] == [{"type": "server_tool_use"}, ok, bad, None]
    assert (told.message.tool_calls, told.message.outcome) == ([], "complete")


RESULTS = ("code_execution", "bash_code_execution", "text_editor_code_execution", "tool_search", "mcp", "advisor")


@pytest.mark.parametrize("name", RESULTS)
def test_result_blocks_come_whole(name: str) -> None:
    told = told_of(block_start(0, f"{name}_tool_result", tool_use_id="t", content=[]), block_stop(0))
    assert [(p.kind, p.call_id) for p in told.message.parts] == [("tool_result", "t")]


@pytest.mark.parametrize("kind", ["container_upload", "mcp_tool_listing", "something_new"])
def test_unknown_blocks_are_raw_parts(kind: str) -> None:
    told = told_of(block_start(0, kind, file_id="f"), block_delta(0, "sparkle_delta"), block_stop(0), *block(1, "a"))
    raw = told.message.parts[0]
    assert (raw.kind, raw.name, raw.data) == ("raw", kind, {"type": kind, "file_id": "f"})
    assert told.message.text == "a"


def test_a_fallback_names_the_model_that_serves_the_rest() -> None:
    switch = {"from": {"model": MODEL}, "to": {"model": "smaller"}, "trigger": "overloaded"}
    told = told_of(*block(0, "a"), block_start(1, "fallback", **switch), block_stop(1), *block(2, "b"))
    assert [p.kind for p in told.message.parts] == ["text", "model_switch", "text"]
    assert told.of(StepUpdate) == [StepUpdate(model="smaller")]
    assert told.message.model == "smaller"
    nameless = told_of(block_start(0, "fallback", to="odd"), block_stop(0))
    assert (nameless.of(StepUpdate), nameless.message.model) == ([], MODEL)
