"""The kinds of faults, as a table: what each does, what value it takes, where it happens if nobody says so.

Law kept here: the order of the table is the order in which faults that are asked for together are applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from headrace.sim.faults.fault import PlaceKind

Usual = Literal["before the head", "in the head", "half-way", "throughout"]

ANYWHERE: tuple[PlaceKind, ...] = ("token", "event", "byte", "time")


class Kind(Struct, frozen=True, kw_only=True):
    """What can go wrong.

    Attributes:
        help: what it does, in one line.
        value: what it takes, as is said to users; "": nothing.
        needed: whether it cannot do without the value.
        accepts: whether a value is one.
        usual: where it happens if no place is given: half-way is drawn by seed.
        places: which places may be given.
        excludes: of the kinds that share one of these words, only one can be asked for.
        repeats: whether it may be asked for more than once.
    """

    help: str
    value: str = ""
    needed: bool = False
    accepts: Callable[[str], bool] = str.isascii
    usual: Usual = "throughout"
    places: tuple[PlaceKind, ...] = ()
    excludes: tuple[str, ...] = ()
    repeats: bool = False


def number(text: str) -> float | None:
    """Read a plain number that is not negative; None: it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 and text[:1].isdigit() and "_" not in text else None


def plain(value: float) -> str:
    """Write a number as `number` reads it, without a point where it needs none."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _is_seconds(text: str) -> bool:
    return number(text) is not None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_BYTES


def _is_code(text: str, low: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) == 3 and low <= int(text) <= 599


def _is_refusal(text: str) -> bool:
    code, _, form = text.partition(":")
    return _is_code(code, 400) and form in ("", "date") and not text.endswith(":")


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("_", "").replace("-", "").isalnum()


def _is_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip() and "@" not in text


def _among(*words: str) -> Callable[[str], bool]:
    return words.__contains__


def _is_cut(text: str) -> bool:
    return text in ("utf8", "crlf", "escape", "random") or _is_count(text)


MAX_BYTES = 64 * 1024 * 1024
"""The most bytes that a fault may ask for: four times what our own framer takes."""

OPENAI_ERRORS = ("overloaded", "rate_limit", "server", "invalid", "string", "openrouter", "groq", "vllm")
ANTHROPIC_ERRORS = ("overloaded", "rate_limit", "server", "invalid", "timeout", "string")
ERRORS = tuple(dict.fromkeys(OPENAI_ERRORS + ANTHROPIC_ERRORS))
OPENAI_USAGE = ("none", "separate", "finish", "after-finish", "both", "every", "first", "null-after", "x_groq")
ANTHROPIC_USAGE = ("none", "start", "delta", "both")
USAGES = tuple(dict.fromkeys(OPENAI_USAGE + ANTHROPIC_USAGE))
BREAKS = ("cut", "garbage", "nan", "unquoted")

KINDS: dict[str, Kind] = {
    # -- before the head
    "refuse": Kind(
        help="the connection is reset, and further ones are refused for a while",
        value="seconds (1)",
        accepts=_is_seconds,
        usual="before the head",
        places=("time",),
        excludes=("answer",),
    ),
    "drop": Kind(
        help="the connection is reset (RST) without an answer",
        usual="before the head",
        places=("time",),
        excludes=("answer",),
    ),
    "hangup": Kind(
        help="the connection is closed (FIN) without an answer",
        usual="before the head",
        places=("time",),
        excludes=("answer",),
    ),
    "hang": Kind(
        help="no answer ever comes, the connection stays open",
        usual="before the head",
        places=("time",),
        excludes=("answer",),
    ),
    # -- in the head
    "status": Kind(
        help="the request is refused with an HTTP status, in the vendor's shape",
        value="a status from 400 to 599; :SECONDS or :date behind it gives a retry-after",
        needed=True,
        accepts=_is_refusal,
        usual="in the head",
        places=("time",),
        excludes=("answer",),
    ),
    "html": Kind(
        help="an HTML page, as of a gateway that failed, or of a captive portal (200)",
        value="a status from 200 to 599 (502)",
        accepts=lambda text: _is_code(text, 200),
        usual="in the head",
        places=("time",),
        excludes=("answer",),
    ),
    "empty": Kind(help="status 200 and an empty body", usual="in the head", places=("time",), excludes=("answer",)),
    "prompt-too-long": Kind(
        help="the vendor's 400 for a prompt that is too long (or its dialect's empty 200)",
        usual="in the head",
        places=("time",),
        excludes=("answer",),
    ),
    "content-type": Kind(
        help="another content-type, the body as it should be",
        value="the header's value",
        needed=True,
        accepts=_is_header,
        usual="in the head",
    ),
    "slow-headers": Kind(
        help="the head comes byte by byte, and takes so long",
        value="seconds",
        needed=True,
        accepts=_is_seconds,
        usual="in the head",
    ),
    # -- frames
    "usage": Kind(
        help="the usage stands elsewhere, as with the servers seen",
        value="one of " + ", ".join(USAGES),
        needed=True,
        accepts=_among(*USAGES),
    ),
    "finish": Kind(
        help="another finish reason than the wire knows",
        value="the word",
        needed=True,
        accepts=_is_word,
        excludes=("finish",),
    ),
    "no-finish": Kind(help="neither a finish reason nor the end's marker", excludes=("finish",)),
    "done-only": Kind(help="the end's marker without a finish reason", excludes=("finish", "marker")),
    "double-finish": Kind(help="the finish comes twice", excludes=("finish",)),
    "no-done": Kind(help="the end's marker ([DONE], message_stop) is missing", excludes=("marker",)),
    "unknown": Kind(
        help="an event of an unknown type, and unknown fields",
        usual="half-way",
        places=ANYWHERE,
        repeats=True,
    ),
    "huge": Kind(
        help="one huge line, padded within a field that nobody knows",
        value="bytes (2097152)",
        accepts=_is_count,
        usual="half-way",
        places=ANYWHERE,
        repeats=True,
    ),
    "splice": Kind(
        help="another message begins in the middle, as when a router asks its upstream again",
        usual="half-way",
        places=ANYWHERE,
    ),
    "duplicate": Kind(
        help="a frame comes twice; with :start the first one",
        value="start",
        accepts=_among("start"),
        usual="half-way",
        places=ANYWHERE,
        repeats=True,
    ),
    "surrogates": Kind(help="emoji as halves of surrogate pairs, escaped, in two deltas"),
    "error": Kind(
        help="an error inside the stream, in the vendor's shape, which ends it",
        value="one of " + ", ".join(ERRORS),
        accepts=_among(*ERRORS),
        usual="half-way",
        places=ANYWHERE,
        excludes=("end",),
    ),
    "malformed": Kind(
        help="a frame is no proper JSON",
        value="one of " + ", ".join(BREAKS) + " (cut)",
        accepts=_among(*BREAKS),
        usual="half-way",
        places=ANYWHERE,
        repeats=True,
    ),
    # -- bytes
    "bad-utf8": Kind(help="a byte that is no UTF-8, within a text", usual="half-way", places=ANYWHERE, repeats=True),
    "escapes": Kind(help="all that is not ASCII as \\u escapes"),
    "multiline": Kind(help="an event's data over several data: lines"),
    "no-space": Kind(help="no space behind data:"),
    "comments": Kind(help="comments between the frames"),
    "crlf": Kind(help="lines end with CR LF", excludes=("newline",)),
    "cr": Kind(help="lines end with CR", excludes=("newline",)),
    "bom": Kind(help="a byte order mark before all"),
    # -- endings
    "hold": Kind(
        help="stop until the hold of that name is released",
        value="a name",
        accepts=_is_word,
        usual="half-way",
        places=ANYWHERE,
        repeats=True,
    ),
    "eof": Kind(
        help="the body ends early, properly as HTTP sees it", usual="half-way", places=ANYWHERE, excludes=("end",)
    ),
    "truncate-frame": Kind(
        help="the body ends early, in the middle of a frame", usual="half-way", places=ANYWHERE, excludes=("end",)
    ),
    "close": Kind(
        help="the connection is closed (FIN) in the middle of the body",
        usual="half-way",
        places=ANYWHERE,
        excludes=("end",),
    ),
    "reset": Kind(
        help="the connection is reset (RST) in the middle of the body",
        usual="half-way",
        places=ANYWHERE,
        excludes=("end",),
    ),
    "stall": Kind(
        help="nothing more comes, the connection stays open", usual="half-way", places=ANYWHERE, excludes=("end",)
    ),
    "keepalives": Kind(
        help="only comments or pings from then on, for ever",
        value="seconds between them (1)",
        accepts=lambda text: bool(number(text)),
        usual="half-way",
        places=ANYWHERE,
        excludes=("end",),
    ),
    # -- cutting
    "cut": Kind(
        help="the bytes are cut elsewhere, each piece a write of its own",
        value="utf8, crlf or escape (inside such a one), random, or a number of bytes",
        needed=True,
        accepts=_is_cut,
        excludes=("cutting",),
    ),
    "drip": Kind(help="one byte a write", value="seconds between them (0)", accepts=_is_seconds, excludes=("cutting",)),
}
"""All kinds, by name, in the order in which they are applied."""
