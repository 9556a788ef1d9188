"""The simulated provider: calls in, plays out, on both wires, streamed and not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from headrace.errors import UsageError
from headrace.sim import Answer, Fault, Match, PaceOptions, Scenario, ToolUse
from headrace.sim.asked.base import Asked
from headrace.sim.play import Call, Piece, Play
from headrace.sim.provider import SimulatedProvider, play
from headrace.sim.scenarios.builtin import BUILTINS
from headrace.sim.writing.tokens import count
from headrace.wire.providers import WireName
from headrace.wire.registry import make_decoder, make_framer
from tests.sim.asking import acted, call, header, played, read, said, status

WIRES: tuple[WireName, ...] = ("openai-chat", "anthropic")
BOTH = pytest.mark.parametrize("wire", WIRES)
STREAMED = pytest.mark.parametrize("stream", [True, False])


def provider(*scenarios: Any, **options: Any) -> SimulatedProvider:
    return SimulatedProvider(scenarios, **{"speed": "max", **options})


def error_of(play: Play) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(played(play))["error"]
    return error


# -- what is said


@BOTH
@STREAMED
def test_a_text(wire: WireName, stream: bool) -> None:
    message = said(
        Scenario(answer="Grüße, 世界 \U0001f600!"),
        wire=wire,
        stream=stream,
        model="m-1",
        stream_options={"include_usage": True},
    ).message
    assert (message.text, message.outcome, message.model) == ("Grüße, 世界 \U0001f600!", "complete", "m-1")
    assert message.native_stop_reason == ("stop" if wire == "openai-chat" else "end_turn")
    assert str(message.id).startswith("chatcmpl-sim-" if wire == "openai-chat" else "msg_sim_")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (8, count(message.text))


@BOTH
@STREAMED
def test_all_that_can_be_said(wire: WireName, stream: bool) -> None:
    tools = (ToolUse(name="add", arguments={"a": [1, 2]}), ToolUse(name="sub", id="mine"))
    answer = Answer(thinking="Let me see.", text="So: ", tools=tools)
    message = said(answer_of(answer), wire=wire, stream=stream, stream_options={"include_usage": True}).message
    assert (message.thinking, message.text, message.outcome) == ("Let me see.", "So: ", "tool_calls")
    first, second = message.tool_calls
    assert (first.name, first.parsed(), second.name, second.parsed()) == ("add", {"a": [1, 2]}, "sub", {})
    assert first.id.startswith("call_sim_" if wire == "openai-chat" else "toolu_sim_")
    assert second.id == "mine"
    assert message.usage.reasoning_tokens == count("Let me see.")
    if wire == "anthropic":
        [thinking] = [part for part in message.parts if part.kind == "thinking"]
        assert thinking.data is not None
        assert len(thinking.data["signature"]) > 100


def answer_of(answer: Answer | str) -> Scenario:
    return Scenario(answer=answer)


@BOTH
@STREAMED
@pytest.mark.parametrize("name", BUILTINS)
def test_a_builtin_by_its_name(name: str, wire: WireName, stream: bool) -> None:
    tools = {"name": "add", "input_schema": {"type": "object"}}
    if wire == "openai-chat":
        tools = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    asking = call(wire, "Tell me of rain", model=f"sim/{name};words=40;fault=comments", stream=stream, tools=[tools])
    made = provider().play(asking)
    assert made.label.partition("/")[0] == name
    message = read(made).message
    assert message.model == f"sim/{name}"
    ends = {"length": "length", "tools": "tool_calls", "filtered": "filtered", "refusal": "complete"}
    if wire == "anthropic":
        ends |= {"filtered": "refused", "refusal": "refused"}
    assert message.outcome == ends.get(name, "complete")
    assert bool(message.text) == (name != "empty" and (name != "refusal" or wire == "anthropic"))


@BOTH
@pytest.mark.parametrize("reason", ["length", "paused", "refused", "filtered"])
@STREAMED
def test_how_a_scenario_ends(reason: Any, wire: WireName, stream: bool) -> None:
    message = said(answer_of(Answer(text="So.", stop_reason=reason)), wire=wire, stream=stream).message
    wanted = "refused" if wire == "anthropic" and reason == "filtered" else reason
    assert (message.text, message.outcome) == ("So.", wanted)


@BOTH
def test_an_answer_that_fails(wire: WireName) -> None:
    failing = provider(answer_of(Answer(text="So.", stop_reason="failed", native_stop_reason="eos")))
    message = read(failing.play(call(wire))).message
    assert (message.text, message.outcome) == ("So.", "failed")
    assert message.error is not None
    assert message.error.type == "server"
    whole = failing.play(call(wire, stream=False))
    assert status(whole) == 500
    assert "as its scenario says" in error_of(whole)["message"]


@BOTH
@STREAMED
def test_a_word_for_the_end_that_is_the_scenarios_own(wire: WireName, stream: bool) -> None:
    eos = answer_of(Answer(text="One two three.", native_stop_reason="eos"))
    assert said(eos, wire=wire, stream=stream).message.native_stop_reason == "eos"
    cut_short = said(eos, wire=wire, stream=stream, max_tokens=2).message
    assert cut_short.outcome == "length"
    assert cut_short.native_stop_reason in ("length", "max_tokens")


@STREAMED
def test_a_word_for_the_end_of_several_answers(stream: bool) -> None:
    message = said(answer_of(Answer(text="So.", native_stop_reason="eos")), n=2, stream=stream).message
    assert [choice.native_stop_reason for choice in message.choices] == ["eos", "eos"]


@BOTH
@STREAMED
def test_what_the_limit_leaves_no_room_for_does_not_begin(wire: WireName, stream: bool) -> None:
    answer = answer_of(Answer(thinking="one two", text="So."))
    message = said(answer, wire=wire, stream=stream, max_tokens=2).message
    assert (message.thinking, [part.kind for part in message.parts]) == ("one two", ["thinking"])
    assert message.outcome == "length"
    assert said(answer_of("one two"), wire=wire, stream=stream, max_tokens=2).message.outcome == "complete"


@BOTH
@STREAMED
def test_half_of_a_surrogate_pair_in_a_scenario_breaks_nothing(wire: WireName, stream: bool) -> None:
    assert said(answer_of("a\ud83d"), wire=wire, stream=stream).message.text == "a\ufffd"


@given(
    st.sampled_from(WIRES),
    st.builds(
        Answer,
        thinking=st.none() | st.text(max_size=30),
        text=st.none() | st.text(max_size=60),
        tools=st.lists(st.builds(ToolUse, name=st.just("add"), arguments=st.just({"a": 1})), max_size=2).map(tuple),
    ),
    st.none() | st.integers(1, 20),
    st.lists(st.sampled_from(["a", " ", "0", "é"]), max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_what_is_streamed_is_what_is_not(wire: WireName, answer: Answer, most: int | None, stops: list[str]) -> None:
    limits: dict[str, Any] = {} if most is None else {"max_tokens": most}
    if wire == "openai-chat":
        limits |= {"stop": stops, "stream_options": {"include_usage": True}}
    else:
        limits |= {"stop_sequences": [stop for stop in stops if stop.strip()]}
    streamed, whole = (said(answer_of(answer), wire=wire, stream=s, **limits).message for s in (True, False))
    assert (streamed.text, streamed.thinking, streamed.id) == (whole.text, whole.thinking, whole.id)
    assert (streamed.outcome, streamed.native_stop_reason) == (whole.outcome, whole.native_stop_reason)
    if streamed.outcome != "length":  # a call that is cut short is no JSON, and Anthropic's document must be
        assert [(c.id, c.name, c.parsed()) for c in streamed.tool_calls] == [
            (c.id, c.name, c.parsed()) for c in whole.tool_calls
        ]
    for name in ("input_tokens", "output_tokens", "reasoning_tokens", "cached_input_tokens", "total_tokens"):
        assert getattr(streamed.usage, name) == getattr(whole.usage, name)
    if most is not None:
        assert (streamed.usage.output_tokens or 0) <= most


# -- usage


@BOTH
@STREAMED
def test_figures_that_the_scenario_gives(wire: WireName, stream: bool) -> None:
    figures = {"input_tokens": 900, "cached_input_tokens": 700, "output_tokens": 80, "reasoning_tokens": 70}
    usage = said(
        answer_of(Answer(text="So.", usage=figures)), wire=wire, stream=stream, stream_options={"include_usage": True}
    ).message.usage
    assert {name: getattr(usage, name) for name in figures} == figures
    assert usage.total_tokens == (980 if wire == "openai-chat" else None)


def test_a_total_that_the_scenario_gives() -> None:
    answer = answer_of(Answer(text="So.", usage={"total_tokens": 5}))
    assert said(answer, stream=False).message.usage.total_tokens == 5


def test_anthropics_first_figures_are_provisional() -> None:
    made = provider(answer_of(Answer(text="one " * 40, usage={"cache_write_tokens": 7}))).play(call("anthropic"))
    starts, *_, last, _ = [json.loads(line[6:]) for line in played(made).split(b"\n") if line.startswith(b"data: ")]
    begun = starts["message"]["usage"]
    assert begun == {
        "input_tokens": 8,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 0,
        "output_tokens": begun["output_tokens"],
    }
    assert 1 <= begun["output_tokens"] <= 4
    assert last["usage"] == {**begun, "output_tokens": 41}


# -- time


def timed(steps: Iterator[Any]) -> list[tuple[float, int]]:
    return [(step.at_s, step.tokens) for step in steps]


def test_tokens_come_by_the_pace_of_the_scenario() -> None:
    pace = PaceOptions(first_s=1, first_sigma=0, rate=10, gap_sigma=0)
    made = provider(Scenario(answer="one two three", pace=pace), speed=None).play(call(model="x"))
    assert made.head is not None
    assert made.head.at_s == pytest.approx(0.4)
    assert header(made, "openai-processing-ms") == "400"
    times = timed(made.steps)
    assert [round(at_s, 6) for at_s, tokens in times if tokens] == [1.0, 1.1, 1.2]
    assert round(times[-1][0], 6) == 1.3
    assert made.tokens == 3


def test_what_is_not_streamed_takes_as_long() -> None:
    pace = PaceOptions(first_s=1, first_sigma=0, rate=10, gap_sigma=0)
    made = provider(Scenario(answer="one two three", pace=pace), speed=2).play(call(model="x", stream=False))
    assert made.head is not None
    assert (round(made.head.at_s, 6), made.head.framing) == (0.65, "length")
    [piece] = made.steps
    assert isinstance(piece, Piece)
    assert (round(piece.at_s, 6), piece.tokens) == (0.65, 3)


def test_a_refusal_of_what_is_not_streamed_comes_soon() -> None:
    slow = Scenario(
        answer="one two three", pace=PaceOptions(first_s=1, first_sigma=0, rate=0.1), faults=("status:503",)
    )
    made = provider(slow, speed=1).play(call(model="x", stream=False))
    assert made.head is not None
    assert (made.head.status, made.head.at_s) == (503, pytest.approx(0.4))


def test_the_speed_of_the_provider_is_the_least_of_all() -> None:
    pace = PaceOptions(first_s=1, first_sigma=0, speed=2)
    for asked, speed in (("x", 2), ("x;speed=4", 4)):
        head = provider(Scenario(answer="So.", pace=pace), speed="max").play(call(model=asked)).head
        assert head is not None
        assert head.at_s == pytest.approx(0.4 / speed)


def test_what_nobody_reads_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = provider(answer_of("one two three four")).play(call())
    assert next(made.steps).tokens == 0  # type: ignore[union-attr]
    gaps: list[int] = []
    monkeypatch.setattr("headrace.sim.pace.Pace.gap_s", lambda self: gaps.append(1) or 0.0)
    next(made.steps)
    assert len(gaps) <= 1
    made.steps.close()  # type: ignore[attr-defined]
    assert list(made.steps) == []


# -- rules


def test_the_first_rule_that_matches_answers() -> None:
    def rule(asked: Asked) -> str | None:
        return f"You said {asked.text}." if asked.tools else None

    rules = provider(
        Scenario(name="rain", match=Match(text="rain", call=1), answer="It rains."),
        rule,
        Scenario(match=Match(wire="anthropic"), answer="Elsewhere."),
    )
    tools = [{"type": "function", "function": {"name": "add"}}]
    first = rules.play(call(prompt="Rain?"))
    assert (read(first).message.text, first.label) == ("It rains.", "rain")
    assert read(rules.play(call(prompt="Rain?", tools=tools))).message.text == "You said Rain?."
    assert read(rules.play(call("anthropic", prompt="Rain?"))).message.text == "Elsewhere."
    implied = rules.play(call(prompt="Rain?", model="list"))
    assert (implied.label, implied.wire, implied.model) == ("list", "openai-chat", "list")
    assert set(implied.details) == {"seed", "dialect"}


@BOTH
def test_a_function_that_fails_is_told_of_as_the_servers_fault(wire: WireName) -> None:
    def broken(asked: Asked) -> str:
        raise ZeroDivisionError("by nought")

    made = provider(broken).play(call(wire))
    assert (status(made), made.label) == (500, "failed")
    assert "the script's function 'broken' failed: ZeroDivisionError: by nought" in error_of(made)["message"]
    assert "by nought" in made.details["why"]


def test_a_scenario_by_name_whatever_matches() -> None:
    rules = provider(Scenario(name="a", answer="A."), Scenario(name="b", answer="B."))
    assert read(rules.play(call(model="x;scenario=b"))).message.text == "B."
    assert read(rules.play(call(headers={"headrace_sim": "scenario=b"}))).message.text == "B."


# -- faults and dialects


@BOTH
def test_faults_of_the_request_of_the_scenario_and_of_the_provider(wire: WireName) -> None:
    faulty = provider(Scenario(answer="one two three four", faults=("eof@token:2",)), faults=["reset@token:1", "bom"])
    made = faulty.play(call(wire))
    assert made.faults == ("eof@token:2", "bom")
    data = played(made)
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b'"content":"' if wire == "openai-chat" else b'"text_delta"') == (
        3 if wire == "openai-chat" else 2
    )
    own = faulty.play(call(wire, model="x;fault=stall@token:3"))
    assert own.faults == ("stall@token:3", "bom")
    assert [act.kind for act in acted(own)] == ["stall"]
    plain = provider(answer_of("one two"), faults=(Fault(kind="reset", place="token", at=1.0),)).play(call(wire))
    assert (plain.faults, [act.kind for act in acted(plain)]) == (("reset@token:1",), ["reset"])


@BOTH
@STREAMED
@pytest.mark.parametrize(("fault", "wanted"), [("status:429:2", 429), ("html:502", 502), ("empty", 200)])
def test_refusals_on_demand(fault: str, wanted: int, wire: WireName, stream: bool) -> None:
    made = provider(answer_of("So.")).play(call(wire, model=f"x;fault={fault}", stream=stream))
    assert status(made) == wanted
    if wanted == 429:
        assert header(made, "retry-after") == "2"
        assert error_of(made)["type"] in ("requests", "rate_limit_error")


@BOTH
@STREAMED
def test_no_answer_on_demand(wire: WireName, stream: bool) -> None:
    made = provider(answer_of("So.")).play(call(wire, model="x;fault=drop", stream=stream))
    assert made.head is None
    assert [act.kind for act in acted(made)] == ["reset"]


@BOTH
def test_a_document_that_breaks_off(wire: WireName) -> None:
    made = provider(answer_of("one two three")).play(call(wire, model="x;fault=reset@byte:20", stream=False))
    assert made.head is not None
    assert made.head.framing == "chunked"
    pieces = list(made.steps)
    assert sum(len(step.data) for step in pieces if isinstance(step, Piece)) == 20


def test_dialects() -> None:
    snowflake = provider(answer_of("So."), dialect="snowflake")
    assert b'"finish_reason"' not in played(snowflake.play(call()))
    assert snowflake.play(call()).details["dialect"] == "snowflake"
    groq = provider(Scenario(answer="So.", dialect="snowflake"), dialect="ollama").play(call(model="x;dialect=groq"))
    assert groq.details["dialect"] == "groq"
    assert b"x_groq" in played(groq)
    assert read(provider(answer_of("So."), dialect="groq").play(call("anthropic"))).message.text == "So."


# -- a window that is too small


def test_a_prompt_that_is_too_long() -> None:
    said_openai = error_of(provider().play(call(model="x;context=7")))
    assert said_openai["message"].startswith(
        "This model's maximum context length is 7 tokens. However, your messages resulted in 8 tokens."
    )
    assert (said_openai["param"], said_openai["code"]) == ("messages", "context_length_exceeded")
    said_anthropic = error_of(provider().play(call("anthropic", model="x;context=7")))
    assert said_anthropic["message"] == "prompt is too long: 8 tokens > 7 maximum"
    assert status(provider().play(call(model="x;context=8"))) == 200


@STREAMED
def test_a_server_that_says_nothing_to_a_prompt_that_is_too_long(stream: bool) -> None:
    made = provider(dialect="gpustack").play(call(model="x;context=7", stream=stream))
    assert (status(made), played(made), made.faults) == (200, b"", ("empty",))
    assert status(provider(dialect="gpustack").play(call("anthropic", model="x;context=7"))) == 400
    assert status(provider(dialect="groq").play(call(model="x;context=7"))) == 400


# -- contradictions that only meet here


def test_a_request_whose_options_make_no_sense_is_refused() -> None:
    for wire in WIRES:
        made = provider().play(call(wire, headers={"headrace_sim": "scenario=nobody"}))
        assert status(made) == 400
        assert "there is no scenario 'nobody'" in error_of(made)["message"]
        assert (made.label, made.model) == ("refused", "test")
    with pytest.raises(UsageError):
        SimulatedProvider(faults=("nothing",))


# -- byte for byte


@given(st.binary(max_size=80), st.sampled_from(["/v1/chat/completions", "/v1/messages", "/v1/messages/count_tokens"]))
@settings(max_examples=200, deadline=None)
def test_nothing_is_raised_whatever_comes(data: bytes, path: str) -> None:
    made = play(Call(path=path, body=data))
    assert status(made) == 400
    assert error_of(made)["type"] == "invalid_request_error"


def test_one_seed_and_the_same_calls_give_the_same_plays() -> None:
    calls = [
        call(wire, model=f"x;first=2;rate=50{more}", stream=stream)
        for wire in WIRES
        for stream in (True, False)
        for more in ("", ";fault=error", ";scenario=flaky", ";scenario=flaky", ";fault=cut:random", ";speed=0")
    ]
    calls += [Call(method="GET", path="/v1/models"), Call(path="/nowhere")]

    def run(seed: int) -> list[Any]:
        own = SimulatedProvider(seed=seed, speed=3)
        plays = [own.play(each) for each in calls]
        return [(p.head, [*p.steps], p.wire, p.model, p.label, p.faults, p.tokens, p.details) for p in plays]

    assert run(7) == run(7)
    assert run(7) != run(8)


@BOTH
def test_the_bytes_of_a_stream_are_whole_frames(wire: WireName) -> None:
    framer, decoder = make_framer(wire), make_decoder(wire)
    made = provider(answer_of("one two three")).play(call(wire))
    for step in made.steps:
        assert isinstance(step, Piece)
        frames = list(framer.feed(step.data))
        assert len(frames) == 1
        decoder.feed(frames[0])
    assert decoder.done
