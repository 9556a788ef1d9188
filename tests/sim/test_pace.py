"""When tokens come: the mean that was promised, whatever else is asked for."""

from typing import Any

import pytest

from headrace.sim.dice import Dice
from headrace.sim.pace import Pace, Tempo, tempo_of
from headrace.sim.scenarios.scenario import PaceOptions


def gaps(tempo: Tempo, number: int = 40_000) -> list[float]:
    pace = Pace(tempo, Dice(7, "pace"))
    return [pace.gap_s() for _ in range(number)]


@pytest.mark.parametrize("rate", [36.0, 5.0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gap_sigma": 0.0},
        {"gap_sigma": 1.0},
        {"gap_sigma": 0.0, "burst_share": 0.2, "burst": (3, 9)},
        {"gap_sigma": 0.0, "pause_share": 0.1, "pause": (20, 30)},
        {"burst_share": 0.5, "burst": (10, 40), "pause_share": 0.3, "pause": (5, 15)},
        {"burst_share": 1.0, "burst": (2, 2)},
        {"pause_share": 1.0},
        {"burst_share": 0.0, "pause_share": 0.0},
    ],
)
def test_the_mean_rate_is_as_promised(options: dict[str, Any], rate: float) -> None:
    found = gaps(tempo_of(PaceOptions(rate=rate, **options), Tempo()))
    assert sum(found) / len(found) == pytest.approx(1 / rate, rel=0.05)


def test_without_a_spread_it_is_exactly_regular() -> None:
    tempo = tempo_of(PaceOptions(rate=8, first_s=0.5, first_sigma=0, gap_sigma=0), Tempo())
    assert set(gaps(tempo, 500)) == {0.125}
    assert Pace(tempo, Dice(7, "pace")).first_s == 0.5
    twice = tempo_of(PaceOptions(speed=2), tempo)
    assert set(gaps(twice, 500)) == {0.0625}
    assert Pace(twice, Dice(7, "pace")).first_s == 0.25


def test_bursts_and_pauses_are_as_long_as_they_may_be() -> None:
    options = PaceOptions(rate=10, gap_sigma=0, burst_share=0.1, burst=(3, 3), pause_share=0.1, pause=(7, 7))
    found = gaps(tempo_of(options, Tempo()), 5000)
    usual = min(gap for gap in found if gap)
    assert {round(gap / usual, 6) for gap in found} == {0.0, 1.0, 7.0}
    runs = "".join("0" if gap == 0 else "1" for gap in found).strip("0").split("1")
    assert {len(run) for run in runs} == {0, 3}


def test_no_wait_at_all() -> None:
    tempo = tempo_of(PaceOptions(speed="max", first_s=9), Tempo())
    assert tempo.speed is None
    assert (Pace(tempo, Dice(7, "pace")).first_s, set(gaps(tempo, 9))) == (0.0, {0.0})
    assert tempo_of(PaceOptions(speed=3), tempo).speed == 3


def test_what_is_left_out_is_as_it_was() -> None:
    base = Tempo(first_s=1, rate=2, speed=3, first_sigma=0.1, gap_sigma=0.2, burst_share=0.3, burst=(4, 5),
                 pause_share=0.6, pause=(7, 8))  # fmt: skip
    assert tempo_of(PaceOptions(), base) == base
    whole = {"first_s": 9.0, "rate": 8.0, "speed": 7.0, "first_sigma": 0.9, "gap_sigma": 0.8, "burst_share": 0.7,
             "burst": (1, 2), "pause_share": 0.5, "pause": (1.0, 2.0)}  # fmt: skip
    assert tempo_of(PaceOptions(**whole), base) == Tempo(**whole)  # type: ignore[arg-type]
    assert tempo_of(PaceOptions(first_s=0), base).first_s == 0


def test_the_usual_pace() -> None:
    for rate in (36.0, 5.0):
        pace = Pace(Tempo(rate=rate), Dice(7, "pace"))
        gaps = sorted(pace.gap_s() for _ in range(20_000))
        assert sum(gaps) / len(gaps) == pytest.approx(1 / rate, rel=0.03)
        assert gaps[len(gaps) // 2] == pytest.approx(0.9 / rate, rel=0.1)
        assert gaps[0] == 0.0  # a burst
        assert gaps[-1] > 6 / rate  # a pause
    firsts = sorted(Pace(Tempo(), Dice(seed, "pace")).first_s for seed in range(2000))
    assert firsts[1000] == pytest.approx(0.4, rel=0.05)
    assert Pace(Tempo(speed=4), Dice(7, "pace")).first_s == pytest.approx(Pace(Tempo(), Dice(7, "pace")).first_s / 4)
    fast = Pace(Tempo(speed=None), Dice(7, "pace"))
    assert (fast.first_s, fast.gap_s()) == (0.0, 0.0)
