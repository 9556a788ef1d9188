"""Each example does what it says: run as a program, on a simulated provider over sockets."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.sim import Answer, Match, Scenario, Simulator, ToolUse
from tests.examples.running import EXAMPLES, MODEL, ROOT, SKY, Start, environment, started

ALL = sorted(path.name for path in EXAMPLES.glob("*.py"))
SCRIPTS = [name for name in ALL if name not in {"adopt_sdk.py", "fastapi_sse.py", "mount_gateway.py"}]
HELD = Scenario(answer=SKY, faults=("hold:rest@token:3",))

needs_adopt = pytest.mark.skipif(importlib.util.find_spec("headrace.adopt") is None, reason="there is no adopt yet")


# -- all of them


def test_the_table_lists_them_all() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]\(\1\) \|", table, re.MULTILINE)) == ALL


@pytest.mark.parametrize("name", ALL)
def test_it_says_what_it_shows_and_how_to_run_it(name: str) -> None:
    said = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    assert said is not None
    what, *_, run = said.split("\n\n")
    assert len(what) > 20
    assert re.fullmatch(rf"Run it: \S.*\b{Path(name).stem}\b.*", run)


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs_without_a_key(name: str, tmp_path: Path) -> None:
    with started(name, home=tmp_path) as example:
        said = example.end()
    assert said or name == "test_your_code.py"  # which has only tests


# -- one stream


@pytest.mark.parametrize("name", ["print_as_it_comes.py", "async_stream.py"])
def test_text_is_printed_before_the_answer_is_whole(name: str, sim: Simulator, start: Start) -> None:
    sim.script(HELD)
    example = start(name)
    example.read_until("Blue light is")
    sim.release("rest")
    assert example.end() == f"{SKY}\n"


def test_the_model_may_be_named_in_the_environment(sim: Simulator, tmp_path: Path) -> None:
    with started("print_as_it_comes.py", home=tmp_path, env={**sim.env(), "HEADRACE_MODEL": "anthropic/m"}) as example:
        assert example.end() == f"{SKY}\n"
    assert (sim.journal.last.wire, sim.journal.last.model) == ("anthropic", "m")


def test_callbacks(start: Start) -> None:
    assert start("callbacks.py").end() == f"{SKY}\n[complete: 9 tokens]\n"


def test_callbacks_after_a_failure(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer=SKY, faults=("eof@token:3",)))
    said = start("callbacks.py").end()
    assert said.startswith("Blue light is\n[openai closed the stream early")


def test_collect(start: Start) -> None:
    assert start("collect.py").end() == f"{len(SKY)} characters: {SKY!r}\n"


def test_events(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer=Answer(thinking="Why?", text=SKY)))
    out = start("events.py", "anthropic/claude").end()
    assert "[thinking: Why" in out
    assert f"{SKY}\noutcome: complete (the provider says 'end_turn')\ntokens: " in out


def test_inspect_chunks(start: Start) -> None:
    lines = start("inspect_chunks.py").end().splitlines()
    assert [int(line[:3]) for line in lines] == list(range(len(lines)))
    assert any("' light'" in line for line in lines)
    assert any(" stop " in line for line in lines)
    assert lines[-1].endswith("[DONE]")


def test_first_token(start: Start) -> None:
    assert re.match(r"first token after \d+\.\d{3} s, all of it after \d+\.\d{3} s\n", start("first_token.py").end())


# -- several


def test_merge_labels(sim: Simulator, start: Start) -> None:
    sim.script(
        Scenario(match=Match(text="JavaScript"), answer=SKY, faults=("eof@token:2",)),
        Scenario(match=Match(text="Python"), answer=SKY),
        Scenario(match=Match(text="Go"), answer="Gophers dig."),
    )
    lines = start("merge_labels.py").end().splitlines()
    assert lines[-3] == f"PY: complete, {len(SKY)} characters "
    assert lines[-2].startswith("JS: truncated, 10 characters openai closed the stream early")
    assert lines[-1] == "GO: complete, 12 characters "
    said = [line.split(" ", 1) for line in lines[:-3]]
    assert "".join(ast.literal_eval(text) for label, text in said if label == "PY") == SKY
    assert len(sim.journal.exchanges) == 3


def test_gather_messages(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(match=Match(text="Lima"), faults=("status:500",)), Scenario(answer=SKY))
    assert start("gather_messages.py").end().splitlines() == [
        f"Oslo: complete: {SKY!r}",
        "Lima: failed: ''",
        f"Rome: complete: {SKY!r}",
    ]


def test_race_models(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(match=Match(model="slow"), answer="Not this.", faults=("hold@token:0",)), Scenario(answer=SKY))
    assert start("race_models.py", "openai/slow", MODEL).end() == f"{SKY}\n[second won]\n"
    assert sim.journal.wait(lambda e: e.model == "slow" and e.ended_by is not None).left_at_token == 0


# -- stopping


@pytest.mark.parametrize("name", ["cancel_from_thread.py", "cancel_from_task.py"])
@pytest.mark.parametrize(("tokens", "text"), [(3, "Blue light is"), (0, "")])
def test_cancel_from_elsewhere(name: str, tokens: int, text: str, sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer=SKY, faults=(f"hold@token:{tokens}",)))
    example = start(name)
    example.read_until(text)
    sim.journal.wait(lambda e: e.tokens == tokens and e.status == 200)
    example.press_enter()
    assert example.end() == f"{text}\n[cancelled]\n"
    assert sim.journal.wait().left_at_token == tokens


@pytest.mark.parametrize(
    ("name", "answer", "text", "end"),
    [
        ("token_limit.py", "word " * 100, "word " * 15 + "word", "[stopped after about 20 tokens]"),
        ("stop_at_code_block.py", f"So:\n```python\nx = 1\n```\n{SKY}", "So:\n```python\nx = 1\n```", "[stopped]"),
        ("until_regex.py", f"Light! {SKY}", "Light!", "[stopped]"),
    ],
)
def test_a_condition_stops_the_model(name: str, answer: str, text: str, end: str, sim: Simulator, start: Start) -> None:
    tokens = 40 if name == "token_limit.py" else 20
    sim.script(Scenario(answer=answer + " and so on" * 50, faults=(f"hold@token:{tokens}",)))
    assert start(name).end() == f"{text}\n{end}\n"
    assert sim.journal.wait().how == "left"


def test_timeouts(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer=SKY, faults=("stall@token:3",)))
    first, second = start("timeouts.py").end().splitlines()
    assert first == "total: openai: the answer was not complete within 1 s (the total timeout)"
    assert "Blue light is".startswith(ast.literal_eval(second.removeprefix("until then: ")))
    assert sim.journal.wait().how == "left"


# -- turns


def test_conversation(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(match=Match(text="rivers"), answer="A river."), Scenario(answer="Rain."))
    out = start("conversation.py").end()
    assert out == "> Write a haiku about rivers\nA river.\n> And now one about rain\nRain.\n"
    first, second = sim.journal.exchanges
    assert first.connection == second.connection
    assert [(m["role"], m["content"]) for m in second.body["messages"]] == [
        ("system", "You are a poet."),
        ("user", "Write a haiku about rivers"),
        ("assistant", "A river."),
        ("user", "And now one about rain"),
    ]


CALL = ToolUse(name="get_weather", arguments={"city": "Paris"}, id="call_1")


def test_tool_call(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(match=Match(call=1), answer=Answer(tools=(CALL,))), Scenario(answer="It rains in Paris."))
    out = start("tool_call.py").end()
    result = '{"city": "Paris", "sky": "rain", "celsius": 11}'
    assert re.fullmatch(
        rf"\[get_weather\(\{{\"city\": ?\"Paris\"\}}\) -> {re.escape(result)}\]\nIt rains in Paris\.\n", out
    )
    asked = sim.journal.last.body["messages"]
    assert asked[-1] == {"role": "tool", "tool_call_id": "call_1", "content": result}
    assert asked[-2]["tool_calls"][0]["id"] == "call_1"


def test_tool_call_whose_arguments_are_none(sim: Simulator, start: Start) -> None:
    broken = ToolUse(name="get_weather", arguments='{"city": ', id="call_1")
    sim.script(Scenario(match=Match(call=1), answer=Answer(tools=(broken,))), Scenario(answer="Sorry."))
    assert start("tool_call.py").end().endswith("\nSorry.\n")
    assert sim.journal.last.body["messages"][-1]["content"].startswith("error: the arguments of 'get_weather'")


def test_tool_call_for_ever(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer=Answer(tools=(CALL,))))
    start("tool_call.py").end()
    assert len(sim.journal.exchanges) == 5


# -- others' code


@needs_adopt
def test_adopt_sdk(sim: Simulator, start: Start) -> None:
    sim.script(Scenario(answer="one two three four five", faults=("hold@token:4",)))
    assert start("adopt_sdk.py", "gpt-4o-mini").end() == "one two three\n[stopped]\n"
    assert sim.journal.wait().how == "left"


def test_test_your_code(tmp_path: Path) -> None:
    # By the plugin's module, whether its entry point is installed or not.
    plugin = ("-p", "no:headrace", "-p", "_headrace_pytest", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "examples/test_your_code.py"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "3 passed" in done.stdout, done.stdout
