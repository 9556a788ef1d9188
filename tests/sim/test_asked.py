"""What may be asked of the simulation, and how it refuses what may not."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

import headrace
from headrace.sim.asked import SPEED_VARIABLE, read
from headrace.sim.pace import Tempo
from headrace.sim.provider import play
from tests.sim.asking import answer, ask, body, played


def tempo(model: str) -> Tempo:
    return read(body(model=model)).tempo


def test_the_pace_is_a_matter_of_the_name() -> None:
    assert tempo("x") == Tempo(first_s=0.4, rate=36.0, speed=1.0)
    assert tempo("x;speed=2.5") == Tempo(speed=2.5)
    assert tempo("x;speed=max") == Tempo(speed=None)
    assert tempo("x;first=0;rate=0.5") == Tempo(first_s=0.0, rate=0.5)
    assert tempo("x;rate=5;rate=6") == Tempo(rate=6.0)


def test_the_environment_gives_a_default_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "3")
    assert tempo("x") == Tempo(speed=3.0)
    assert tempo("x;speed=1") == Tempo(speed=1.0)
    monkeypatch.setenv(SPEED_VARIABLE, "max")
    with headrace.stream("sim/slow;first=3600", "hi") as s:
        assert s.get_final_message().outcome == "complete"


def test_a_bad_default_speed_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "fast")
    with pytest.raises(headrace.InvalidRequestError, match=f"{SPEED_VARIABLE} must be a factor .* not 'fast'"):
        headrace.stream("sim/x", "hi").__enter__()
    assert ask("hi").outcome == "complete"  # the name's own speed goes before it


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("sped=2", "'sped=2'.*known are: first, rate, seed, speed, words"),
        ("speed", "'speed'; options are written key=value"),
        ("", "''; options are written key=value"),
        ("speed=0", "'speed'.*must be a factor.*not '0'"),
        ("speed=nan", "'speed'"),
        ("speed=inf", "'speed'"),
        ("speed=", "'speed'"),
        ("seed=1.5", "'seed'.*must be a whole number"),
        ("seed=" + "9" * 5000, "'seed'"),
        ("words=0", "'words'.*from 1 to 20000"),
        ("words=many", "'words'"),
        ("first=-1", "'first'.*seconds from 0 to 3600"),
        ("rate=0", "'rate'.*tokens a second"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(option: str, said: str) -> None:
    with pytest.raises(headrace.InvalidRequestError, match=said) as caught:
        headrace.stream(f"sim/test;{option}", "hi").__enter__()
    assert caught.value.status == 400
    assert str(caught.value.request_id).startswith("req_sim_")
    assert caught.value.code == "invalid_request_error"


async def test_a_bad_option_is_refused_in_async_code_too() -> None:
    with pytest.raises(headrace.InvalidRequestError, match="'speed'"):
        await headrace.astream("sim/test;speed=warp", "hi").__aenter__()


def refused(data: bytes) -> dict[str, Any]:
    refusal = play(data)
    assert (refusal.status, refusal.headers["content-type"]) == (400, "application/json")
    error: dict[str, Any] = json.loads(played(refusal))["error"]
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("messages", []),
        ("messages", "hi"),
        ("model", 5),
        ("stream", False),
        ("seed", "7"),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("n", 0),
        ("n", 129),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", ""),
        ("stop", ["a", ""]),
        ("tools", {}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "add"}}),
        ("response_format", "json"),
    ],
)
def test_a_bad_field_is_refused_by_its_name(field: str, value: Any) -> None:
    error = refused(body(**{field: value}))
    assert error["param"] == field
    assert field in error["message"]


@pytest.mark.parametrize("choice", ["any", {"function": {"name": "sub"}}, {"function": {}}, {}])
def test_a_function_that_is_none_of_the_tools(choice: Any) -> None:
    tools = [{"type": "function", "function": {"name": "add"}}, {"type": "custom", "custom": {"name": "sub"}}]
    assert refused(body(tools=tools, tool_choice=choice))["param"] == "tool_choice"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"model":"\xff"}', b"[" * 100_000, b'{"model":"x"}', b'{"model":"\\ud800"}']
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    assert "the request's body is not understood" in refused(data)["message"]


def test_the_seed_of_the_name_goes_before_the_bodys() -> None:
    assert [read(body(model=f"x{o}", seed=s)).seed for o, s in (("", 7), (";seed=8", 7), (";seed=-8", None))] == [
        7,
        8,
        -8,
    ]


def test_the_same_request_gives_the_same_bytes() -> None:
    for data in (body("Tell me of rain"), body("Tell me of rain", seed=7, n=3), body("x", model="x;words=900")):
        assert played(play(data)) == played(play(data))


def test_speed_changes_no_byte() -> None:
    slow, fast = (body("Tell me of rain", model=f"x;seed=7;{o}") for o in ("first=3000;rate=0.01", "speed=max"))
    assert played(play(slow)) == played(play(fast))


def test_another_seed_gives_another_answer_and_another_prompt_another_id() -> None:
    seven, eight = (answer(body("Tell me of rain", seed=seed)).message for seed in (7, 8))
    assert seven.text != eight.text
    assert len({seven.id, eight.id, answer(body("Tell me of snow", seed=7)).message.id}) == 3


def test_the_answer_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib, json, sys; from tests.sim.asking import body, played; from headrace.sim.provider import play;"
        "print(hashlib.sha256(played(play(body('Tell me of rain', n=2)))).hexdigest())"
    )
    prints = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert prints[0] == prints[1] != ""


def test_the_models_name_stands_without_its_options() -> None:
    assert ask("hi", ";seed=7").model == "test"


def test_the_conversation_is_read_to_its_last_question() -> None:
    asked = read(
        body(
            messages=[
                {"role": "system", "content": "Be kind."},
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": None, "tool_calls": []},
                {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url"}, "three"]},
            ]
        )
    )
    assert (asked.prompt, asked.before, asked.system) == ("two", "one", "Be kind.\nBe brief.")
    assert read(body(messages=[{"role": "system", "content": "alone"}])).prompt == "alone"
