"""Texts of JSON schema's formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.sim.dice import Dice


def formatted(name: str, dice: Dice) -> str | None:
    """Write a text of a format; None: it is not known."""
    write = _FORMATS.get(name)
    return None if write is None else write(dice)


def _date(dice: Dice) -> str:
    return f"20{dice.between(20, 29)}-{dice.between(1, 12):02}-{dice.between(1, 28):02}"


def _time(dice: Dice) -> str:
    return f"{dice.between(0, 23):02}:{dice.between(0, 59):02}:{dice.between(0, 59):02}Z"


def _uuid(dice: Dice) -> str:
    digits = "".join([f"{dice.between(0, 0xFFFF):04x}" for _ in range(8)])
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


_NAMES = ("ada", "grace", "alan", "edsger", "barbara", "ken")

_FORMATS: dict[str, Callable[[Dice], str]] = {
    "date": _date,
    "date-time": lambda dice: f"{_date(dice)}T{_time(dice)}",
    "time": _time,
    "duration": lambda dice: f"PT{dice.between(1, 90)}M",
    "email": lambda dice: f"{dice.pick(_NAMES)}{dice.between(1, 99)}@example.com",
    "hostname": lambda dice: f"{dice.pick(_NAMES)}{dice.between(1, 99)}.example.com",
    "ipv4": lambda dice: f"192.0.2.{dice.between(1, 254)}",
    "ipv6": lambda dice: f"2001:db8::{dice.between(1, 0xFFFF):x}",
    "uri": lambda dice: f"https://example.com/{dice.pick(_NAMES)}/{dice.between(1, 99)}",
    "url": lambda dice: f"https://example.com/{dice.pick(_NAMES)}/{dice.between(1, 99)}",
    "uri-reference": lambda dice: f"/{dice.pick(_NAMES)}/{dice.between(1, 99)}",
    "uuid": _uuid,
    "json-pointer": lambda dice: f"/{dice.pick(_NAMES)}/{dice.between(0, 9)}",
    "regex": lambda dice: f"^[a-z]{{{dice.between(1, 9)}}}$",
}
