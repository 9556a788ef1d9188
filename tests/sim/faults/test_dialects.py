"""The dialects: our client reads them all as it reads the vendor's own, but for what they leave out."""

import json
from typing import Any

import pytest

from headrace.sim.faults import habits
from headrace.sim.faults.dialects import DIALECTS, Known
from headrace.sim.faults.frame import Frame
from headrace.sim.faults.message_habits import whole_input
from headrace.sim.play import Piece
from headrace.wire.framing import SSEFramer
from tests.sim.faults.spoiling import TEXT, TOKENS, answer, plain, seen

TRUNCATED = ("snowflake",)  # [DONE] without a finish reason; its row among the providers knows that
NO_MARKER = ("perplexity", "gpustack", "huggingface")
every = pytest.mark.parametrize("name", DIALECTS)


@every
def test_a_text(name: str) -> None:
    play = seen(DIALECTS[name].wire, dialect=name, events=answer(thinking="Let me think"))
    assert play.text == TEXT
    assert play.message.thinking == "Let me think"
    assert play.outcome == ("truncated" if name in TRUNCATED else "complete")
    assert play.warnings == (["no_terminal_marker"] if name in NO_MARKER else [])
    used = play.message.usage
    assert (used.input_tokens, used.output_tokens) == (9, len(TOKENS))
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == len(TOKENS) + 3
    again = seen(DIALECTS[name].wire, dialect=name, events=answer(thinking="Let me think"))
    assert again.steps == play.steps


@every
def test_calls(name: str) -> None:
    play = seen(DIALECTS[name].wire, dialect=name, events=answer(tools=2))
    assert play.outcome == ("truncated" if name in TRUNCATED else "tool_calls")
    calls = play.message.tool_calls
    assert [(call.id, call.name, json.loads(call.arguments)) for call in calls] == [
        (f"call_{n}", f"tool_{n}", {"city": "Zürich"}) for n in range(2)
    ]
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == 6
    assert play.body != plain(DIALECTS[name].wire, answer(tools=2))


@every
def test_errors_and_breaks(name: str) -> None:
    wire = DIALECTS[name].wire
    failed = seen(wire, "error@token:5", dialect=name)
    assert (failed.outcome, failed.text) == ("failed", "".join(TOKENS[:5]))
    assert seen(wire, "reset@token:5", dialect=name).outcome == "truncated"
    crlf = seen(wire, "crlf", "cut:random", "escapes", dialect=name)
    assert crlf.text == TEXT


@every
def test_descriptions(name: str) -> None:
    assert DIALECTS[name].name == name
    assert 10 < len(DIALECTS[name].description) < 100


def test_a_dialect_of_the_other_wire_changes_nothing() -> None:
    assert seen("anthropic", dialect="groq").body == plain("anthropic")
    assert seen("openai-chat", dialect="bedrock").body == plain("openai-chat")


def frames(name: str, **options: Any) -> list[Any]:
    """Give the decoded data of a dialect's frames."""
    play = seen(DIALECTS[name].wire, dialect=name, **options)
    out = list(SSEFramer().feed(play.body))
    return [frame.data.decode() if frame.data == b"[DONE]" else json.loads(frame.data) for frame in out]


def chunks(name: str, **options: Any) -> list[Any]:
    return [chunk for chunk in frames(name, **options) if chunk != "[DONE]"]


def deltas(name: str, **options: Any) -> list[Any]:
    return [choice["delta"] for chunk in chunks(name, **options) for choice in chunk["choices"]]


def fragments(name: str) -> list[Any]:
    return [call for delta in deltas(name, events=answer(tools=2)) for call in delta.get("tool_calls") or ()]


def test_roles() -> None:
    for name in ("openrouter", "together", "huggingface", "ollama", "zai", "perplexity", "snowflake"):
        assert all(delta["role"] == "assistant" for delta in deltas(name))
    for name in ("cloudflare", "gpustack"):
        assert not any("role" in delta for delta in deltas(name))
    assert deltas("gpustack")[0] == {"reasoning_content": ""}
    for name in ("xai", "litellm"):
        assert deltas(name)[0] == {"content": TOKENS[0], "role": "assistant"}
        assert sum("role" in delta for delta in deltas(name)[:-2]) == 1


def test_finish_reasons() -> None:
    for name in ("xai", "zai", "litellm", "perplexity"):
        choices = [choice for chunk in chunks(name) for choice in chunk["choices"]]
        assert [choice["finish_reason"] for choice in choices if "finish_reason" in choice] == ["stop"]
        assert not any("logprobs" in choice for choice in choices)
    assert not any("finish_reason" in choice for chunk in chunks("snowflake") for choice in chunk["choices"])
    assert frames("snowflake")[-1] == "[DONE]"
    assert chunks("openrouter")[-2]["choices"][0]["native_finish_reason"] == "stop"
    assert [chunk["object"] for chunk in chunks("perplexity")][-2:] == ["chat.completion.chunk", "chat.completion.done"]
    vllm = [choice for chunk in chunks("vllm") for choice in chunk["choices"] if "stop_reason" in choice]
    assert [choice["finish_reason"] for choice in vllm] == ["stop"]


def test_markers() -> None:
    for name, dialect in DIALECTS.items():
        if dialect.wire == "openai-chat":
            assert (frames(name)[-1] == "[DONE]") is (name not in NO_MARKER)


def test_usages() -> None:
    def places(name: str) -> list[str]:
        told = [chunk for chunk in chunks(name) if chunk.get("usage")]
        return ["choice" if chunk["choices"] else "alone" for chunk in told]

    assert places("deepseek") == places("mistral") == places("together") == places("groq") == ["choice"]
    assert places("openrouter") == places("litellm") == ["choice"]
    assert places("xai") == places("alibaba") == places("snowflake") == ["alone"]
    assert places("huggingface") == ["choice", "alone"]
    assert places("perplexity") == ["choice"] * len(chunks("perplexity"))
    assert chunks("deepseek")[0]["usage"] is None
    assert chunks("deepseek")[-1]["usage"]["prompt_cache_miss_tokens"] == 9
    assert chunks("xai")[-1]["usage"]["num_sources_used"] == 0
    assert chunks("openrouter")[-1]["usage"]["is_byok"] is False
    assert set(chunks("groq")[0]["x_groq"]) == {"id", "seed"}
    assert chunks("groq")[-1]["x_groq"]["usage"] == chunks("groq")[-1]["usage"]


def test_tool_calls() -> None:
    for name in ("groq", "mistral", "ollama", "xai", "zai"):
        assert [call["function"]["arguments"] for call in fragments(name)] == ['{"city": "Zürich"}'] * 2
    assert not any("index" in call for call in fragments("mistral"))
    assert {call["index"] for call in fragments("ollama")} == {0}
    assert [call["id"] for call in fragments("alibaba")] == ["call_0", "", "", "", "call_1", "", "", ""]
    assert [call["id"] for call in fragments("repeated-names")] == ["call_0"] * 4 + ["call_1"] * 4
    assert {call["function"]["name"] for call in fragments("repeated-names")} == {"tool_0", "tool_1"}


def test_calls_that_interleave_are_given_whole() -> None:
    def fragment(index: int, arguments: str, **more: Any) -> Frame:
        call = {"index": index, "function": {"arguments": arguments}, **more}
        return Frame(at_s=0.0, data={"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}, tokens=1)

    both = [fragment(0, "{", id="a"), fragment(0, "}"), fragment(1, "[", id="b"), fragment(1, "]")]
    got: list[Any] = [
        frame.data for frame in habits.whole_calls(iter([*both, Frame(at_s=0.0, data="[DONE]")]), Known())
    ]
    calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in got[:-1]]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", "{}"), ("b", "[]")]


def test_azure() -> None:
    first, *others = chunks("azure")
    assert (first["id"], first["model"], first["object"], first["choices"]) == ("", "", "", [])
    assert first["prompt_filter_results"][0]["content_filter_results"]["jailbreak"] == {
        "filtered": False,
        "detected": False,
    }
    judged = [choice["content_filter_results"] for chunk in others for choice in chunk["choices"]]
    assert judged[0] == {}
    assert judged[1]["hate"] == {"filtered": False, "severity": "safe"}
    assert seen("openai-chat", dialect="azure").message.id == "msg_0123"


def test_perplexity() -> None:
    last = chunks("perplexity")[-1]
    assert last["choices"][0]["message"]["content"] == TEXT
    assert len(last["citations"]) == 2
    body = seen("openai-chat", dialect="perplexity").body
    assert body.count(b"\n") == body.count(b"\r\n") > 0


def test_snowflake() -> None:
    assert {chunk["id"] for chunk in chunks("snowflake")} == {""}
    assert deltas("snowflake")[0]["tool_calls"] is None


def test_together() -> None:
    choice = chunks("together")[1]["choices"][0]
    assert (choice["text"], choice["seed"]) == (TOKENS[0], None)
    assert deltas("together")[1]["token_id"] == 1


def test_thinking() -> None:
    def keys(name: str) -> set[str]:
        told = deltas(name, events=answer(thinking="a b"))
        return {key for delta in told for key in delta if "reasoning" in key}

    assert keys("groq") == keys("ollama") == keys("together") == keys("vllm") == {"reasoning"}
    assert keys("openrouter") == {"reasoning", "reasoning_details"}
    assert keys("deepseek") == keys("xai") == {"reasoning_content"}


def test_timings() -> None:
    with_usage, without = chunks("llamacpp"), chunks("llamacpp", include_usage=False)
    assert [("timings" in chunk) for chunk in with_usage].count(True) == 1
    assert with_usage[-1]["timings"]["predicted_n"] == len(TOKENS)
    assert without[-1]["choices"][0]["finish_reason"] == "stop"
    assert without[-1]["timings"]["prompt_n"] == 9


def test_comments() -> None:
    body = seen("openai-chat", dialect="openrouter").body
    assert body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert seen("openai-chat", dialect="deepseek").body.startswith(b": keep-alive\n\n")


def test_lone_surrogates() -> None:
    assert b"\\ud83d" in seen("openai-chat", dialect="cloudflare").body


def test_several_choices_wait_for_their_roles() -> None:
    def said(index: int, **delta: Any) -> Frame:
        return Frame(at_s=0.0, data={"choices": [{"index": index, "delta": delta, "finish_reason": None}]})

    given = [said(0, role="assistant", content=""), said(1, role="assistant", content=""), said(1, content="b")]
    given += [said(0, content="a"), said(0, role="assistant", content="c"), Frame(at_s=0.0, data={"choices": []})]
    got: list[Any] = [frame.data for frame in habits.role_with_text(iter(given), Known())]
    told = [(choice["index"], choice["delta"]) for chunk in got for choice in chunk["choices"]]
    assert told == [
        (1, {"content": "b", "role": "assistant"}),
        (0, {"content": "a", "role": "assistant"}),
        (0, {"role": "assistant", "content": "c"}),
    ]


def test_errors_of_an_answer_have_no_choices() -> None:
    error = Frame(at_s=0.0, data={"error": {"message": "no"}})
    for habit in DIALECTS["together"].habits:
        (frame,) = habit(iter([error]), Known())
        assert "choices" not in (frame.data or {})


# -- anthropic


def test_padding() -> None:
    body = seen("anthropic", dialect="anthropic-padded").body
    assert b"  }\n\n" in body
    assert body.replace(b" ", b"") == plain("anthropic").replace(b" ", b"")


def test_platforms() -> None:
    assert seen("anthropic", dialect="bedrock").message.id == "msg_bdrk_0123"
    metrics = frames("bedrock")[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (9, len(TOKENS))
    assert seen("anthropic", dialect="vertex").message.id == "msg_vrtx_0123"
    assert frames("vertex")[1] == {"type": "vertex_event"}


def test_proxies() -> None:
    assert b"event:" not in seen("anthropic", dialect="nameless-proxy").body
    assert frames("done-proxy")[-1] == "[DONE]"


def test_whole_inputs() -> None:
    told = frames("whole-input", events=answer(tools=2))
    blocks = [frame["content_block"] for frame in told if frame["type"] == "content_block_start"]
    assert [block["input"] for block in blocks] == [{"city": "Zürich"}] * 2
    assert not any(frame["type"] == "content_block_delta" for frame in told)


def test_an_input_that_is_cut_off() -> None:
    def frame(**data: Any) -> Frame:
        return Frame(at_s=0.0, data=data)

    given = [
        frame(type="content_block_start", index=0, content_block={"type": "tool_use", "input": {}}),
        frame(type="content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"a'}),
        frame(type="content_block_stop", index=0),
    ]
    got: list[Any] = [frame.data for frame in whole_input(iter(given), Known())]
    assert [data["type"] for data in got] == ["content_block_start", "content_block_stop"]
    assert got[0]["content_block"]["input"] == {}
