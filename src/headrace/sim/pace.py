"""When which token comes: a first wait and gaps, drawn from distributions as real servers show them.

The gaps are lognormal, now and then a pause of many gaps, now and then a burst of tokens with none between them.

Law kept here: whatever the spreads, bursts and pauses, the mean rate is the one that was promised.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from headrace.sim.dice import Dice
    from headrace.sim.scenarios.scenario import PaceOptions


class Tempo(Struct, frozen=True):
    """What the pace is drawn around.

    Attributes:
        first_s: median of the wait for the first token, in seconds.
        rate: tokens a second, in the mean.
        speed: a factor on all of it; None: no wait at all.
        first_sigma: how far the first wait spreads; 0: not at all.
        gap_sigma: how far the gaps spread; 0: not at all.
        burst_share: in which share of the gaps a burst begins.
        burst: the least and the most further tokens of a burst, which come with the first of them.
        pause_share: which share of the gaps are pauses.
        pause: the least and the most of a pause, in usual gaps.
    """

    first_s: float = 0.4
    rate: float = 36.0
    speed: float | None = 1.0
    first_sigma: float = 0.3
    gap_sigma: float = 0.45
    burst_share: float = 0.03
    burst: tuple[int, int] = (2, 6)
    pause_share: float = 0.012
    pause: tuple[float, float] = (6.0, 16.0)

    def median_gap_s(self) -> float:
        """Give the usual gap that makes the mean rate right, in seconds, at speed 1."""
        tokens = self.burst_share * sum(self.burst) / 2  # that come in bursts, for one that does not
        usual = (1 - self.pause_share) * math.exp(self.gap_sigma**2 / 2)
        return (1 + tokens) / (self.rate * (usual + self.pause_share * sum(self.pause) / 2))


def tempo_of(options: PaceOptions, base: Tempo) -> Tempo:
    """Give a tempo with what the options say.

    Gaps that do not spread are exactly regular: bursts and pauses are then only had by asking for them.
    """
    regular = options.gap_sigma == 0
    speed = base.speed
    if options.speed is not None:
        speed = None if isinstance(options.speed, str) else options.speed
    return Tempo(
        first_s=_or(options.first_s, base.first_s),
        rate=_or(options.rate, base.rate),
        speed=speed,
        first_sigma=_or(options.first_sigma, base.first_sigma),
        gap_sigma=_or(options.gap_sigma, base.gap_sigma),
        burst_share=_or(options.burst_share, 0.0 if regular else base.burst_share),
        burst=base.burst if options.burst is None else options.burst,
        pause_share=_or(options.pause_share, 0.0 if regular else base.pause_share),
        pause=base.pause if options.pause is None else options.pause,
    )


def _or(given: float | None, else_: float) -> float:
    return else_ if given is None else given


class Pace:
    """The times of one answer's tokens."""

    def __init__(self, tempo: Tempo, dice: Dice) -> None:
        self._tempo = tempo
        self._dice = dice
        self._burst = 0
        speed = tempo.speed
        self._median_s = 0.0 if speed is None else tempo.median_gap_s() / speed
        self.first_s = 0.0 if speed is None else dice.lognormal(tempo.first_s, tempo.first_sigma) / speed

    def gap_s(self) -> float:
        """Give the time from one token to the next, in seconds."""
        dice, tempo = self._dice, self._tempo
        if not self._median_s:
            return 0.0
        if self._burst:
            self._burst -= 1
            return 0.0
        if dice.chance(tempo.burst_share):
            self._burst = dice.between(*tempo.burst)
        if dice.chance(tempo.pause_share):
            return self._median_s * dice.uniform(*tempo.pause)
        return self._median_s * dice.lognormal(1.0, tempo.gap_sigma)
