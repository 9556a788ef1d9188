"""JSON as it is really sent, decoded without a fuss: texts that are safe, values of the wrong type.

Laws kept here: bad UTF-8, halves of surrogate pairs, NaN, control characters and odd types never raise; only what is no
JSON at all, or is nested past all reason, does.  What was repaired can be written as JSON and reads back as it was.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, cast

from headrace.errors import WireError, redact

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_DEPTH = 200


def has_surrogates(text: str) -> bool:
    """Tell whether a text holds half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def repaired(text: str) -> str:
    """Join surrogate pairs that were escaped in halves; a half that stays alone becomes U+FFFD."""
    if text.isascii() or not has_surrogates(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def repaired_deep(value: Any, depth: int = 0) -> Any:
    """Repair every text of a decoded JSON value; NaN and the infinities, which JSON has not, become None.

    Raises:
        WireError: if it is nested deeper than any provider's frame has reason to be.
    """
    if depth > _MAX_DEPTH:
        raise WireError(f"a frame of the stream is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, str):
        return repaired(value)
    if (items := as_list(value)) is not None:
        return [repaired_deep(v, depth + 1) for v in items]
    if (fields := as_dict(value)) is not None:
        return {repaired(k): repaired_deep(v, depth + 1) for k, v in fields.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def loads_leniently(data: bytes) -> Any:
    """Decode JSON as leniently as it can be done: bad UTF-8, lone surrogates, NaN, control characters.

    Raises:
        ValueError: if it is no JSON all the same.
    """
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def loads_frame(data: bytes, secrets: Iterable[str] = ()) -> Any:
    """Decode a frame's JSON as `loads_leniently` does.

    Raises:
        WireError: if it is no JSON all the same; its message quotes the beginning, without the secrets.
    """
    try:
        return loads_leniently(data)
    except ValueError as error:
        start = redact(data.decode("utf-8", "replace"), secrets)[:80]
        raise WireError(f"a frame of the stream is not JSON ({error}); it begins {start!r}") from None


def as_dict(value: Any) -> dict[str, Any] | None:
    """Give a value if it is a JSON object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """Give a value if it is a JSON array, else None."""
    return value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]


def as_text(value: Any) -> str:
    """Give a value if it is a text, else ""."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int | None:
    """Give a value if it is a whole number, else None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def compact(value: Any) -> str:
    """Write a decoded JSON value as text again (arguments that a server sent already parsed).

    Raises:
        WireError: if it is nested too deeply.
    """
    return json.dumps(repaired_deep(value), ensure_ascii=False, separators=(",", ":"))
