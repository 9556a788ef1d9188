"""What may be asked of the simulation, whatever the wire: options, speed, seeds."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

import headrace
from headrace.errors import UsageError
from headrace.sim.asked.options import Options, split_model
from headrace.sim.asked.refused import Refused
from headrace.sim.faults.parse import parse_fault
from headrace.sim.provider import SPEED_VARIABLE, SimulatedProvider, play
from headrace.sim.scenarios.scenario import PaceOptions
from tests.sim.asking import answer, ask, body, call, call_of, played


def options(name: str, header: str | None = None) -> Options:
    model, found = split_model(name, {} if header is None else {"headrace-sim": header})
    assert model == name.partition(";")[0]
    return found


def test_options_of_the_name() -> None:
    assert options("x") == Options()
    assert options("x;speed=2.5").pace == PaceOptions(speed=2.5)
    assert options("x;speed=max").pace == PaceOptions(speed="max")
    assert options("x;first=0;rate=0.5").pace == PaceOptions(first_s=0.0, rate=0.5)
    assert options("x;rate=5;rate=6").pace == PaceOptions(rate=6.0)
    assert options("x;seed=-7;words=9;context=10;scenario=a b;dialect=groq") == Options(
        seed=-7, words=9, context=10, scenario="a b", dialect="groq"
    )
    assert options("x;fault=reset@token:5;fault=drip").faults == (parse_fault("reset@token:5"), parse_fault("drip"))


def test_the_headers_options_go_before_the_names() -> None:
    both = options("x;seed=1;rate=2;fault=drip", " seed=3; first = 4 ;fault=reset")
    assert both == Options(seed=3, pace=PaceOptions(first_s=4.0, rate=2.0), faults=(parse_fault("reset"),))


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("sped=2", "has 'sped=2'.*known are: context, dialect, fault, first, rate, scenario, seed, speed, words"),
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
        ("context=0", "'context'.*a whole number of tokens"),
        ("first=-1", "'first'.*seconds from 0 to 3600"),
        ("rate=0", "'rate'.*tokens a second"),
        ("fault=rest", "'fault' in .*there is no fault 'rest'"),
        ("fault=status", "'fault' in .*needs a value"),
        ("fault=eof;fault=reset", "'fault' in .*contradict each other"),
        ("dialect=klingon", "'dialect' in .*there is no dialect 'klingon'; there are: groq"),
    ],
)
def test_a_bad_option_is_refused_by_its_name(option: str, wrong: str) -> None:
    with pytest.raises(headrace.InvalidRequestError, match=wrong) as caught:
        headrace.stream(f"sim/test;{option}", "hi").__enter__()
    assert caught.value.status == 400
    assert str(caught.value.request_id).startswith("req_sim_")
    assert caught.value.code == "invalid_request_error"
    with pytest.raises(Refused, match=wrong) as refused:
        options(f"x;{option}")
    assert refused.value.param == "model"
    with pytest.raises(Refused, match=f"the header headrace-sim.*{wrong}|{wrong}") as refused:
        options("x", option)
    assert refused.value.param is None


async def test_a_bad_option_is_refused_in_async_code_too() -> None:
    with pytest.raises(headrace.InvalidRequestError, match="'speed'"):
        await headrace.astream("sim/test;speed=warp", "hi").__aenter__()


KEYS = st.sampled_from(
    ["seed", "words", "fault", "speed", "context", "dialect", "scenario", " first", "rate ", "x", ""]
)
VALUES = st.one_of(st.text(max_size=9), st.floats().map(str), st.integers().map(str), st.sampled_from(["max", "reset"]))


@given(st.lists(st.one_of(st.builds("{}={}".format, KEYS, VALUES), st.text(max_size=9)), max_size=3).map(";".join))
@settings(max_examples=300, deadline=None)
def test_options_are_read_or_refused(text: str) -> None:
    try:
        found = [split_model(f"x;{text}", {}), split_model("x", {"headrace-sim": text})]
    except Refused:
        return
    assert found[0] == found[1]
    assert found[0][0] == "x"


def test_a_scenario_that_there_is_not() -> None:
    with pytest.raises(headrace.InvalidRequestError, match="there is no scenario 'x y'; there are: demo, prose"):
        ask("hi", ";scenario=x y")


def test_the_environment_gives_a_default_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = call(model="x;first=3600;seed=7")
    head = SimulatedProvider().play(slow).head
    assert head is not None
    assert head.at_s > 100
    monkeypatch.setenv(SPEED_VARIABLE, "10")
    faster = SimulatedProvider().play(slow).head
    assert faster is not None
    assert faster.at_s == pytest.approx(head.at_s / 10)
    for own in (SimulatedProvider(speed=1).play(slow), play(call(model="x;first=3600;seed=7;speed=1"))):
        assert own.head is not None
        assert own.head.at_s == head.at_s
    monkeypatch.setenv(SPEED_VARIABLE, "max")
    with headrace.stream("sim/slow;first=3600", "hi") as s:
        assert s.get_final_message().outcome == "complete"


def test_a_bad_default_speed_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "fast")
    with pytest.raises(headrace.InvalidRequestError, match=f"{SPEED_VARIABLE} must be a factor .* not 'fast'"):
        headrace.stream("sim/x", "hi").__enter__()
    assert ask("hi").outcome == "complete"  # the name's own speed goes before it
    assert SimulatedProvider(speed="max").play(call(model="x")).head is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"speed": 0}, "the speed must be a factor"),
        ({"speed": "fast"}, "not 'fast'"),
        ({"faults": ["rest"]}, "there is no fault 'rest'"),
        ({"faults": ["eof", "reset"]}, "contradict"),
        ({"dialect": "klingon"}, "there is no dialect"),
    ],
)
def test_a_provider_that_cannot_be(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SimulatedProvider(**wrong)  # type: ignore[arg-type]


# -- seeds


def test_the_same_request_gives_the_same_bytes() -> None:
    for data in (body("Tell me of rain"), body("Tell me of rain", seed=7, n=3), body("x", model="x;words=900")):
        assert played(play(call_of(data))) == played(play(call_of(data)))


def test_speed_changes_no_byte() -> None:
    slow, fast = (body("Tell me of rain", model=f"x;seed=7;{o}") for o in ("first=3000;rate=0.01", "speed=max"))
    assert played(play(call_of(slow))) == played(play(call_of(fast)))


def test_another_seed_gives_another_answer_and_another_prompt_another_id() -> None:
    seven, eight = (answer(body("Tell me of rain", seed=seed)).message for seed in (7, 8))
    assert seven.text != eight.text
    assert len({seven.id, eight.id, answer(body("Tell me of snow", seed=7)).message.id}) == 3


def test_the_providers_seed_changes_what_no_request_has_a_seed_for() -> None:
    free, own = call(prompt="Tell me of rain"), call(prompt="Tell me of rain", seed=7)
    none, one, other = (SimulatedProvider(seed=seed) for seed in (None, 1, 2))
    assert len({played(provider.play(free)) for provider in (none, one, other)}) == 3
    assert len({played(provider.play(own)) for provider in (none, one, other)}) == 1
    assert played(SimulatedProvider(seed=1).play(free)) == played(one.play(free))


def test_the_answer_is_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from tests.sim.asking import body, call_of, played; from headrace.sim.provider import play;"
        "print(hashlib.sha256(played(play(call_of(body('Tell me of rain', n=2))))).hexdigest())"
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
