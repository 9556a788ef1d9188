"""A fault, as it is asked for: in a script, in a header, or in a model's name.

Written in one line: ``KIND``, ``KIND:VALUE``, ``KIND@PLACE:N``, ``KIND:VALUE@PLACE:N``, where the place is ``token``,
``event`` (a frame of the wire), ``byte`` (of the body) or ``time`` (seconds from the request): so much comes unharmed,
and then it happens.  `headrace.sim.faults.parse` reads and writes the line.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

PlaceKind = Literal["token", "event", "byte", "time"]


class Fault(Struct, frozen=True):
    """Something that goes wrong.

    Attributes:
        kind: what; one of `KINDS`.
        value: what the kind takes, as text: a status (``429``, or ``429:date`` for a time to wait that is given as a
            date), seconds, a shape.
        place: what `at` counts; None: at the kind's usual place.
        at: how many tokens, events, bytes or seconds come unharmed before it.
        retry_after_s: for refusals by status: what the client is told to wait, in seconds.
    """

    kind: str
    value: str | None = None
    place: PlaceKind | None = None
    at: float | None = None
    retry_after_s: float | None = None
