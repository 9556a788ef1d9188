"""What a scenario leaves out is taken from another: a mix, a script's defaults, a built-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

if TYPE_CHECKING:
    from headrace.sim.scenarios.scenario import PaceOptions, Scenario


def inheriting(scenario: Scenario, base: Scenario, *, name: str) -> Scenario:
    """Fill in what a scenario leaves out."""
    return replace(
        scenario,
        name=name,
        answer=base.answer if scenario.answer is None else scenario.answer,
        pace=paced(scenario.pace, base.pace),
        faults=scenario.faults or base.faults,
        dialect=base.dialect if scenario.dialect is None else scenario.dialect,
        seed=base.seed if scenario.seed is None else scenario.seed,
    )


def paced(options: PaceOptions, base: PaceOptions) -> PaceOptions:
    """Fill in what the options of a pace leave out."""
    given = {name: value for name, value in asdict(options).items() if value is not None}
    return replace(base, **given) if given else base
