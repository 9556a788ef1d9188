"""Where an answer stops, and what it has cost."""

import json
from typing import Any

import pytest

import headrace
from headrace.sim import Answer, Scenario, ToolUse
from headrace.sim.provider import play
from headrace.sim.writing.tokens import count, cut
from tests.sim.asking import answer, ask, body, call, played, said


def test_max_tokens_end_it_by_its_length() -> None:
    whole = ask("Tell me about rain", ";seed=7")
    for most in (1, 7, 50):
        message = ask("Tell me about rain", ";seed=7", max_tokens=most)
        assert (message.outcome, message.native_stop_reason) == ("length", "length")
        assert message.text == "".join([*cut(whole.text)][:most])
        assert message.usage.output_tokens == most
    tokens = count(whole.text)
    for most, outcome in ((tokens, "complete"), (tokens - 1, "length")):
        assert ask("Tell me about rain", ";seed=7", extra={"max_completion_tokens": most}).outcome == outcome
    assert ask("hi", max_tokens=90, extra={"max_completion_tokens": 5}).usage.output_tokens == 5


@pytest.mark.parametrize(
    ("stop", "before"),
    [
        ("model", "> Simulated answer: no "),
        (["never said", "called", "was"], "> Simulated answer: no model "),
        (["Sim", "> S"], ""),
    ],
)
def test_a_stop_sequence_ends_it_and_is_not_said(stop: Any, before: str) -> None:
    message = ask("Tell me about rain", stop=stop)
    assert (message.text, message.outcome, message.native_stop_reason) == (before, "complete", "stop")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", ["openai-chat", "anthropic"])
def test_what_comes_after_a_stop_sequence_is_not_said(wire: Any, stream: bool) -> None:
    scenario = Scenario(answer=Answer(thinking="END", text="one END two", tools=(ToolUse(name="add"),)))
    field = "stop" if wire == "openai-chat" else "stop_sequences"
    message = said(scenario, wire=wire, stream=stream, **{field: ["END", "two"]}).message
    assert (message.thinking, message.text, message.tool_calls) == ("END", "one ", [])
    assert (message.outcome, message.native_stop_reason) == (
        "complete",
        "stop" if wire == "openai-chat" else "stop_sequence",
    )
    [choice] = message.choices
    assert choice.details == (None if wire == "openai-chat" else {"stop_sequence": "END"})


def test_until_and_limit_end_it() -> None:
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert s.until("no model").get_final_text() == "> Simulated answer: no model"
        assert s.message.outcome == "stopped"
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert len(s.limit(chars=33).get_final_text()) == 33
        assert s.message.outcome == "stopped"
    with headrace.stream("sim/x;seed=7;speed=max", "Tell me about rain") as s:
        assert s.limit(tokens=10).get_final_message().outcome == "stopped"


def test_several_answers_at_once() -> None:
    message = ask("Tell me about rain", ";seed=7", n=3)
    texts = ["".join(p.text for p in choice.parts) for choice in message.choices]
    assert len(set(texts)) == 3
    assert {choice.native_stop_reason for choice in message.choices} == {"stop"}
    assert texts[0] == ask("Tell me about rain", ";seed=7").text
    assert message.usage.output_tokens == sum(map(count, texts))


def test_usage_is_given_to_who_asked() -> None:
    message = ask("Tell me about rain")
    usage = message.usage
    assert usage.output_tokens == count(message.text)
    assert usage.input_tokens
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert not usage.estimated
    for options in (None, {"include_usage": False}):
        assert answer(body(stream_options=options)).message.usage.total_tokens is None


@pytest.mark.parametrize("seed", range(10))
def test_choices_begin_in_order(seed: int) -> None:
    """As the SDKs' helpers rely on."""
    data = played(play(call(model=f"prose;speed=max;seed={seed}", n=4)))
    indices = [json.loads(line[6:])["choices"][0]["index"] for line in data.splitlines() if b'"delta"' in line]
    assert list(dict.fromkeys(indices)) == [0, 1, 2, 3]
