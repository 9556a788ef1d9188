"""The simulated provider: a model's server without a model, for rehearsals; offline, by seed, byte for byte.

    with Simulator(Scenario(answer="Hello", faults=("reset@token:1",))) as sim:
        client = openai.OpenAI(base_url=sim.openai_url, api_key="none")

A *call* is answered with a *play* (`headrace.sim.play`): by the simulated provider, or from cassettes.  A play is
carried out on sockets (`Simulator`, ``headrace sim``) or within the process (models named ``sim/…``), and the bytes are
a real wire's, so that framing, decoder and fold are the real ones.  The names here are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.sim.cassettes.cassette import CassetteError
    from headrace.sim.cassettes.record import Recorder
    from headrace.sim.cassettes.replay import CassetteSource
    from headrace.sim.fault_proxy import FaultProxy, Toxics
    from headrace.sim.faults.fault import Fault
    from headrace.sim.faults.parse import parse_fault
    from headrace.sim.provider import SimulatedProvider
    from headrace.sim.scenarios.failing import ScriptError
    from headrace.sim.scenarios.load import load_script
    from headrace.sim.scenarios.scenario import Answer, Match, PaceOptions, Scenario, ToolUse
    from headrace.sim.serving.clock import VirtualClock
    from headrace.sim.serving.journal import Exchange, Journal
    from headrace.sim.serving.server import CannotListen
    from headrace.sim.serving.simulator import Simulator

_PLACES = {
    "Answer": "scenarios.scenario",
    "CannotListen": "serving.server",
    "CassetteError": "cassettes.cassette",
    "CassetteSource": "cassettes.replay",
    "Exchange": "serving.journal",
    "Fault": "faults.fault",
    "FaultProxy": "fault_proxy",
    "Journal": "serving.journal",
    "Match": "scenarios.scenario",
    "PaceOptions": "scenarios.scenario",
    "Recorder": "cassettes.record",
    "Scenario": "scenarios.scenario",
    "ScriptError": "scenarios.failing",
    "SimulatedProvider": "provider",
    "Simulator": "serving.simulator",
    "ToolUse": "scenarios.scenario",
    "Toxics": "fault_proxy",
    "VirtualClock": "serving.clock",
    "load_script": "scenarios.load",
    "parse_fault": "faults.parse",
}

__all__ = [
    "Answer",
    "CannotListen",
    "CassetteError",
    "CassetteSource",
    "Exchange",
    "Fault",
    "FaultProxy",
    "Journal",
    "Match",
    "PaceOptions",
    "Recorder",
    "Scenario",
    "ScriptError",
    "SimulatedProvider",
    "Simulator",
    "ToolUse",
    "Toxics",
    "VirtualClock",
    "load_script",
    "parse_fault",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{place}"), name)
