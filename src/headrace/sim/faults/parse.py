"""Faults in one line: ``KIND``, ``KIND:VALUE``, ``KIND@PLACE:N``, ``KIND:VALUE@PLACE:N``.

    reset@token:5        status:429:2        cut:utf8        error:overloaded@event:3        hold:gate@time:0.5

Law kept here: what is written is read back as it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from headrace.errors import UsageError
from headrace.sim.faults.fault import Fault
from headrace.sim.faults.kinds import KINDS, Kind, number, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.sim.faults.fault import PlaceKind

__all__ = ["KINDS", "Kind", "check_faults", "format_fault", "parse_fault"]

_PLACES: dict[str, PlaceKind] = {"token": "token", "event": "event", "byte": "byte", "time": "time"}
_AT = re.compile(r"@([a-z]*):?([^@:]*)\Z")


def parse_fault(text: str) -> Fault:
    """Read a fault that is written in one line.

    Raises:
        UsageError: if there is no such kind, its value is none, or it cannot happen at that place.
    """
    rest = text.strip()
    place, at = None, None
    if (where := _AT.search(rest)) is not None:
        rest = rest[: where.start()]
        place, at = _PLACES.get(where[1]), number(where[2])
        if place is None or at is None:
            raise UsageError(
                f"the fault {text!r} has no place that is known behind its @: "
                "write @token:N, @event:N, @byte:N or @time:SECONDS"
            )
    kind, colon, value = rest.partition(":")
    fault = Fault(kind=kind, value=value if colon else None, place=place, at=at)
    if kind == "status":
        fault = _with_retry(fault)
    _check(fault, text)
    return fault


def format_fault(fault: Fault) -> str:
    """Write a fault in one line."""
    value = "" if fault.value is None else f":{fault.value}"
    retry = "" if fault.retry_after_s is None else f":{plain(fault.retry_after_s)}"
    place = "" if fault.place is None else f"@{fault.place}:{plain(fault.at or 0)}"
    return f"{fault.kind}{value}{retry}{place}"


def check_faults(faults: Iterable[Fault]) -> None:
    """See that these faults can be had together.

    Raises:
        UsageError: if one is none, or two contradict each other.
    """
    seen: dict[str, Fault] = {}
    for fault in faults:
        kind = _check(fault, format_fault(fault))
        for word in () if kind.repeats else kind.excludes or (fault.kind,):
            if word in seen:
                both = f"{format_fault(seen[word])!r} and {format_fault(fault)!r}"
                raise UsageError(f"the faults {both} contradict each other: ask for one of them")
            seen[word] = fault


def _check(fault: Fault, text: str) -> Kind:
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise UsageError(f"there is no fault {fault.kind!r}; there are: {', '.join(KINDS)}")
    if fault.value is None and kind.needed:
        raise UsageError(f"the fault {text!r} needs a value: {fault.kind}:VALUE, with {kind.value}")
    if fault.value is not None and not (kind.value and kind.accepts(fault.value)):
        wanted = f"its value is {kind.value}" if kind.value else "it takes no value"
        raise UsageError(f"the fault {text!r} cannot be read: {wanted}")
    _check_place(fault, kind, text)
    wait = fault.retry_after_s
    if wait is not None and (fault.kind != "status" or number(plain(wait)) is None):
        raise UsageError(f"the fault {text!r} cannot be read: only a status has a time to wait, in seconds")
    return kind


def _check_place(fault: Fault, kind: Kind, text: str) -> None:
    if (fault.place is None) is not (fault.at is None):
        raise UsageError(f"the fault {text!r} needs both a place and how far it is, or neither")
    if fault.place is None or fault.at is None:
        return
    if fault.place not in kind.places:
        wanted = ", ".join(f"@{place}:N" for place in kind.places)
        raise UsageError(f"the fault {text!r} {f'can only be at {wanted}' if wanted else 'takes no place'}")
    if number(plain(fault.at)) is None or (fault.place != "time" and not float(fault.at).is_integer()):
        raise UsageError(f"the fault {text!r} cannot be read: a {fault.place}'s number is whole, and not negative")


def _with_retry(fault: Fault) -> Fault:
    code, colon, wait = (fault.value or "").rpartition(":")
    seconds = number(wait) if colon else None
    return fault if seconds is None else msgspec.structs.replace(fault, value=code, retry_after_s=seconds)
