"""A fault, as it is asked for: in a script, in a header, or in a model's name.

Written in one line: ``KIND``, ``KIND:VALUE``, ``KIND@PLACE:N``, ``KIND:VALUE@PLACE:N``, where the place is ``token``,
``event`` (a frame of the wire), ``byte`` (of the body) or ``time`` (seconds from the request).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

PlaceKind = Literal["token", "event", "byte", "time"]


class Fault(Struct, frozen=True):
    """Something that goes wrong.

    Attributes:
        kind: what; one of `KINDS`.
        value: what the kind takes, as text: a status, seconds, a shape.
        place: what `at` counts; None: at the kind's usual place.
        at: how many tokens, events, bytes or seconds come unharmed before it.
        retry_after_s: for refusals by status: what the client is told to wait, in seconds.
    """

    kind: str
    value: str | None = None
    place: PlaceKind | None = None
    at: float | None = None
    retry_after_s: float | None = None
