"""The examples ask a simulated provider over sockets."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.sim import Scenario, Simulator
from tests.examples.running import MODEL, SKY, Running, Start, started


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(Scenario(answer=SKY)) as simulator:
        yield simulator
        simulator.journal.wait_closed()  # no example leaves a connection behind


@pytest.fixture
def start(sim: Simulator, tmp_path: Path) -> Iterator[Start]:
    """Start an example that asks the simulator."""
    with ExitStack() as stack:

        def run(name: str, *args: str) -> Running:
            return stack.enter_context(started(name, *(args or (MODEL,)), home=tmp_path, env=sim.env()))

        yield run
