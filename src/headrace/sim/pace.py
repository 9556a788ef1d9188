"""When which token comes: a first wait and gaps, drawn from distributions as real servers show them.

The gaps are lognormal, now and then a pause of many gaps, now and then a burst of tokens with none between them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from headrace.sim.dice import Dice

_GAP_SIGMA = 0.45
_FIRST_SIGMA = 0.3
_PAUSE_SHARE = 0.012
_PAUSE = (6.0, 16.0)  # in gaps
_BURST_SHARE = 0.03
_BURST = (2, 6)  # in tokens

# Of all tokens, the share that comes within bursts; then the mean gap, where the median of a usual one is 1.
_IN_BURST = (_BURST_SHARE * sum(_BURST) / 2) / (1 + _BURST_SHARE * sum(_BURST) / 2)
_MEAN_GAP = (1 - _IN_BURST) * (
    (1 - _PAUSE_SHARE) * math.exp(_GAP_SIGMA**2 / 2) + _PAUSE_SHARE * sum(_PAUSE) / 2
)  # fmt: skip


class Tempo(Struct, frozen=True):
    """What the pace is drawn around.

    Attributes:
        first_s: median of the wait for the first token, in seconds.
        rate: tokens a second, in the mean.
        speed: a factor on all of it; None: no wait at all.
    """

    first_s: float = 0.4
    rate: float = 36.0
    speed: float | None = 1.0


class Pace:
    """The times of one answer's tokens."""

    def __init__(self, tempo: Tempo, dice: Dice) -> None:
        self._dice = dice
        self._burst = 0
        speed = tempo.speed
        self._median_s = 0.0 if speed is None else 1 / (tempo.rate * _MEAN_GAP * speed)
        self.first_s = 0.0 if speed is None else dice.lognormal(tempo.first_s, _FIRST_SIGMA) / speed

    def gap_s(self) -> float:
        """Give the time from one token to the next, in seconds."""
        dice = self._dice
        if not self._median_s:
            return 0.0
        if self._burst:
            self._burst -= 1
            return 0.0
        if dice.chance(_BURST_SHARE):
            self._burst = dice.between(*_BURST)
        if dice.chance(_PAUSE_SHARE):
            return self._median_s * dice.uniform(*_PAUSE)
        return self._median_s * dice.lognormal(1.0, _GAP_SIGMA)
