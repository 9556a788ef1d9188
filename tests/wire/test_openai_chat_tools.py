"""openai-chat: which call a fragment belongs to, when neither its id nor its index can be trusted."""

from typing import Any

import pytest

from headrace.events import PartEnd, PartStart, PartUpdate
from headrace.message import ToolCall
from tests.wire.streams import DONE, Decoded, Json, calls, choice, chunk, decode, delta, say, sse, tool


def chat(*frames: Any, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*frames), **habits)


A, B = '{"a":1}', '{"b":2}'
ONE, TWO = ToolCall("call_a", "f", A), ToolCall("call_b", "g", B)

# What each server sends, chunk by chunk (a list: the fragments of one chunk), and the calls that it means.
SENT: dict[str, tuple[list[list[Json]], list[ToolCall]]] = {
    "openai: id and name first, arguments in pieces": (
        [[tool(0, "call_a", "f", "", type="function")], [tool(0, arguments='{"a"')], [tool(0, arguments=":1}")]],
        [ONE],
    ),
    "openai: two calls one after the other": (
        [[tool(0, "call_a", "f", "")], [tool(0, arguments=A)], [tool(1, "call_b", "g", "")], [tool(1, arguments=B)]],
        [ONE, TWO],
    ),
    "fragments of two calls interleave": (
        [
            [tool(0, "call_a", "f"), tool(1, "call_b", "g")],
            [tool(0, arguments='{"a"')],
            [tool(1, arguments='{"b"')],
            [tool(0, arguments=":1}"), tool(1, arguments=":2}")],
        ],
        [ONE, TWO],
    ),
    "mistral: no index, whole": ([[tool(None, "call_a", "f", A), tool(None, "call_b", "g", B)]], [ONE, TWO]),
    "no index, the id repeated": (
        [[tool(None, "call_a", "f", '{"a"')], [tool(None, "call_b", "g", B)], [tool(None, "call_a", arguments=":1}")]],
        [ONE, TWO],
    ),
    "no index, no id on continuations": (
        [[tool(None, "call_a", "f", '{"a"')], [tool(None, arguments=":1}")], [tool(None, "call_b", "g", B)]],
        [ONE, TWO],
    ),
    "no index, no id, a name each": (
        [[tool(None, None, "f", A)], [tool(None, None, "g", B)]],
        [ToolCall("0.0.0", "f", A), ToolCall("0.0.1", "g", B)],
    ),
    "the id on every fragment": (
        [[tool(0, "call_a", "f", "")], [tool(0, "call_a", arguments='{"a"')], [tool(0, "call_a", arguments=":1}")]],
        [ONE],
    ),
    "alibaba: an empty id on continuations": (
        [
            [tool(0, "call_a", "f", '{"a"')],
            [tool(0, "", arguments=":1}")],
            [tool(1, "call_b", "g", "")],
            [tool(1, "", "", B)],
        ],
        [ONE, TWO],
    ),
    "the name repeated on every fragment": (
        [[tool(0, "call_a", "f", '{"a"')], [tool(0, "call_a", "f", ":1}")]],
        [ONE],
    ),
    "the name repeated, no id": (
        [[tool(0, None, "f", '{"a"')], [tool(0, None, "f", ":1}")]],
        [ToolCall("0.0.0", "f", A)],
    ),
    "an empty and a null name on continuations": (
        [
            [tool(0, "call_a", "f")],
            [tool(0, None, "", '{"a"')],
            [{"index": 0, "function": {"name": None, "arguments": ":1}"}}],
        ],
        [ONE],
    ),
    "no id at all": (
        [[tool(0, None, "f", A), tool(1, None, "g", B)]],
        [ToolCall("0.0.0", "f", A), ToolCall("0.0.1", "g", B)],
    ),
    "ids that are not unique": (
        [[tool(0, "0", "f", '{"a"')], [tool(1, "0", "g", B)], [tool(0, "0", arguments=":1}")]],
        [ToolCall("0", "f", A), ToolCall("0", "g", B)],
    ),
    "a number as id": ([[tool(0, 7, "f", A)]], [ToolCall("7", "f", A)]),
    "a new id on the same index": ([[tool(0, "call_a", "f", A)], [tool(0, "call_b", "g", B)]], [ONE, TWO]),
    "a new id on the same index, in pieces": (
        [[tool(0, "call_a", "f", A)], [tool(0, "call_b", "g", '{"b"')], [tool(0, arguments=":2}")]],
        [ONE, TWO],
    ),
    "another name on the same index, no ids": (
        [[tool(0, None, "f", A)], [tool(0, None, "g", '{"b"')], [tool(0, arguments=":2}")]],
        [ToolCall("0.0.0", "f", A), ToolCall("0.0.1", "g", B)],
    ),
    "ollama: every call at index 0": ([[tool(0, "call_a", "f", A), tool(0, "call_b", "g", B)]], [ONE, TWO]),
    "the same index twice in the first chunk": (
        [[tool(0, "call_a", "f", ""), tool(0, "call_a", arguments=A)]],
        [ONE],
    ),
    "the index moves on, the id does not": (
        [[tool(0, "call_a", "f", '{"a"')], [tool(1, "call_a", arguments=":1}")]],
        [ONE],
    ),
    "another call's id on a known index": (
        [[tool(0, "call_a", "f", '{"a"')], [tool(1, "call_b", "g", B)], [tool(1, "call_a", "f", ":1}")]],
        [ONE, TWO],
    ),
    "the index moves on, without id or name": ([[tool(0, "call_a", "f", '{"a"')], [tool(1, arguments=":1}")]], [ONE]),
    "an index of null": ([[{**tool(None, "call_a", "f", A), "index": None}]], [ONE]),
    "an index of another type": ([[{**tool(None, "call_a", "f", A), "index": "0"}]], [ONE]),
    "the name comes late": ([[tool(0, "call_a", None, "")], [tool(0, None, "f", A)]], [ONE]),
    "the id comes late": ([[tool(0, None, "f", '{"a"')], [tool(0, "call_a", None, ":1}")]], [ONE]),
    "arguments that are parsed already": (
        [[{"index": 0, "id": "call_a", "function": {"name": "f", "arguments": {"a": 1}}}]],
        [ONE],
    ),
    "arguments of null": (
        [[{"index": 0, "id": "call_a", "function": {"name": "f", "arguments": None}}]],
        [ToolCall("call_a", "f", "")],
    ),
    "no arguments": ([[tool(0, "call_a", "f")]], [ToolCall("call_a", "f", "")]),
    "arguments of an empty object": (
        [[{"index": 0, "id": "call_a", "function": {"name": "f", "arguments": {}}}]],
        [ToolCall("call_a", "f", "")],
    ),
    "no function": ([[{"index": 0, "id": "call_a"}]], [ToolCall("call_a", "", "")]),
    "a custom tool": (
        [
            [{"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "f", "input": "any "}}],
            [{"index": 0, "custom": {"input": "text"}}],
        ],
        [ToolCall("call_a", "f", "any text")],
    ),
}


@pytest.mark.parametrize(("sent", "meant"), SENT.values(), ids=SENT)
def test_calls(sent: list[list[Json]], meant: list[ToolCall]) -> None:
    told = chat(
        delta(role="assistant", content=None), *[calls(*fragments) for fragments in sent], delta("tool_calls"), DONE
    )
    assert told.message.tool_calls == meant
    assert told.message.outcome == "tool_calls"
    assert told.warnings == []
    late = any(part.name is None or part.call_id is None for part in told.of(PartStart))
    assert told.of(PartUpdate) == [] or late


# -- the lessons of others (their issue numbers)

OTHERS = {
    "openai-python#3201: a duplicate index in the first chunk": "the same index twice in the first chunk",
    "agno#8880: the index collides across calls": "a new id on the same index, in pieces",
    "vercel/ai#14277: index 0 on every call": "ollama: every call at index 0",
    "llama.cpp#13774: full names repeated": "the name repeated on every fragment",
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_bugs_of_others(case: str) -> None:
    sent, meant = SENT[case]
    # the same in one chunk each, and all in the first
    assert (
        chat(calls(*[f for fragments in sent for f in fragments], finish="tool_calls"), DONE).message.tool_calls
        == meant
    )


SIGNATURE = {"google": {"thought_signature": "c2ln"}}


def test_gemini_leaves_the_index_out_ends_with_stop_and_signs_its_calls() -> None:
    # open-webui/computer#224, litellm#16893
    told = chat(
        calls(tool(None, "call_a", "f", A, extra_content=SIGNATURE)),
        calls(tool(None, "call_b", "g", B)),
        delta("stop", role="assistant"),
        DONE,
    )
    assert told.message.tool_calls == [ONE, TWO]
    assert told.message.outcome == "tool_calls"
    assert [p.data for p in told.message.parts] == [{"extra_content": SIGNATURE}, None]


def test_a_signature_of_a_call_may_come_late() -> None:
    told = chat(calls(tool(0, "call_a", "f", A)), calls(tool(0, extra_content=SIGNATURE), finish="stop"), DONE)
    assert told.message.parts[0].data == {"extra_content": SIGNATURE}
    assert told.of(PartUpdate) == [PartUpdate("0.0.0", "f", "call_a", {"extra_content": SIGNATURE})]


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([say("hi")], "text"),
        ([calls(tool(0, "call_a", "f", A))], "tool_call"),
        ([], "text"),
        ([delta(reasoning="hm")], "thinking"),
    ],
    ids=["text", "call", "nothing", "thinking"],
)
def test_a_signature_that_stands_alone_goes_to_what_was_said_last(before: list[Json], kind: str) -> None:
    told = chat(*before, delta(content="", extra_content=SIGNATURE), delta("stop"), DONE)
    assert [(p.kind, p.data) for p in told.message.parts] == [(kind, {"extra_content": SIGNATURE})]


# -- the shape of the parts


def test_calls_stay_open_until_the_finish() -> None:
    told = chat(
        calls(tool(0, "call_a", "f", "")),
        calls(tool(1, "call_b", "g", B)),
        calls(tool(0, arguments=A)),
        delta("tool_calls"),
        DONE,
    )
    assert [type(e) for e in told.events].count(PartEnd) == 2
    ends = [n for n, e in enumerate(told.events) if isinstance(e, PartEnd)]
    assert told.events[ends[0] : ends[0] + 2] == [PartEnd("0.0.0", implicit=True), PartEnd("0.0.1", implicit=True)]
    assert told.of(PartStart)[1] == PartStart("0.0.1", "tool_call", 0, "g", "call_b", 1, None, implicit=True)


def test_text_before_between_and_after_calls() -> None:
    told = chat(
        say("let me "),
        calls(tool(0, "call_a", "f", A)),
        say("and "),
        calls(tool(1, "call_b", "g", B)),
        say("."),
        delta("tool_calls"),
        DONE,
    )
    assert [p.kind for p in told.message.parts] == ["text", "tool_call", "text", "tool_call", "text"]
    assert told.message.text == "let me and ."
    assert told.message.tool_calls == [ONE, TWO]


def test_what_comes_late_is_said_once() -> None:
    told = chat(
        calls(tool(0, arguments="{")),
        calls(tool(0, "call_a", arguments='"a"')),
        calls(tool(0, "call_a", arguments=":1")),
        calls(tool(0, "call_a", "f", "}")),
        calls(tool(0, "call_a", "f", "")),
        delta("tool_calls"),
        DONE,
    )
    assert told.of(PartUpdate) == [PartUpdate("0.0.0", None, "call_a"), PartUpdate("0.0.0", "f", "call_a")]
    named = chat(calls(tool(0, None, "f", "{")), calls(tool(0, extra_content=SIGNATURE)), delta("tool_calls"), DONE)
    assert named.of(PartUpdate) == [PartUpdate("0.0.0", "f", None, {"extra_content": SIGNATURE})]


def test_calls_of_several_choices_are_kept_apart() -> None:
    told = chat(
        *[chunk(choice({"tool_calls": [tool(0, f"call_{n}", "f", "")]}, index=n)) for n in range(2)],
        *[chunk(choice({"tool_calls": [tool(0, arguments=str(n))]}, index=n)) for n in range(2)],
        *[chunk(choice({}, "tool_calls", index=n)) for n in range(2)],
        DONE,
    )
    assert [c.tool_calls for c in told.message.choices] == [
        [ToolCall("call_0", "f", "0")],
        [ToolCall("call_1", "f", "1")],
    ]


def test_a_fragment_after_the_finish_begins_a_part_of_its_own() -> None:
    told = chat(calls(tool(0, "call_a", "f", A), finish="tool_calls"), calls(tool(0, arguments="{}")), DONE)
    assert [c.arguments for c in told.message.tool_calls] == [A, "{}"]


def test_a_call_in_the_first_chunk() -> None:
    first = {
        "role": "assistant",
        "content": None,
        "tool_calls": [tool(0, "call_a", "f", "", type="function")],
        "refusal": None,
    }
    assert chat(chunk(choice(first)), calls(tool(0, arguments=A)), delta("tool_calls"), DONE).message.tool_calls == [
        ONE
    ]


# -- endings


def test_calls_with_stop() -> None:
    told = chat(calls(tool(0, "call_a", "f", A), finish="stop"), DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == ("tool_calls", "stop")


def test_tool_calls_without_a_call() -> None:
    told = chat(say("hi", "tool_calls"), DONE)
    assert (told.message.outcome, told.warnings) == ("complete", ["no_tool_calls"])


def test_calls_cut_by_the_length_keep_their_raw_text() -> None:
    told = chat(calls(tool(0, "call_a", "f", '{"a": "lon'), finish="length"), DONE)
    assert told.message.outcome == "length"
    assert told.message.tool_calls[0].arguments == '{"a": "lon'
    with pytest.raises(ValueError, match="not JSON"):
        told.message.tool_calls[0].parsed()


def test_a_stream_cut_inside_a_call_is_truncated_and_keeps_it() -> None:
    told = chat(calls(tool(0, "call_a", "f", '{"a": "lon')))
    assert told.message.outcome == "truncated"
    assert told.message.tool_calls == [ToolCall("call_a", "f", '{"a": "lon')]


# -- the legacy form


def test_the_legacy_function_call() -> None:
    told = chat(
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": '{"a"'}),
        delta(function_call={"arguments": ":1}"}),
        delta("function_call"),
        DONE,
    )
    assert told.message.tool_calls == [ToolCall("0.0.0", "f", A)]
    assert (told.message.outcome, told.message.native_stop_reason) == ("tool_calls", "function_call")


def test_the_legacy_name_may_come_late() -> None:
    told = chat(
        delta(function_call={"arguments": "{"}),
        delta(function_call={"name": "f", "arguments": "}"}),
        delta("function_call"),
        DONE,
    )
    assert told.message.tool_calls == [ToolCall("0.0.0", "f", "{}")]


# -- odd texts


def test_halves_of_a_pair_in_the_arguments() -> None:
    pieces = ['{"a":"\ud83d', '\ude00"}', "\ud800"]
    told = chat(*[calls(tool(0, "c\ud800", "f\udfff", p)) for p in pieces], delta("tool_calls"), DONE)
    assert told.message.tool_calls == [ToolCall("c�", "f�", '{"a":"\U0001f600"}�')]


def test_halves_and_nan_in_arguments_that_are_parsed_already() -> None:
    told = chat(calls(tool(0, "c", "f", {"a\ud800": [float("nan"), "\ude00"]}), finish="tool_calls"), DONE)
    assert told.message.tool_calls[0].parsed() == {"a�": [None, "�"]}


def test_a_name_that_comes_late_is_repaired() -> None:
    told = chat(calls(tool(0, arguments="{}")), calls(tool(0, "c\ud800", "f\ud800")), delta("tool_calls"), DONE)
    assert told.message.tool_calls == [ToolCall("c�", "f�", "{}")]
