"""`headrace chat` at a terminal: what a person sees, and the keys that they press."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.sim import Answer, Scenario, Simulator, ToolUse
from headrace.sim.asked.base import Asked
from tests import servers as scripted
from tests.cli.running import BOUND_S, Terminal, only_at
from tests.sim.serving.raw import Source, play
from tests.simulated import HANGING, SILENT, check_left, left, stalling
from tests.wire.streams import message_delta, message_start, messages

HALF = stalling("half")


def _ask(sim: Simulator, *args: str) -> tuple[str, ...]:
    return ("chat", "--base-url", sim.openai_url, "-m", "m", *args)


def test_a_spinner_the_answer_and_a_summary(tmp_path: Path) -> None:
    answer = Answer(text="Hello there", usage={"input_tokens": 1234, "output_tokens": 5})
    scenario = Scenario(answer=answer, faults=("hold:here@event:0",))
    with Simulator(scenario) as sim, Terminal(tmp_path, *_ask(sim, "x")) as terminal:
        terminal.expect("compatible/m")
        assert "\x1b[?25l" in terminal.raw  # the spinner hides the cursor
        sim.release("here")
        terminal.expect("Hello there\r\n")
        terminal.expect("compatible/m · complete · first token ")
        terminal.expect("1,234 tokens in · 5 out\r\n")
        assert terminal.finish() == 0
    assert terminal.raw.index("\x1b[?25h") < terminal.raw.index("Hello")  # and gives it back


def test_where_each_goes(tmp_path: Path) -> None:
    answer = Answer(thinking="Let me\nthink", text="It is so.", tools=(ToolUse(name="look"),))
    with Simulator(Scenario(answer=answer)) as sim:
        with Terminal(tmp_path, *_ask(sim, "x"), stdout=subprocess.PIPE) as terminal:
            assert terminal.finish() == 0
            assert terminal.process.stdout
            assert terminal.process.stdout.read() == b"It is so.\n"
        assert "Let me\r\nthink\r\nlook({})\r\n" in terminal.shown
        assert "\x1b[2;3mLet\x1b[0m" in terminal.raw
        with Terminal(tmp_path, *_ask(sim, "x"), env={"NO_COLOR": "1"}) as plain:
            assert plain.finish() == 0
        assert "Let me\r\nthink\r\n\r\nIt is so.\r\nlook({})\r\n" in plain.shown
        assert "\x1b[2;3m" not in plain.raw
        with Terminal(tmp_path, *_ask(sim, "x"), stderr=subprocess.PIPE) as quiet:
            assert quiet.finish() == 0
            assert quiet.process.stderr
            assert quiet.process.stderr.read() == b"look({})\n"
        assert quiet.raw == "It is so.\r\n"


def test_control_characters_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    answer = Answer(thinking="\x1b]0;title\x07", text="a\tb\r\nc\rd\x1b[31mred\x9b2J\x7f\x08")
    with Simulator(Scenario(answer=answer)) as sim, Terminal(tmp_path, *_ask(sim, "x")) as terminal:
        assert terminal.finish() == 0
    assert "␛]0;title␇" in terminal.shown
    assert not any(code in terminal.raw for code in ("\x1b]", "\x07", "\x1b[31m", "\x9b", "\x7f", "\x08"))
    assert "b\r\ncd␛[31mred�2J␡␈\r\n" in terminal.raw


@pytest.mark.parametrize("scenario", [HANGING, SILENT, HALF], ids=["no head", "no token", "in the middle"])
def test_ctrl_c_stops_the_model(tmp_path: Path, scenario: Scenario) -> None:
    with Simulator(scenario) as sim, Terminal(tmp_path, *_ask(sim, "x")) as terminal:
        sim.journal.wait(lambda _: True, deadline_s=BOUND_S)
        if scenario is HALF:
            terminal.expect("half")
        terminal.type("\x03")
        assert left(sim).left_at_token == (scenario is HALF)
        assert terminal.finish() == 130
    assert "compatible/m · cancelled" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h") > 0
    if scenario is HALF:
        assert "half^C\r\n\r\ncompatible/m" in terminal.shown


def test_a_failure_is_red_and_summed_up(tmp_path: Path) -> None:
    with (
        Simulator(Scenario(answer="half of it", faults=("close@token:1",))) as sim,
        Terminal(tmp_path, *_ask(sim, "x")) as terminal,
    ):
        assert terminal.finish() == 1
    assert "half\r\n\x1b[1;31mheadrace: compatible" in terminal.raw
    assert "compatible/m · truncated · first token" in terminal.shown
    assert "≈1 tokens out" in terminal.shown  # nobody counted


def test_an_answer_that_begins_anew_is_told(tmp_path: Path) -> None:
    with Simulator(Scenario(answer="Once", faults=("splice@token:1",))) as sim:
        args = ("chat", "-m", "anthropic/m", "--base-url", sim.anthropic_url, "x")
        with Terminal(tmp_path, *args) as terminal:
            assert terminal.finish() == 0
    assert "Once\r\nheadrace: the answer begins anew\r\nOnce\r\n" in terminal.shown


def test_tools_of_the_provider_are_seen(tmp_path: Path) -> None:
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    frames = [
        message_start(),
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"q":1}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Mix two"}},
        {"type": "content_block_stop", "index": 1},
        message_delta("refusal"),
        {"type": "message_stop"},
    ]

    with Simulator(source=Source(play(messages(*frames)))) as sim:
        args = ("chat", "-m", "anthropic/m", "--base-url", sim.anthropic_url, "x")
        with Terminal(tmp_path, *args) as terminal:
            assert terminal.finish() == 0
    assert 'web_search({"q":1})' in terminal.shown
    assert "the provider withdrew what it had said (refusal)" in terminal.shown
    assert "the model refused (refused)" in terminal.shown


def _converse(asked: Asked) -> Scenario:
    match asked.prompt:
        case "go on":
            return Scenario(answer="on and on and on", faults=("stall@token:3",))
        case "fail":
            return Scenario(answer="not quite", faults=("close@token:1",))
        case prompt:
            return Scenario(answer=f"{len(asked.body['messages'])}: {prompt}")


def test_a_conversation(tmp_path: Path) -> None:
    with Simulator(_converse) as sim, Terminal(tmp_path, *_ask(sim)) as terminal:
        terminal.expect("Ctrl-C stops an answer, Ctrl-D ends")
        terminal.expect("> ")
        terminal.type("hello\n")
        terminal.expect("1: hello\r\n")
        terminal.expect("compatible/m · complete")
        terminal.expect("> ")
        terminal.type("\n  \n")
        terminal.expect("> ")
        terminal.expect("> ")
        terminal.type("go on\n")
        terminal.expect("on and on")
        terminal.type("\x03")
        terminal.expect("compatible/m · cancelled")
        check_left(sim.journal.wait(lambda e: e.id == 2 and e.ended_by is not None, deadline_s=BOUND_S))
        terminal.expect("> ")
        terminal.type("fail\n")
        terminal.expect("before the answer was complete")
        terminal.expect("> ")
        terminal.type("again\n")
        terminal.expect("7: again\r\n")  # what was cut is kept, too
        terminal.expect("> ")
        terminal.type("\x04")
        assert terminal.finish() == 0
    assert "Traceback" not in terminal.shown


def test_a_conversation_whose_answers_go_elsewhere(tmp_path: Path) -> None:
    with Simulator(_converse) as sim:
        with Terminal(tmp_path, *_ask(sim), stdout=subprocess.PIPE) as terminal:
            terminal.expect("> ")
            terminal.type("hello\n")
            terminal.expect("compatible/m · complete")
            terminal.expect("> ")
            terminal.type("\x04")
            assert terminal.finish() == 0
            assert terminal.process.stdout
            assert terminal.process.stdout.read() == b"1: hello\n"


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_the_prompt_ends_a_conversation(tmp_path: Path, signum: signal.Signals, code: int) -> None:
    with Simulator(_converse) as sim, Terminal(tmp_path, *_ask(sim)) as terminal:
        terminal.expect("> ")
        terminal.process.send_signal(signum)
        assert terminal.finish() == code
    assert "Traceback" not in terminal.shown


def test_a_signal_to_end_ends_a_conversation_in_an_answer(tmp_path: Path) -> None:
    with Simulator(_converse) as sim, Terminal(tmp_path, *_ask(sim)) as terminal:
        terminal.expect("> ")
        terminal.type("go on\n")
        terminal.expect("on and on")
        terminal.process.send_signal(signal.SIGTERM)
        assert left(sim).left_at_token == 3
        assert terminal.finish() == 143


def test_a_usage_error_ends_a_conversation(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "-m", "nobody/x") as terminal:
        assert terminal.finish() == 2
    assert "no provider 'nobody' is known" in terminal.shown


def test_a_simulation_says_so_once(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "-m", "sim/demo;speed=max") as terminal:
        for prompt in ("one", "two"):  # at this speed, a rate would mean nothing
            terminal.expect("> ")
            terminal.type(f"{prompt}\n")
            terminal.expect("sim/demo;speed=max · complete · first token")
            terminal.expect(" out\r\n")
        terminal.expect("> ")
        terminal.type("\x04")
        assert terminal.finish() == 0
    assert terminal.shown.count("headrace: this is a simulation") == 1
    assert "tokens/s" not in terminal.shown


def test_who_was_chosen_is_said_once(tmp_path: Path) -> None:
    with Terminal(tmp_path, "chat", "--limit-chars", "100") as terminal:
        terminal.expect("no model was named; asking sim/demo (no API key was found: THIS IS A SIMULATION")
        terminal.expect("> ")
        terminal.type("hello\n")
        terminal.expect("sim/demo · stopped")
        terminal.expect(" tokens/s")
        terminal.expect("> ")
        terminal.type("\x04")
        assert terminal.finish() == 0
    assert terminal.shown.count("headrace:") == 1


def test_the_models_are_a_table(tmp_path: Path) -> None:
    (tmp_path / "headrace.toml").write_text('[providers.mine]\nbase_url = "http://u:p@10.0.0.7/v1"\n')
    with Terminal(tmp_path, "models", env={"OPENAI_API_KEY": "sk-secret-1234"}) as terminal:
        assert terminal.finish() == 0
    assert "✓ OPENAI_API_KEY" in terminal.shown
    assert "· GROQ_API_KEY" in terminal.shown
    assert "mine (file)" in terminal.shown
    assert "no key: set GROQ_API_KEY" in terminal.shown
    assert "key found; not asked" in terminal.shown
    assert "headrace chat asks openai/gpt-4o-mini: openai's key was found" in terminal.shown
    assert "sk-secret" not in terminal.raw
    assert "u:p" not in terminal.raw


def test_a_local_engine_is_in_the_table(tmp_path: Path, serve: Callable[..., scripted.Server]) -> None:
    names = json.dumps({"models": [{"name": f"llama{n}\x1b[31m"} for n in range(7)]}).encode()
    routes = {
        "/": [b"HTTP/1.1 200 OK\r\n\r\nOllama is running", scripted.CLOSE],
        "/api/tags": [b"HTTP/1.1 200 OK\r\n\r\n" + names, scripted.CLOSE],
    }
    port = serve(routes=routes).port
    (tmp_path / "headrace.toml").write_text(only_at(port))
    with Terminal(tmp_path, "models", env={"HEADRACE_NO_LOCAL": ""}) as terminal:
        assert terminal.finish() == 0
    assert "Ollama runs" in terminal.shown
    assert "llama4␛[31m" in terminal.shown
    assert "llama5" not in terminal.shown
    assert "… and 2 more" in terminal.shown
    assert f"Ollama answers at 127.0.0.1:{port}" in " ".join(terminal.shown.split())
