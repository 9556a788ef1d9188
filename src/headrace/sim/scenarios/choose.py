"""Which scenario answers a request.

Laws kept here: the first that matches answers, and what nobody matches gets the built-in that the model's name implies;
the nth request with one seed gets the same of a mix each time; what the request itself asks for goes before all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from msgspec.structs import replace

from headrace.errors import UsageError
from headrace.sim.dice import Dice
from headrace.sim.failures import tell_failure
from headrace.sim.scenarios.builtin import BUILTINS, implied
from headrace.sim.scenarios.failing import ScriptError, shortened
from headrace.sim.scenarios.inherit import inheriting, paced
from headrace.sim.scenarios.match import matches
from headrace.sim.scenarios.scenario import Answer, Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from headrace.sim.asked.base import Asked

Answering: TypeAlias = "Callable[[Asked], Scenario | Answer | str | None]"
Rule: TypeAlias = "Scenario | Answering"

_MOST_SEEDS = 10_000  # that are remembered for mixes: a server runs long, and each prompt may have a seed of its own


@runtime_checkable
class HasScenarios(Protocol):
    """Something whose scenarios may change, as a file's do."""

    def scenarios(self) -> Sequence[Rule]:
        """Give the present ones: the same object as long as they are the same."""
        ...


class Chooser:
    """Choose, and count what was chosen.

    Args:
        scenarios: rules in their order, or what has them.
        seed: what mixes are drawn by where neither the request nor the scenario says; None: by the conversation.
    """

    def __init__(self, scenarios: Sequence[Rule] | HasScenarios = (), *, seed: int | None = None) -> None:
        self._given = scenarios
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: Sequence[Rule] = ()
        self._calls: dict[int, int] = {}
        self._turns: OrderedDict[tuple[str, int], int] = OrderedDict()

    def reset(self) -> None:
        """Forget which requests there were."""
        with self._lock:
            self._calls.clear()
            self._turns.clear()

    def choose(self, asked: Asked) -> Scenario:
        """Choose a scenario, and fill in what it leaves out: the one given has an answer, and no mix.

        Raises:
            ScriptError: if a function of the script fails, or gives what is no answer.
            UsageError: if the request asks for a scenario that there is not.
        """
        rules, numbers = self._count(asked)
        place, chosen = self._pick(asked, rules, numbers)
        chosen = self._mixed(asked, chosen, place)
        if chosen.answer is None:
            base = self._mixed(asked, implied(asked.model), "implied")
            chosen = inheriting(chosen, base, name=chosen.name or base.name)
        return _obeying(chosen, asked)

    # -- rules

    def _count(self, asked: Asked) -> tuple[Sequence[Rule], dict[int, int]]:
        """Count the request for each rule that counts, whoever answers it; give the rules and its numbers."""
        given = self._given
        rules = given.scenarios() if isinstance(given, HasScenarios) else given
        with self._lock:
            if rules is not self._rules:  # another script begins
                self._rules = rules
                self._calls.clear()
                self._turns.clear()
            numbers: dict[int, int] = {}
            for place, rule in enumerate(rules):
                if isinstance(rule, Scenario) and rule.match.call is not None and matches(rule.match, asked):
                    numbers[place] = self._calls[place] = self._calls.get(place, 0) + 1
            return rules, numbers

    def _pick(self, asked: Asked, rules: Sequence[Rule], numbers: dict[int, int]) -> tuple[str, Scenario]:
        wanted = asked.options.scenario
        if wanted is not None:
            return wanted, _by_name(wanted, rules)
        for place, rule in enumerate(rules):
            if not isinstance(rule, Scenario):
                if (answer := _called(rule, asked)) is not None:
                    return str(place), answer
            elif rule.match.call is None:
                if matches(rule.match, asked):
                    return str(place), rule
            elif numbers.get(place) == rule.match.call:
                return str(place), rule
        return "implied", implied(asked.model)

    # -- mixes

    def _mixed(self, asked: Asked, scenario: Scenario, place: str) -> Scenario:
        while scenario.mix:
            seeds = (asked.options.seed, scenario.seed, self._seed, asked.seed)
            seed = next(seed for seed in seeds if seed is not None)
            turn = self._turn(place, seed)
            edges = list(accumulate(member.weight for member in scenario.mix))
            share = Dice(seed, f"mix {place} {turn}").uniform(0, edges[-1])
            number = sum(edge <= share for edge in edges[:-1])
            chosen, place = scenario.mix[number], f"{place}.{number}"
            name = "/".join([name for name in (scenario.name, chosen.name) if name])
            scenario = inheriting(chosen, scenario, name=name)
        return scenario

    def _turn(self, place: str, seed: int) -> int:
        with self._lock:
            turn = self._turns.pop((place, seed), 0) + 1
            self._turns[place, seed] = turn
            if len(self._turns) > _MOST_SEEDS:
                self._turns.popitem(last=False)
            return turn


def _by_name(name: str, rules: Iterable[Rule]) -> Scenario:
    for rule in rules:
        if isinstance(rule, Scenario) and rule.name == name:
            return rule
    builtin = BUILTINS.get(name)
    if builtin is None:
        own = [rule.name for rule in rules if isinstance(rule, Scenario) and rule.name]
        raise UsageError(f"there is no scenario {name!r}; there are: {', '.join([*own, *BUILTINS])}")
    return builtin.scenario


def _called(function: Answering, asked: Asked) -> Scenario | None:
    """Ask a function of the script."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        answer: object = function(asked)
    except BaseException as error:  # whatever it raises would end the server
        tell_failure(error)
        raise ScriptError(f"the script's function {name!r} failed: {shortened(error)}") from error
    match answer:
        case None | Scenario():
            return answer
        case str() | Answer():
            return Scenario(name=name, answer=answer)
        case _:
            close = getattr(answer, "close", None)
            if close is not None:  # a coroutine that nobody awaits complains
                close()
            wrong = ScriptError(
                f"the script's function {name!r} must give a Scenario, an Answer, a text or None, and not be "
                f"asynchronous; it gave a {type(answer).__name__}"
            )
            tell_failure(wrong)
            raise wrong


def _obeying(scenario: Scenario, asked: Asked) -> Scenario:
    """Do as the request's own options say."""
    options = asked.options
    return replace(
        scenario,
        pace=paced(options.pace, scenario.pace),
        faults=options.faults or scenario.faults,
        dialect=options.dialect or scenario.dialect,
        seed=scenario.seed if options.seed is None else options.seed,
    )
