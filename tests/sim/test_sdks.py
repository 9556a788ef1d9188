"""The official SDKs ask the simulator in every way they have, and make of its answers what our client makes of them."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from headrace.sim import Answer, Scenario, Simulator, ToolUse
from headrace.sim.scenarios.builtin import BUILTINS
from tests.faces import FACES, KEY, Face, read
from tests.sdks import ASK, HOWS, How, anthropic_client, for_us, openai_client, ours, parsed, url_of
from tests.sim.sdk_requests import ANTHROPIC_TOOLS, CITY, TOOLS, seeded

pytestmark = pytest.mark.usefixtures("bare")

UNICODE = "Grüße, 日本語, \U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467, e\u0301, \u202eabc\u202c and \0."
WEATHER = ToolUse(name="weather", arguments={"city": "Zürich", "days": 3})
TIME = ToolUse(name="time", id="call_of_its_own")


@dataclass(frozen=True)
class Case:
    """A request, and its answer.

    Attributes:
        answer: as a script says it; None: what the request implies.
        asked: fields of the request, as the vendor has them.
        gives: what must come of it, whoever asks.
    """

    answer: Answer | str | None
    asked: dict[str, Any] = field(default_factory=dict)
    gives: dict[str, Any] = field(default_factory=dict)


def agree(face: Face, how: How, name: str, case: Case, model: str = "m-1") -> None:
    """Ask as the SDK does and as we do."""
    with Simulator(Scenario(answer=case.answer), seed=7) as sim:
        asked = for_us(case.asked)
        reading = read(face, f"{name}/{model}", base_url=url_of(sim, name), api_key=KEY, **asked)
        theirs = ASK[name](face, url_of(sim, name), how=how, model=model, **case.asked)
        for number in (1, 2):
            assert sim.journal.wait(lambda e, n=number: e.id == n and e.ended_by is not None).how == "complete"
    assert reading.error is None
    assert reading.message.warnings == ()
    mine = ours(reading.message)
    assert theirs == (parsed(mine) if name == "anthropic" and how != "raw" else mine)
    assert theirs.model == model.partition(";")[0]
    assert theirs.id is not None
    assert {name: getattr(mine, name) for name in case.gives} == case.gives


# -- openai-chat

SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}

OPENAI: dict[str, Case] = {
    "text": Case("Hello, world.", {}, {"text": "Hello, world.", "stop": "stop"}),
    "unicode": Case(UNICODE, {}, {"text": UNICODE}),
    "thinking": Case(
        Answer(thinking="First this.", text="Hi"), {}, {"thinking": "First this.", "text": "Hi", "stop": "stop"}
    ),
    "thinking that is asked for": Case(None, {"reasoning_effort": "low"}, {"stop": "stop"}),
    "one tool": Case(Answer(tools=(WEATHER,)), {"tools": TOOLS}, {"stop": "tool_calls", "text": ""}),
    "several tools": Case(
        Answer(thinking="Both.", text="Let me see.", tools=(WEATHER, TIME, WEATHER)),
        {"tools": TOOLS, "parallel_tool_calls": True},
        {"text": "Let me see.", "stop": "tool_calls"},
    ),
    "arguments that are no JSON": Case(
        Answer(tools=(ToolUse(name="weather", arguments='{"city": "Zü', id="call_1"),)),
        {"tools": TOOLS},
        {"calls": [("call_1", "weather", '{"city": "Zü')]},
    ),
    "a tool that must be called": Case(
        None,
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "time"}}},
        {"stop": "tool_calls"},
    ),
    "any tool": Case(None, {"tools": TOOLS, "tool_choice": "required"}, {"stop": "tool_calls"}),
    "no tool": Case(Answer(builtin="tools"), {"tools": TOOLS, "tool_choice": "none"}, {"calls": [], "stop": "stop"}),
    "a tool's result": Case(
        Answer(builtin="tools"),
        {
            "tools": TOOLS,
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": "What time is it?"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "time", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "Noon."},
            ],
        },
        {"calls": [], "stop": "stop"},
    ),
    "a schema": Case(None, {"response_format": SCHEMA}, {"stop": "stop"}),
    "any JSON": Case(None, {"response_format": {"type": "json_object"}}, {"stop": "stop"}),
    "a value": Case(Answer(json={"city": "Zürich"}), {}, {"text": '{"city": "Zürich"}'}),
    "refusal": Case(Answer(refusal="I cannot do that."), {}, {"refusal": "I cannot do that.", "text": ""}),
    "length": Case("One two three four five six.", {"max_completion_tokens": 3}, {"stop": "length"}),
    "length within thinking": Case(
        Answer(thinking="One two three four five.", text="Six."),
        {"max_completion_tokens": 3},
        {"stop": "length", "text": ""},
    ),
    "filtered": Case(Answer(text="Well", stop_reason="filtered"), {}, {"stop": "content_filter", "text": "Well"}),
    "a stop sequence": Case("One END two.", {"stop": ["END", "two"]}, {"text": "One ", "stop": "stop"}),
    "nothing": Case("", {}, {"text": "", "stop": "stop"}),
    "two answers": Case(Answer(builtin="prose"), {"n": 2}, {"stop": "stop"}),
    "a seed": Case(Answer(builtin="prose"), {"seed": 5, "temperature": 0.5, "top_p": 0.9}),
    "usage": Case(
        Answer(text="Hi", usage={"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 40}),
        {},
        {"usage": (100, 40, 80, None, 0)},
    ),
    "usage of thinking": Case(
        Answer(thinking="Hm", text="Hi", usage={"output_tokens": 40, "reasoning_tokens": 30, "cache_write_tokens": 9}),
        {},
        {"usage": (8, 40, 0, 9, 30)},
    ),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", OPENAI)
def test_openai_s_sdk_agrees(face: Face, how: How, case: str) -> None:
    agree(face, how, "openai", OPENAI[case])


# What the SDKs are asked for with a class in place of a schema.


class City(BaseModel):
    name: str
    inhabitants: int


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("streamed", [False, True])
def test_openai_s_sdk_parses_an_answer(face: Face, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "response_format": City}

    def blocking() -> Any:
        with openai_client(face, sim.openai_url) as client:
            if not streamed:
                return client.chat.completions.parse(**asked)
            with client.chat.completions.stream(**asked) as stream:
                return stream.get_final_completion()

    async def asynchronous() -> Any:
        async with openai_client(face, sim.openai_url) as client:
            if not streamed:
                return await client.chat.completions.parse(**asked)
            async with client.chat.completions.stream(**asked) as stream:
                return await stream.get_final_completion()

    with Simulator(seed=7) as sim:
        message = (blocking() if face == "sync" else asyncio.run(asynchronous())).choices[0].message
        extra = {"response_format": sim.journal.last.body["response_format"]}
        mine = read(face, "openai/m-1", "Hi", base_url=sim.openai_url, api_key=KEY, extra=extra)
    assert isinstance(message.parsed, City)
    assert City.model_validate_json(mine.message.text) == message.parsed
    assert mine.message.text == message.content


@pytest.mark.parametrize("face", FACES)
def test_usage_that_is_not_asked_for(face: Face) -> None:
    with Simulator(Scenario(answer="Hi")) as sim:
        answer = ASK["openai"](face, sim.openai_url, stream_options={"include_usage": False})
    assert (answer.text, answer.usage) == ("Hi", None)


# -- anthropic

ANTHROPIC: dict[str, Case] = {
    "text": Case("Hello, world.", {}, {"text": "Hello, world.", "stop": "end_turn"}),
    "unicode": Case(UNICODE, {}, {"text": UNICODE}),
    "thinking": Case(
        Answer(thinking="First this.", text="Hi"), {}, {"thinking": "First this.", "text": "Hi", "stop": "end_turn"}
    ),
    "thinking that is asked for": Case(None, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    "one tool": Case(Answer(tools=(WEATHER,)), {"tools": ANTHROPIC_TOOLS}, {"stop": "tool_use", "text": ""}),
    "several tools": Case(
        Answer(thinking="Both.", text="Let me see.", tools=(WEATHER, TIME, WEATHER)),
        {"tools": ANTHROPIC_TOOLS},
        {"text": "Let me see.", "stop": "tool_use"},
    ),
    "a tool without arguments": Case(
        Answer(tools=(ToolUse(name="time", arguments="", id="toolu_1"),)),
        {"tools": ANTHROPIC_TOOLS},
        {"calls": [("toolu_1", "time", "")]},
    ),
    "a tool that must be called": Case(
        None, {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "tool", "name": "time"}}, {"stop": "tool_use"}
    ),
    "any tool": Case(None, {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "any"}}, {"stop": "tool_use"}),
    "no tool": Case(
        Answer(builtin="tools"), {"tools": ANTHROPIC_TOOLS, "tool_choice": {"type": "none"}}, {"calls": []}
    ),
    "a tool's result": Case(
        Answer(builtin="tools"),
        {
            "tools": ANTHROPIC_TOOLS,
            "system": "Be short.",
            "messages": [
                {"role": "user", "content": "What time is it?"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "toolu_1", "name": "time", "input": {}}],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Noon."}],
                },
            ],
        },
        {"calls": [], "stop": "end_turn"},
    ),
    "a schema": Case(None, {"output_config": {"format": {"type": "json_schema", "schema": CITY}}}),
    "a value": Case(Answer(json={"city": "Zürich"}), {}, {"text": '{"city": "Zürich"}'}),
    "refusal": Case(Answer(refusal="I cannot do that."), {}, {"text": "I cannot do that.", "stop": "refusal"}),
    "length": Case("One two three four five six.", {"max_tokens": 3}, {"stop": "max_tokens"}),
    "paused": Case(Answer(text="Well", stop_reason="paused"), {}, {"text": "Well", "stop": "pause_turn"}),
    "a stop sequence": Case(
        "One END two.",
        {"stop_sequences": ["END", "two"]},
        {"text": "One ", "stop": "stop_sequence", "sequence": "END"},
    ),
    "nothing": Case("", {}, {"text": "", "stop": "end_turn"}),
    "usage": Case(
        Answer(
            text="Hi",
            usage={"input_tokens": 9, "cached_input_tokens": 80, "cache_write_tokens": 11, "output_tokens": 40},
        ),
        {},
        {"usage": (9, 40, 80, 11, None)},
    ),
    "usage of thinking": Case(
        Answer(thinking="Hm", text="Hi", usage={"output_tokens": 40, "reasoning_tokens": 30}),
        {},
        {"usage": (8, 40, 0, 0, 30)},
    ),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", ANTHROPIC)
def test_anthropic_s_sdk_agrees(face: Face, how: How, case: str) -> None:
    agree(face, how, "anthropic", ANTHROPIC[case])


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_s_sdk_parses_an_answer(face: Face, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4096}
    asked["output_format"] = City

    def blocking() -> Any:
        with anthropic_client(face, sim.anthropic_url) as client:
            if not streamed:
                return client.messages.parse(**asked)
            with client.messages.stream(**asked) as stream:
                return stream.get_final_message()

    async def asynchronous() -> Any:
        async with anthropic_client(face, sim.anthropic_url) as client:
            if not streamed:
                return await client.messages.parse(**asked)
            async with client.messages.stream(**asked) as stream:
                return await stream.get_final_message()

    with Simulator(seed=7) as sim:
        message = blocking() if face == "sync" else asyncio.run(asynchronous())
        extra = {"output_config": sim.journal.last.body["output_config"]}
        mine = read(face, "anthropic/m-1", "Hi", base_url=sim.anthropic_url, api_key=KEY, extra=extra)
    assert isinstance(message.parsed_output, City)
    assert City.model_validate_json(mine.message.text) == message.parsed_output


# -- what the models' names imply

FINE = [name for name in BUILTINS if name not in ("error", "flaky")]
OFFERED = {"openai": TOOLS, "anthropic": ANTHROPIC_TOOLS}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("model", FINE)
def test_a_built_in_scenario(face: Face, how: How, name: str, model: str) -> None:
    agree(face, how, name, Case(None, {"tools": OFFERED[name]}), model=f"sim/{model};words=150")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ASK)
def test_one_that_goes_well_now_and_then(face: Face, how: How, name: str) -> None:
    agree(face, how, name, Case(None), model=seeded(name, "flaky")["flaky/good"])
