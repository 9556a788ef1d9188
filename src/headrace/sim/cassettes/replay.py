"""Cassettes as a source: what was recorded is played again, at the times at which it came.

Laws kept here: a chunk comes as it was recorded, in a write of its own, and the answer ends as it did; what several
recordings fit gets them in the order in which they were made, each once, and then the last of them again and again;
what none fits is refused as its wire says no, and told which recordings there are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from headrace.errors import ErrorInfo, UsageError
from headrace.sim.cassettes.likeness import EXACT, differences, facts_of, facts_of_call, points
from headrace.sim.cassettes.reading import read_cassettes
from headrace.sim.play import Act, Head, Piece, Play
from headrace.sim.secrets import SCRUBBED
from headrace.wire.providers import PROVIDERS
from headrace.wire.registry import encode_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from headrace.sim.cassettes.cassette import Cassette
    from headrace.sim.cassettes.likeness import Facts
    from headrace.sim.play import ActKind, Call, Step

Matching = Literal["strict", "best"]

MATCHINGS: tuple[Matching, ...] = ("strict", "best")

_NAMED = 10  # cassettes that an error names


class CassetteSource:
    """Cassettes that answer calls.

    Args:
        source: a folder of cassettes, or files.
        pace: ``original``: in the time that it took; a number: so many times as fast; ``max``: at once.
        match: ``strict``: what was asked must be what was recorded, but for the order of keys and what was scrubbed;
            ``best``: what is nearest answers, as `headrace.sim.cassettes.likeness` counts.

    Attributes:
        cassettes: in the order in which they were recorded.

    Raises:
        CassetteError: if a file is no cassette, or there are none.
        UsageError: for a pace or a matching that there is not.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path],
        *,
        pace: Literal["original", "max"] | float = "max",
        match: Matching = "best",
    ) -> None:
        if match not in MATCHINGS:
            raise UsageError(f"match is {' or '.join(MATCHINGS)}, not {match!r}")
        self.cassettes = read_cassettes(source)
        self._speed = speed_of(pace)
        self._strict = match == "strict"
        self._providers = frozenset(PROVIDERS) | {c.provider for c in self.cassettes if c.provider}
        self._facts = [facts_of(cassette.request, providers=self._providers) for cassette in self.cassettes]
        self._played: set[int] = set()

    def play(self, call: Call) -> Play:
        """Answer a call with the cassette that fits it."""
        asked = facts_of_call(call, providers=self._providers)
        counted = [points(facts, asked) for facts in self._facts]
        most = max((each for each in counted if each is not None), default=None)
        if most is None or (self._strict and most < EXACT):
            return self._refusal(asked, counted)
        fitting = [at for at, each in enumerate(counted) if each == most]
        chosen = next((at for at in fitting if at not in self._played), fitting[-1])
        self._played.add(chosen)
        return self._play(self.cassettes[chosen], asked, most)

    def _play(self, cassette: Cassette, asked: Facts, reached: float) -> Play:
        recorded, head = cassette.head, None
        if recorded is not None:
            head = Head(
                status=recorded.status,
                headers=tuple(pair for pair in recorded.headers if pair[1] != SCRUBBED),
                at_s=self._at(recorded.at_s),
                framing=recorded.framing,
            )
        details: dict[str, Any] = {"cassette": cassette.name}
        if reached != EXACT:
            details["points"] = round(reached, 3)
        return Play(
            head=head,
            steps=self._steps(cassette),
            wire=asked.wire,
            model=asked.model,
            label=cassette.name,
            details=details,
        )

    def _steps(self, cassette: Cassette) -> Iterator[Step]:
        for at_s, data in cassette.chunks:
            if data:  # a scrubbed value may have been all of it
                yield Piece(self._at(at_s), data, alone=True)
        yield Act(self._at(cassette.ended_s), _ACTS.get(cassette.ending or "", "close"))

    def _at(self, at_s: float) -> float:
        return at_s / self._speed

    def _refusal(self, asked: Facts, counted: list[float | None]) -> Play:
        # the nearest of all, so that its differences say most
        order = sorted(range(len(counted)), key=lambda at: -(-1.0 if (each := counted[at]) is None else each))
        nearest = order[0]
        names = [cassette.name for cassette in self.cassettes]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        message = (
            f"no cassette answers {asked.method} {asked.path[:100]}. The nearest is {names[nearest]}: "
            f"{differences(self._facts[nearest], asked)}. There are: {', '.join(names[:_NAMED])}{more}"
        )
        info = ErrorInfo(type="not_found", message=message, status=404, code="no_cassette")
        status, body = encode_failure(asked.wire or "openai-chat", info)
        return Play(
            head=Head(status=status, headers=(("content-type", "application/json"),), framing="length"),
            steps=iter([Piece(0.0, body)]),
            wire=asked.wire,
            model=asked.model,
            label="no cassette",
        )


_ACTS: dict[str, ActKind] = {"end": "eof", "close": "close", "reset": "reset", "client_left": "close"}


def speed_of(pace: str | float) -> float:
    """Tell how many times as fast as it was recorded a pace is.

    Raises:
        UsageError: if it is none.
    """
    if pace == "original":
        return 1.0
    if pace == "max":
        return math.inf
    try:
        speed = float(pace)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise UsageError(f"the pace is original, max, or a number over 0 (2: twice as fast), not {pace!r}")
    return speed
