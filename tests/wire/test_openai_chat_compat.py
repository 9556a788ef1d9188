"""openai-chat: what the compatible servers add: thinking in its dialects, Azure's filters, citations, media."""

from typing import Any

import pytest

from headrace.errors import AuthenticationError, WireError
from headrace.events import End, PartUpdate, PartWhole, Raw, Retract, StepStart, StepUpdate
from headrace.message import ToolCall
from tests.wire.streams import (
    DONE,
    MODEL,
    Decoded,
    Json,
    choice,
    chunk,
    decode,
    decode_whole,
    delta,
    say,
    sse,
    tool,
    usage,
)


def chat(*frames: Any, **habits: Any) -> Decoded:
    return decode("openai-chat", sse(*frames), **habits)


# -- 1.8 thinking

DETAIL = {"type": "reasoning.text", "format": "unknown", "index": 0}
THINKING: dict[str, list[Json]] = {
    "deepseek, xai, z.ai, moonshot, alibaba, llama.cpp": [
        {"content": None, "reasoning_content": "Let me"},
        {"content": None, "reasoning_content": " see"},
        {"content": "4", "reasoning_content": None},
    ],
    "gpustack: no role, an empty first": [
        {"reasoning_content": ""},
        {"reasoning_content": "Let me see"},
        {"content": "4"},
    ],
    "groq: a channel beside it": [
        {"channel": "analysis", "reasoning": "Let me"},
        {"channel": "analysis", "reasoning": " see"},
        {"content": "4"},
    ],
    "ollama, openrouter, vllm: with an empty content": [
        {"role": "assistant", "content": "", "reasoning": "Let me see"},
        {"role": "assistant", "content": "4"},
    ],
    "openrouter: twice in one delta": [
        {"content": "", "reasoning": "Let me", "reasoning_details": [{**DETAIL, "text": "Let me"}]},
        {"content": "", "reasoning": " see", "reasoning_details": [{**DETAIL, "text": " see"}]},
        {"content": "4", "reasoning": None, "reasoning_details": []},
    ],
    "details alone": [
        {"reasoning_details": [{**DETAIL, "text": "Let me"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": " see"}]},
        {"content": "4"},
    ],
    "a summary": [
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Let me see", "index": 0}]},
        {"content": "4"},
    ],
    "both names at once": [{"reasoning": "Let me see", "reasoning_content": "Let me see"}, {"content": "4"}],
    "thinking and text in one delta": [{"reasoning_content": "Let me see", "content": "4"}],
    "mistral: typed content": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me"}]}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " see"}], "closed": True}]},
        {"content": [{"type": "text", "text": "4"}]},
    ],
    "mistral: then plain text": [{"content": [{"type": "thinking", "thinking": "Let me see"}]}, {"content": "4"}],
}


@pytest.mark.parametrize("deltas", THINKING.values(), ids=THINKING)
def test_thinking_is_read_and_counted_once(deltas: list[Json]) -> None:
    told = chat(*[chunk(choice(d)) for d in deltas], delta("stop"), DONE)
    assert (told.message.thinking, told.message.text) == ("Let me see", "4")
    assert [p.kind for p in told.message.parts] == ["thinking", "text"]


def test_signatures_and_ids_of_details_stand_with_their_thinking() -> None:
    told = chat(
        delta(reasoning_details=[{**DETAIL, "text": "hm", "signature": None}]),
        delta(reasoning_details=[{**DETAIL, "text": "", "signature": "c2ln", "id": "rs_1"}]),
        say("4"),
        delta(reasoning_details=[{**DETAIL, "late": True}]),
        delta("stop"),
        DONE,
    )
    assert len(told.of(PartUpdate)) == 2  # a signature of null is none
    thought = told.message.parts[0]
    assert thought.data == {**DETAIL, "signature": "c2ln", "id": "rs_1", "late": True}
    assert [p.kind for p in told.message.parts] == ["thinking", "text"]


def test_a_signature_without_thinking_is_a_part_of_its_own() -> None:
    signed = {**DETAIL, "signature": "c2ln"}
    told = chat(delta(reasoning_details=[signed]), say("4", "stop"), DONE)
    assert told.of(PartWhole) == [PartWhole("0.0.0", "thinking", data=signed)]


def test_encrypted_thinking_is_carried_whole() -> None:
    secret = {"type": "reasoning.encrypted", "data": "AAAA", "id": "rs_1", "format": "openai-responses-v1", "index": 0}
    told = chat(delta(reasoning_details=[secret, "odd", None]), say("4", "stop"), DONE)
    assert told.of(PartWhole) == [PartWhole("0.0.0", "thinking", data=secret)]
    assert told.message.thinking == ""


# -- Mistral's typed content


def test_mistral_signatures_references_and_media() -> None:
    told = chat(
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "c2ln"}]),
        delta(content=[{"type": "text", "text": "see "}, {"type": "reference", "reference_ids": [1]}, "plain"]),
        delta(content=[{"type": "image_url", "image_url": "u"}, {"type": "document_url"}, 5]),
        delta("stop"),
        DONE,
    )
    assert [(p.kind, p.text) for p in told.message.parts] == [
        ("thinking", "hm"),
        ("text", "see plain"),
        ("citation", ""),
        ("media", ""),
        ("media", ""),
    ]
    assert told.message.parts[0].data == {"signature": "c2ln"}
    assert told.message.parts[2].data == {"type": "reference", "reference_ids": [1]}


def test_a_mistral_signature_without_thinking_and_empty_texts() -> None:
    told = chat(
        delta(content=[{"type": "thinking", "thinking": [], "signature": "s"}, {"type": "text", "text": ""}]),
        say("4", "stop"),
        DONE,
    )
    assert [(p.kind, p.data) for p in told.message.parts] == [("thinking", {"signature": "s"}), ("text", None)]


# -- 1.11 Azure

SAFE = {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": False, "detected": False}}
PROMPT = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
}


def note(verdicts: Json, finish: str | None = None) -> Json:
    """Write an annotation of the asynchronous filter: offsets count from the beginning of the prompt."""
    offsets = {"check_offset": 44, "start_offset": 44, "end_offset": 198}
    noted = {"index": 0, "finish_reason": finish, "content_filter_results": verdicts, "content_filter_offsets": offsets}
    return {"id": "", "object": "", "created": 0, "model": "", "choices": [noted]}


def test_azure_prompt_filters_come_first_and_name_nothing() -> None:
    told = chat(PROMPT, say("a"), delta("stop"), DONE)
    assert told.of(Raw) == [Raw("", PROMPT)]
    assert told.of(StepStart, StepUpdate) == [StepStart(v=1), StepUpdate(model=MODEL, id="chatcmpl-1")]
    assert told.message.text == "a"


def test_azure_results_on_every_choice() -> None:
    told = chat(
        say("a"),
        chunk(choice({"content": "b"}, content_filter_results=SAFE)),
        chunk(choice({}, "stop", content_filter_results={})),
        DONE,
    )
    assert (told.message.text, told.message.outcome, told.of(Retract)) == ("ab", "complete", [])


def test_azure_choices_without_a_delta() -> None:
    told = chat(say("a"), note(SAFE), say("b"), delta("stop"), note(SAFE), DONE)
    assert (told.message.text, told.message.outcome, told.of(Retract)) == ("ab", "complete", [])
    assert (told.message.id, told.message.model) == ("chatcmpl-1", MODEL)


def test_azure_filters_before_the_text_is_sent() -> None:
    last = chunk(choice({}, "content_filter", content_filter_results={"hate": {"filtered": True, "severity": "high"}}))
    told = chat(say("a"), last, DONE)
    assert (told.message.outcome, told.message.native_stop_reason) == ("filtered", "content_filter")
    assert told.of(Retract) == []  # what was sent had passed


BAD: dict[str, Json] = {
    "a verdict": {"hate": SAFE["hate"], "violence": {"filtered": True, "severity": "high"}},
    "a list of verdicts": {"violence": [{"id": "other", "filtered": False}, {"id": "mine", "filtered": True}]},
}


@pytest.mark.parametrize("verdicts", BAD.values(), ids=BAD)
def test_azure_filters_after_the_text_was_sent(verdicts: Json) -> None:
    told = chat(say("a"), say("b"), note(verdicts, "content_filter"), DONE)
    assert told.of(Retract) == [Retract(0, reason="violence")]
    assert (told.message.outcome, told.message.native_stop_reason) == ("filtered", "content_filter")
    assert told.message.text == "ab"


def test_azure_filters_after_the_finish() -> None:
    told = chat(say("a"), delta("stop"), note(BAD["a verdict"]), note(BAD["a verdict"]), chunk(usage=usage()), DONE)
    assert told.of(Retract) == [Retract(0, reason="violence")]  # notes repeat
    assert (told.message.outcome, told.message.native_stop_reason) == ("filtered", "stop")


@pytest.mark.parametrize(
    "verdicts", [None, {}, {"x": None}, {"x": "y"}, {"x": []}, {"x": {"filtered": "yes"}}], ids=repr
)
def test_azure_notes_of_other_shapes(verdicts: Any) -> None:
    assert chat(say("a"), note(verdicts), delta("stop"), DONE).message.outcome == "complete"


def test_a_router_changes_the_model() -> None:
    told = chat({**say("a"), "model": "router"}, say("b"), say("c", "stop"), DONE)
    assert told.of(StepUpdate) == [StepUpdate(model=MODEL)]
    assert told.message.model == MODEL


# -- 1.12 others


def test_openrouter_comments_citations_and_images() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "t"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    told = chat(
        ": OPENROUTER PROCESSING",
        ": ",
        chunk(choice({"content": "a"}, native_finish_reason=None), provider="Acme"),
        delta(annotations=[cited, "odd"]),
        delta(images=[image, 5]),
        say("b", "stop"),
        ":408: 408 Request Timeout",
        DONE,
    )
    assert [(p.kind, p.data) for p in told.message.parts[1:]] == [
        ("citation", cited),
        ("citation", {"value": "odd"}),
        ("media", image),
        ("media", {"value": 5}),
    ]
    assert told.message.text == "ab"


def test_groq_runs_tools_itself() -> None:
    ran = {"index": 0, "type": "search", "arguments": '{"q":1}', "output": "found"}
    told = chat(delta(executed_tools=[ran, "odd"]), say("a", "stop"), DONE)
    first, second, _ = told.message.parts
    assert (first.kind, first.name, first.text, first.data) == ("server_tool_call", "search", '{"q":1}', ran)
    assert (second.name, second.data) == (None, {"value": "odd"})
    assert told.message.outcome == "complete"


def test_perplexity_repeats_its_lists_on_every_chunk() -> None:
    results = [{"title": "A", "url": "https://a.example"}, {"title": "B", "url": "https://b.example"}]
    told = chat(
        *[say(c, search_results=results[:n], citations=["https://a.example"]) for n, c in enumerate("abc")],
        {**delta("stop"), "search_results": results},
        marker=False,
    )
    assert [p.data for p in told.message.parts if p.kind == "citation"] == [{"url": "https://a.example"}, *results[1:]]
    assert told.message.text == "abc"


def test_search_results_without_citations() -> None:
    told = chat(say("a", "stop", search_results=[{"url": "u"}]), DONE)
    assert [p.data for p in told.message.parts if p.kind == "citation"] == [{"url": "u"}]


BESIDE: dict[str, tuple[Json, str]] = {
    "a call": ({"tool_calls": [tool(0, "c", "f", "{}")]}, "tool_call"),
    "thinking": ({"reasoning_content": "hm"}, "thinking"),
    "thinking, the other name": ({"reasoning": "hm"}, "thinking"),
    "thinking, in details": ({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "thinking"),
    "a refusal": ({"refusal": "no"}, "refusal"),
    "a legacy call": ({"function_call": {"name": "f", "arguments": "{}"}}, "tool_call"),
    "an annotation": ({"annotations": [{"type": "url_citation"}]}, "citation"),
    "audio": ({"audio": {"data": "AAAA"}}, "media"),
    "an image": ({"images": [{"type": "image_url"}]}, "media"),
    "a tool that ran": ({"executed_tools": [{"type": "search"}]}, "server_tool_call"),
}


@pytest.mark.parametrize(("beside", "kind"), BESIDE.values(), ids=BESIDE)
def test_what_stands_beside_text_in_one_delta_is_read(beside: Json, kind: str) -> None:
    told = chat(delta(content="a", **beside), delta("stop"), DONE)
    assert sorted(p.kind for p in told.message.parts) == sorted(["text", kind])
    assert told.message.text == "a"


def test_a_signature_beside_text_in_one_delta_is_read() -> None:
    told = chat(delta(content="a", extra_content={"google": {}}), delta("stop"), DONE)
    assert [(p.text, p.data) for p in told.message.parts] == [("a", {"extra_content": {"google": {}}})]


def test_perplexity_citations_of_other_shapes() -> None:
    told = chat(say("a", "stop", citations=["u", "u", {"title": "t"}, {"title": "s"}, 5, None]), DONE)
    assert [p.data for p in told.message.parts if p.kind == "citation"] == [
        {"url": "u"},
        {"title": "t"},
        {"title": "s"},
        {"url": 5},
        {"url": None},
    ]


def test_deepseek_keeps_alive_with_comments() -> None:
    assert chat(": keep-alive", ": keep-alive", say("a", "stop"), DONE).message.text == "a"


def test_audio() -> None:
    told = chat(
        delta(audio={"id": "audio_1", "transcript": "Hel"}),
        delta(audio={"data": "AAAA", "transcript": "lo"}),
        delta(audio={"data": "BBBB"}),
        delta(audio={"expires_at": 17}),
        delta("stop"),
        DONE,
    )
    sound = next(p for p in told.message.parts if p.kind == "media")
    assert (sound.text, sound.data) == ("AAAABBBB", {"type": "audio", "id": "audio_1", "expires_at": 17})
    assert told.message.text == "Hello"
    assert told.of(PartUpdate) == [PartUpdate(sound.id, data={"expires_at": 17})]


def test_events_of_another_api_are_carried_raw() -> None:
    told = chat('event: conversation.response.started\ndata: {"type": "x"}', say("a", "stop"), DONE)
    assert told.of(Raw) == [Raw("conversation.response.started", {"type": "x"})]
    assert told.message.text == "a"


# -- an answer in one document


def completion(message: Json, finish: str = "stop", **more: Any) -> Json:
    return {
        "id": "c-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **more,
    }


def test_a_whole_completion() -> None:
    body = completion({"role": "assistant", "content": "4", "reasoning_content": "hm", "refusal": None}, usage=usage())
    told = decode_whole("openai-chat", body, provider="acme")
    assert (told.message.text, told.message.thinking, told.message.outcome) == ("4", "hm", "complete")
    assert (told.message.id, told.message.model, told.message.provider) == ("c-1", MODEL, "acme")
    assert told.message.usage.output_tokens == 2
    assert told.warnings == []


def test_a_whole_completion_with_calls() -> None:
    fragments = [tool(None, "call_a", "f", "{}"), tool(None, "call_b", "f", '{"a": 1}')]
    told = decode_whole("openai-chat", completion({"content": None, "tool_calls": fragments}, "tool_calls"))
    assert told.message.tool_calls == [ToolCall("call_a", "f", "{}"), ToolCall("call_b", "f", '{"a": 1}')]


def test_a_whole_legacy_completion() -> None:
    told = decode_whole("openai-chat", {"choices": [{"text": "4", "finish_reason": "stop"}]})
    assert told.message.text == "4"


def test_a_whole_error() -> None:
    body = {"error": {"message": "bad key sk-1", "code": "invalid_api_key"}}
    told = decode_whole("openai-chat", body, secrets=["sk-1"])
    assert told.message.error is not None
    assert type(told.message.error.to_exception()) is AuthenticationError
    assert "sk-1" not in repr(told.events)
    assert decode_whole("openai-chat", {"object": "error", "message": "no"}).message.outcome == "failed"


def test_a_whole_completion_without_a_finish_is_no_success() -> None:
    told = decode_whole("openai-chat", {"choices": [{"message": {"content": "4"}}]})
    assert (told.message.outcome, told.message.text) == ("truncated", "4")
    assert decode_whole("openai-chat", {"choices": "odd"}).message.outcome == "truncated"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'"error"', b"[" * 100_000], ids=lambda b: b[:9]
)
def test_a_body_that_is_neither_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError, match="neither a chat completion nor an error"):
        decode_whole("openai-chat", body)


def test_a_whole_completion_is_read_leniently() -> None:
    told = decode_whole(
        "openai-chat",
        b'{"choices": [{"message": {"content": "a\xff\\ud83d\\ude00\x01"}, "finish_reason": "stop"}], "x": NaN}',
    )
    assert told.message.text == "a�\U0001f600\x01"
    assert told.of(End)[0].outcome == "complete"
