"""Which scenario answers: the first that matches, the nth call, a mix by seed, the request's own wish."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.sim.faults.parse import parse_fault
from headrace.sim.scenarios.builtin import BUILTINS
from headrace.sim.scenarios.choose import Chooser, Rule
from headrace.sim.scenarios.failing import ScriptError
from headrace.sim.scenarios.scenario import Answer, Match, PaceOptions, Scenario
from tests.sim.scenarios.asking import asking


def say(text: str, /, **match: Any) -> Scenario:
    return Scenario(name=text, match=Match(**match), answer=text)


def names(chooser: Chooser, *texts: str, **fields: Any) -> list[str]:
    return [chooser.choose(asking(text, **fields)).name for text in texts]


# -- which


def test_the_first_that_matches_answers() -> None:
    chooser = Chooser([say("a", text="rain"), say("b", text="rain|snow"), say("c")])
    assert names(chooser, "rain", "snow", "sun", "rain") == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("model", "name"),
    [("prose", "prose"), ("sim/prose", "prose"), ("gpt-5", "demo"), ("sim/gpt-5", "demo"), ("", "demo")],
)
def test_what_nobody_matches_gets_what_the_models_name_implies(model: str, name: str) -> None:
    chosen = Chooser([say("a", text="snow")]).choose(asking(model=model))
    assert (chosen.name, chosen.answer) == (name, Answer(builtin=name))
    assert Chooser().choose(asking(model=model)) == chosen


def test_a_scenario_without_an_answer_gets_what_the_models_name_implies() -> None:
    chooser = Chooser([Scenario(name="mine", faults=("reset",), pace=PaceOptions(rate=7))])
    chosen = chooser.choose(asking(model="slow"))
    assert (chosen.name, chosen.answer, chosen.faults) == ("mine", Answer(builtin="prose"), ("reset",))
    assert chosen.pace == PaceOptions(first_s=4, rate=7)
    assert chooser.choose(asking(model="error")).faults == ("reset",)
    assert Chooser([Scenario()]).choose(asking(model="error")) == BUILTINS["error"].scenario
    flaky = [Chooser([Scenario(name="mine")]).choose(asking(model="flaky", seed=seed)).faults for seed in range(30)]
    assert len(set(flaky)) > 3


# -- the nth call


def test_calls_are_counted_by_what_the_rest_matches() -> None:
    chooser = Chooser([say("first", text="rain", call=1), say("third", text="rain", call=3), say("else", text="rain")])
    asked = ("rain", "snow", "rain", "snow", "rain", "rain")
    assert names(chooser, *asked) == ["first", "demo", "else", "demo", "third", "else"]
    chooser.reset()
    assert names(chooser, "rain") == ["first"]


def test_calls_are_counted_also_if_another_answers() -> None:
    chooser = Chooser([say("a", text="rain"), say("second", call=2), say("c")])
    assert names(chooser, "rain", "snow", "snow") == ["a", "second", "c"]


def test_calls_are_counted_once_each_from_many_threads() -> None:
    chooser = Chooser([say(str(n), call=n) for n in range(1, 101)])
    found: list[str] = []

    def ask() -> None:
        found.extend(names(chooser, *["hi"] * 25))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found, key=int) == [str(n) for n in range(1, 101)]


class Changing:
    def __init__(self, *rules: Rule) -> None:
        self.rules: Sequence[Rule] = rules

    def scenarios(self) -> Sequence[Rule]:
        return self.rules


def test_scenarios_may_change_and_then_counting_begins_anew() -> None:
    script = Changing(say("first", call=1), say("else"))
    chooser = Chooser(script)
    assert names(chooser, "a", "b") == ["first", "else"]
    script.rules = (say("new", call=1), say("other"))
    assert names(chooser, "a", "b") == ["new", "other"]


# -- mixes

MIX = Scenario(
    name="mixed",
    answer="fine",
    pace=PaceOptions(rate=50, first_s=1),
    seed=3,
    mix=(
        Scenario(name="good", weight=6),
        Scenario(name="slow", weight=3, pace=PaceOptions(rate=1)),
        Scenario(name="bad", weight=1, answer="bad", faults=("reset",), dialect="ollama", seed=4),
    ),
)


def test_members_of_a_mix_inherit_what_they_leave_out() -> None:
    chooser = Chooser([MIX])
    found = {scenario.name: scenario for scenario in (chooser.choose(asking()) for _ in range(50))}
    assert found.keys() == {"mixed/good", "mixed/slow", "mixed/bad"}
    assert not any(scenario.mix for scenario in found.values())
    good, slow, bad = (found[f"mixed/{name}"] for name in ("good", "slow", "bad"))
    assert (good.answer, good.pace, good.faults, good.dialect, good.seed) == ("fine", MIX.pace, (), None, 3)
    assert (slow.answer, slow.pace) == ("fine", PaceOptions(rate=1, first_s=1))
    assert (bad.answer, bad.pace, bad.faults, bad.dialect, bad.seed) == ("bad", MIX.pace, ("reset",), "ollama", 4)


def test_the_nth_call_with_a_seed_gives_the_same_choice() -> None:
    def chosen(mix: Scenario, **more: Any) -> list[str]:
        chooser = Chooser([mix], **more)
        return [chooser.choose(asking(f"call {n}", seed=n)).name for n in range(40)]

    assert chosen(MIX) == chosen(MIX) == chosen(MIX, seed=9)
    unseeded = Scenario(name="mixed", answer="fine", mix=MIX.mix)
    assert chosen(unseeded, seed=9) == chosen(unseeded, seed=9) != chosen(unseeded, seed=10)
    wanted = [Chooser([MIX]) for _ in range(2)]
    assert names(wanted[0], *"abcdefgh", wanted_seed=8) == names(wanted[1], *"ijklmnop", wanted_seed=8)
    again = Chooser([MIX])
    before = names(again, *"abcdefgh")
    again.reset()
    assert names(again, *"abcdefgh") == before


def test_without_a_seed_each_conversation_has_its_own_turns() -> None:
    mix = Scenario(mix=MIX.mix, answer="fine")
    alone = [scenario.name for chooser in [Chooser([mix])] for scenario in [chooser.choose(asking(seed=1))] * 1]
    chooser = Chooser([mix])
    for seed in range(2, 9):
        chooser.choose(asking(seed=seed))
    assert [chooser.choose(asking(seed=1)).name] == alone
    # one that tries again gets another throw
    assert len({chooser.choose(asking(seed=1)).name for _ in range(30)}) == 3


def test_members_come_by_their_weights() -> None:
    chooser = Chooser([MIX])
    shares = Counter(chooser.choose(asking()).name for _ in range(4000))
    assert shares["mixed/good"] == pytest.approx(2400, abs=120)
    assert shares["mixed/slow"] == pytest.approx(1200, abs=120)
    assert shares["mixed/bad"] == pytest.approx(400, abs=80)


def test_turns_are_forgotten_when_there_are_too_many_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.sim.scenarios.choose._MOST_SEEDS", 5)
    chooser = Chooser([Scenario(mix=MIX.mix)])
    for seed in range(50):
        chooser.choose(asking(seed=seed))
    assert len(chooser._turns) == 5


def test_a_mix_within_a_mix_and_one_without_answers() -> None:
    inner = Scenario(name="inner", mix=(Scenario(name="a"), Scenario(name="b", answer="b")))
    chooser = Chooser([Scenario(name="outer", seed=1, mix=(inner, Scenario(name="c", answer="c")))])
    chosen = [chooser.choose(asking(model="list")) for _ in range(60)]
    found = {scenario.name: scenario.answer for scenario in chosen}
    assert found == {"outer/inner/a": Answer(builtin="list"), "outer/inner/b": "b", "outer/c": "c"}


# -- functions


def test_a_function_answers_or_leaves_it_to_the_next() -> None:
    def rain(asked: Any) -> str | None:
        return f"It rains, {asked.model}." if "rain" in asked.text else None

    def snow(asked: Any) -> Any:
        return {"snow": Answer(refusal="no"), "sun": Scenario(name="sunny", answer="hot")}.get(asked.text)

    chooser = Chooser([rain, snow, say("last", text="wind")])
    assert chooser.choose(asking("rain")) == Scenario(name="rain", answer="It rains, test.")
    assert chooser.choose(asking("snow")) == Scenario(name="snow", answer=Answer(refusal="no"))
    assert chooser.choose(asking("sun")) == Scenario(name="sunny", answer="hot")
    assert names(chooser, "wind", "fog") == ["last", "demo"]


def test_a_function_may_give_a_mix_or_leave_the_answer_out() -> None:
    chooser = Chooser([lambda asked: MIX if asked.text == "mix" else Scenario(faults=("eof",))])
    assert chooser.choose(asking("mix")).name.startswith("mixed/")
    assert chooser.choose(asking(model="prose")) == Scenario(
        name="prose", answer=Answer(builtin="prose"), faults=("eof",)
    )


class Callable:
    def __call__(self, asked: Any) -> str:
        return "called"


def test_anything_that_can_be_called_is_a_function() -> None:
    assert Chooser([Callable()]).choose(asking()) == Scenario(name="Callable", answer="called")


def test_a_function_that_fails_is_said_with_its_place() -> None:
    def find(key: str) -> str:
        return {}[key]  # type: ignore[no-any-return]

    def answer(asked: Any) -> str:
        return find(asked.text)

    with pytest.raises(ScriptError) as caught:
        Chooser([answer]).choose(asking("rain"))
    assert str(caught.value).startswith(
        "the script's function 'answer' failed: KeyError: 'rain' (test_choose.py: line "
    )
    assert "in answer, line " in str(caught.value)
    assert str(caught.value).endswith(" in find)")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ScriptError, match=r"function 'int' failed: TypeError: int\(\) argument must be.*'Asked'"):
        Chooser([int]).choose(asking())  # type: ignore[list-item]


@pytest.mark.parametrize("answer", [5, {"text": "x"}, ["x"], b"x", True])
def test_a_function_that_gives_what_is_no_answer(answer: Any) -> None:
    with pytest.raises(
        ScriptError, match=f"must give a Scenario, an Answer, a text or None.*a {type(answer).__name__}"
    ):
        Chooser([lambda asked: answer]).choose(asking())


def test_a_function_cannot_be_asynchronous() -> None:
    async def answer(asked: Any) -> str:
        await asyncio.sleep(0)
        return "x"

    with pytest.raises(ScriptError, match="not be asynchronous; it gave a coroutine"):
        Chooser([answer]).choose(asking())  # type: ignore[list-item]


# -- what the request itself asks for


def test_a_request_may_name_its_scenario() -> None:
    chooser = Chooser([say("a"), say("prose", text="never"), lambda asked: "x"])
    assert names(chooser, "hi", scenario="prose") == ["prose"]
    assert chooser.choose(asking(scenario="prose")).answer == "prose"  # the script's own goes before the built-in
    assert chooser.choose(asking(scenario="list")).answer == Answer(builtin="list")
    assert chooser.choose(asking(scenario="flaky", seed=1)).name.startswith("flaky/")
    with pytest.raises(UsageError, match="there is no scenario 'poem'; there are: a, prose, demo, prose, markdown"):
        chooser.choose(asking(scenario="poem"))


def test_the_requests_options_go_before_all() -> None:
    chooser = Chooser(
        [Scenario(answer="x", faults=("eof",), dialect="vllm", seed=1, pace=PaceOptions(rate=5, speed=2))]
    )
    plain = chooser.choose(asking())
    assert (plain.faults, plain.dialect, plain.seed, plain.pace) == (("eof",), "vllm", 1, PaceOptions(rate=5, speed=2))
    options = {
        "faults": (parse_fault("reset"),),
        "dialect": "ollama",
        "wanted_seed": 2,
        "pace": PaceOptions(speed="max"),
    }
    wanted = chooser.choose(asking(**options))
    assert (wanted.faults, wanted.dialect, wanted.seed) == ((parse_fault("reset"),), "ollama", 2)
    assert wanted.pace == PaceOptions(rate=5, speed="max")
