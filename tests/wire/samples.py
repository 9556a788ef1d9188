"""One stream of each sort, for tests that ask the same of all of them: any cutting, any damage."""

import json

from tests.wire import responses
from tests.wire.openai_responses_samples import samples
from tests.wire.streams import (
    DONE,
    STOP,
    Json,
    answer,
    block,
    block_delta,
    block_start,
    block_stop,
    calls,
    choice,
    chunk,
    delta,
    message_delta,
    message_start,
    messages,
    say,
    sse,
    tool,
    usage,
)

TEXT = "Grüße, 世界! 👩‍👩‍👧 é \u2028 \u0085 \x0b"


def escaped(stream: bytes, text: str) -> bytes:
    """Write a text of a stream as itself where JSON had escaped it."""
    return stream.replace(json.dumps(text)[1:-1].encode(), text.encode())


PROBS: Json = {
    "content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b"}]}],
    "refusal": None,
}
VERDICTS: Json = {"hate": {"filtered": True, "severity": "high"}, "lists": [{"filtered": False, "id": "x"}]}

OPENAI_CHAT: dict[str, bytes] = {
    "text": sse(
        delta(role="assistant", content=""), *[say(c) for c in TEXT], delta("stop"), chunk(usage=usage()), DONE
    ),
    "text as it is": escaped(sse(say(TEXT.strip("\x0b")), delta("stop"), DONE), TEXT.strip("\x0b")),
    "crlf": sse(say("a"), say("b"), delta("stop"), DONE, newline="\r\n"),
    "cr": sse(say("a"), say("b"), delta("stop"), DONE, newline="\r"),
    "comments and a byte order mark": b"\xef\xbb\xbf" + sse(": wait", ": ", say("a"), ":", delta("stop"), DONE),
    "data over several lines": sse(
        'data: {"choices": [\ndata: {"delta": {"content": "a"},\ndata: "finish_reason": "stop"}]}', DONE
    ),
    "calls": sse(
        say("let me "),
        calls(tool(0, "call_a", "f", ""), tool(1, "call_b", "g", "")),
        calls(tool(0, arguments='{"city": "Zür')),
        calls(tool(1, arguments="{}")),
        calls(tool(0, arguments='ich"}')),
        calls(tool(None, "call_c", "h", "{}", extra_content={"google": {"thought_signature": "c2ln"}})),
        delta("tool_calls"),
        chunk(usage=usage(10, 20, completion_tokens_details={"reasoning_tokens": 5})),
        DONE,
    ),
    "a legacy call": sse(
        delta(function_call={"name": "f", "arguments": "{"}),
        delta("function_call", function_call={"arguments": "}"}),
        DONE,
    ),
    "halves of pairs": sse(
        *[say(h) for h in ("a\ud83d", "\ude00", "\ud83d")],
        delta("stop"),
        DONE,
    ),
    "choices": sse(
        *[chunk(choice({"content": c}, index=n)) for n, c in enumerate("abab")],
        *[chunk(choice({}, "stop", index=n)) for n in range(4)],
        DONE,
    ),
    "thinking": sse(
        delta(reasoning_content="hm"),
        delta(reasoning="no"),
        delta(
            reasoning_details=[
                {"type": "reasoning.text", "text": "x", "signature": "s"},
                {"type": "reasoning.encrypted", "data": "A"},
            ]
        ),
        say("a", "stop"),
        DONE,
    ),
    "tags": sse(say("<thi"), say("nk>hm</th"), say("ink>\n\na"), delta("stop"), DONE),
    "typed content": sse(
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s"}]),
        delta(content=[{"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}]),
        delta("stop"),
        DONE,
    ),
    "refusal, media, citations": sse(
        chunk(choice({"content": "a"}, logprobs=PROBS)),
        delta(refusal="no"),
        delta(audio={"id": "x", "transcript": "t", "data": "AAAA"}),
        delta(audio={"expires_at": 1}),
        delta(
            images=[{"type": "image_url"}],
            annotations=[{"type": "url_citation"}],
            executed_tools=[{"type": "search", "arguments": "{}"}],
        ),
        say("b", citations=["u", "v"], search_results=[{"url": "u"}]),
        delta("stop"),
        DONE,
    ),
    "azure": sse(
        {"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": []},
        say("a"),
        delta("stop"),
        {
            "id": "",
            "object": "",
            "choices": [
                {"index": 0, "content_filter_results": VERDICTS, "content_filter_offsets": {"start_offset": 1}}
            ],
        },
        DONE,
    ),
    "an error": sse(say("a"), {"error": {"message": "no", "type": "server_error", "code": 500}}),
    "an error that is named": sse(say("a"), 'event: error\ndata: {"error": {"message": "no", "status_code": 400}}'),
    "cut": sse(say("a"), calls(tool(0, "call_a", "f", '{"a'))),
    "cut in its last line end": sse(say("a"), delta("stop"))[:-1],
    "usage everywhere": sse(
        *[say(c, usage=usage(3, n), x_groq={"usage": usage()}) for n, c in enumerate("abc")], delta("stop"), DONE
    ),
    "legacy completions": sse({"object": "text_completion", "choices": [{"text": "a", "finish_reason": "stop"}]}, DONE),
    "nothing": b"",
}

ANTHROPIC: dict[str, bytes] = {
    "text": answer({"type": "ping"}, block_start(0, text=""), *[block_delta(0, text=c) for c in TEXT], block_stop(0)),
    "text as it is": escaped(answer(*block(0, TEXT.strip("\x0b"))), TEXT.strip("\x0b")),
    "crlf": answer(*block(0, "a")).replace(b"\n", b"\r\n"),
    "cr": answer(*block(0, "a")).replace(b"\n", b"\r"),
    "thinking": answer(
        block_start(0, "thinking", thinking="", signature=""),
        block_delta(0, "thinking_delta", thinking="hm"),
        block_delta(0, "signature_delta", signature="s"),
        block_stop(0),
        block_start(1, "redacted_thinking", data="AAAA"),
        block_stop(1),
        *block(2, "a"),
    ),
    "tools": answer(
        block_start(0, "tool_use", id="t", name="f", input={}),
        *[block_delta(0, "input_json_delta", partial_json=p) for p in ("", '{"a"', ": 1}")],
        block_stop(0),
        block_start(1, "tool_use", id="u", name="g", input={"a": [1]}, caller={"type": "direct"}),
        block_stop(1),
        block_start(2, "server_tool_use", id="s", name="web_search", input={}),
        block_delta(2, "input_json_delta", partial_json="{}"),
        block_stop(2),
        block_start(3, "web_search_tool_result", tool_use_id="s", content=[{"url": "u"}]),
        block_stop(3),
        stop="tool_use",
    ),
    "citations": answer(
        block_start(0, text="a", citations=[{"url": "u"}]),
        block_delta(0, "citations_delta", citation={"url": "v"}),
        block_stop(0),
    ),
    "compaction and fallback": answer(
        block_start(0, "compaction", content=None),
        block_delta(0, "compaction_delta", content="so far", encrypted_content="AAA"),
        block_stop(0),
        block_start(1, "fallback", to={"model": "smaller"}),
        block_stop(1),
        *block(2, "a"),
    ),
    "spliced": messages(
        message_start("msg_1"),
        *block(0, "a"),
        block_start(1, text="b"),
        message_start("msg_2"),
        *block(0, "c"),
        message_delta(),
        STOP,
    ),
    "started twice": messages(message_start(), message_start(), *block(0, "a"), message_delta(), STOP),
    "refused": answer(*block(0, "a"), stop="refusal", stop_details={"type": "refusal"}, stop_sequence="x"),
    "an error": messages(
        message_start(), *block(0, "a"), {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    ),
    "cut": messages(message_start(), block_start(0, "tool_use", id="t", name="f", input={"a": 1})),
    "no marker": messages(message_start(), *block(0, "a"), message_delta()),
    "no brackets": messages(
        block_delta(3, text="a"), block_delta(4, "thinking_delta", thinking="b"), message_delta(), STOP
    ),
    "unknown": answer(
        {"type": "vertex_event"}, block_start(0, "novel", x=1), block_delta(0, "novel_delta"), block_stop(0)
    ),
}

OPENAI_RESPONSES: dict[str, bytes] = {
    **samples(TEXT),
    "text as it is": escaped(responses.answer(*responses.message(0, TEXT.strip("\x0b"))), TEXT.strip("\x0b")),
}

SAMPLES: dict[str, dict[str, bytes]] = {
    "openai-chat": OPENAI_CHAT,
    "anthropic": ANTHROPIC,
    "openai-responses": OPENAI_RESPONSES,
}
EVERY = [(wire, name) for wire, streams in SAMPLES.items() for name in streams]
