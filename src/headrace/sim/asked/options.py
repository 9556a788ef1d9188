"""What a request asks of the simulation itself, in the model's name or in a header.

The name is ``anything;key=value;…``, the header ``headrace-sim: key=value; key=value``; what the header says goes
before what the name says.

- ``seed=N``: another answer. By default the seed is made of the conversation, so that a prompt has its answer; a
  ``seed`` in the body is one too, the option goes before it.
- ``words=N``: about how long a built-in answer is.
- ``first=S``, ``rate=N``: seconds until the first token, tokens a second.
- ``speed=N``: a factor on the pace; ``speed=max``: no waiting.
- ``fault=F``: what goes wrong, as `headrace.sim.faults.parse` reads it; may be given again.
- ``dialect=D``: whose habits the stream has.
- ``scenario=NAME``: one of the script's, or a built-in one, whatever the script matches.
- ``context=N``: how many tokens the model's window has; a longer prompt is refused.

Law kept here: an option that is not known, or has no sense, is refused by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from headrace.errors import UsageError
from headrace.sim.asked.refused import Refused
from headrace.sim.faults.dialects import DIALECTS
from headrace.sim.faults.fault import Fault
from headrace.sim.faults.parse import check_faults, parse_fault
from headrace.sim.scenarios.scenario import PaceOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "headrace-sim"

_SHOWN = 80  # characters of a value, in an error


class Options(Struct, frozen=True, kw_only=True):
    """What a request asks of the simulation itself.

    Attributes:
        seed: what chance draws by.
        words: about how many are wanted.
        pace: how fast.
        faults: what goes wrong.
        dialect: whose habits the stream has.
        scenario: the name of the one that answers.
        context: how many tokens a prompt may have.
    """

    seed: int | None = None
    words: int | None = None
    pace: PaceOptions = PaceOptions()
    faults: tuple[Fault, ...] = ()
    dialect: str | None = None
    scenario: str | None = None
    context: int | None = None


def split_model(named: str, headers: Mapping[str, str]) -> tuple[str, Options]:
    """Take a model's name and its options apart, and add the header's.

    Raises:
        Refused: for an option that is none; the message says where it stands.
    """
    name, *options = named.split(";")
    given = _read_all(options, "the model's name", "model")
    header = headers.get(HEADER)
    if header is not None:
        given.update(_read_all(header.split(";"), f"the header {HEADER}", None))
    pace = {field: given.pop(field) for field in ("first_s", "rate", "speed") if field in given}
    return name, Options(**given, pace=PaceOptions(**pace))


def speed_of(text: str) -> float | str:
    """Read a speed: a factor, or ``max``.

    Raises:
        ValueError: if it is neither.
    """
    return text if text == "max" else _number(text, 0.001, 1e6)


SPEED_WANTED = "a factor from 0.001 to 1000000, or max"


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(text)
    return value


def _whole(text: str, low: int, high: int) -> int:
    value = int(text)
    if not low <= value <= high:
        raise ValueError(text)
    return value


def dialect_of(text: str) -> str:
    """Give a dialect's name.

    Raises:
        UsageError: if there is none of that name.
    """
    if text not in DIALECTS:
        raise UsageError(f"there is no dialect {text[:_SHOWN]!r}; there are: {', '.join(DIALECTS)}")
    return text


class _Option(Struct, frozen=True):
    """How an option is read.

    Attributes:
        field: where its value goes.
        read: makes the value of the text.
        wanted: what it must be, as is said to users.
    """

    field: str
    read: Callable[[str], Any]
    wanted: str = ""


_OPTIONS: dict[str, _Option] = {
    "context": _Option("context", lambda text: _whole(text, 1, 10**9), "a whole number of tokens from 1"),
    "dialect": _Option("dialect", dialect_of),
    "fault": _Option("faults", parse_fault),
    "first": _Option("first_s", lambda text: _number(text, 0, 3600), "seconds from 0 to 3600"),
    "rate": _Option("rate", lambda text: _number(text, 0.01, 1e6), "tokens a second, from 0.01 to 1000000"),
    "scenario": _Option("scenario", str),
    "seed": _Option("seed", int, "a whole number"),
    "speed": _Option("speed", speed_of, SPEED_WANTED),
    "words": _Option("words", lambda text: _whole(text, 1, 20_000), "a whole number from 1 to 20000"),
}


def _read_all(options: list[str], where: str, param: str | None) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = (piece.strip() for piece in option.partition("="))
        if key not in _OPTIONS or not equals:
            said = f"{option[:_SHOWN]!r}; options are written key=value, known are: {', '.join(_OPTIONS)}"
            raise Refused(f"{where} has {said}", param)
        known = _OPTIONS[key]
        try:
            read = known.read(value)
            given[known.field] = (*given.get(known.field, ()), read) if known.field == "faults" else read
            check_faults(given.get("faults", ()))
        except UsageError as error:
            raise Refused(f"the option {key!r} in {where}: {error}", param) from None
        except ValueError:
            said = f"must be {known.wanted}, not {value[:_SHOWN]!r}"
            raise Refused(f"the option {key!r} in {where} {said}", param) from None
    return given
