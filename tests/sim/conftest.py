"""No test of the simulation waits because of a setting of the machine's."""

import pytest

from headrace.sim.provider import SPEED_VARIABLE


@pytest.fixture(autouse=True)
def no_default_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SPEED_VARIABLE, raising=False)
