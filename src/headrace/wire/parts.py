"""What the providers' decoders share: open parts and their ids, text that is safe, JSON that is odd.

Laws kept here: part ids are unique within the run and never depend on the provider's; a surrogate pair that was cut into
two deltas is joined, and half a pair that stays alone becomes U+FFFD, so no text that leaves a decoder is unfit for
UTF-8.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from headrace.errors import WireError
from headrace.events import PartDelta, PartEnd, PartReplace, PartStart, PartWhole

if TYPE_CHECKING:
    from collections.abc import Hashable

    from headrace.events import Event, PartKind
    from headrace.wire.framing import Frame

_MAX_DEPTH = 200


class OpenPart:
    """A part of an attempt that has started and not ended."""

    __slots__ = ("choice", "half", "id", "kind")

    def __init__(self, part: str, kind: PartKind, choice: int) -> None:
        self.id = part
        self.kind: PartKind = kind
        self.choice = choice
        self.half = ""  # the first half of a surrogate pair


class Parts:
    """The parts of one attempt: opened, grown and closed under keys of the decoder's choosing."""

    def __init__(self, step: int, attempt: int) -> None:
        self._prefix = f"{step}.{attempt}."
        self._count = 0
        self._open: dict[Hashable, OpenPart] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._open

    def get(self, key: Hashable) -> OpenPart | None:
        """Give the part that is open under this key."""
        return self._open.get(key)

    def new_id(self) -> str:
        """Make the next part's id."""
        self._count += 1
        return f"{self._prefix}{self._count - 1}"

    def start(
        self,
        out: list[Event],
        key: Hashable,
        kind: PartKind,
        choice: int = 0,
        *,
        name: str | None = None,
        call_id: str | None = None,
        native_index: int | None = None,
        data: dict[str, Any] | None = None,
        implicit: bool = False,
    ) -> OpenPart:
        """Open a part."""
        part = self._open[key] = OpenPart(self.new_id(), kind, choice)
        name, call_id = name and repaired(name), call_id and repaired(call_id)
        out.append(PartStart(part.id, kind, choice, name, call_id, native_index, data, implicit))
        return part

    def whole(
        self,
        out: list[Event],
        kind: PartKind,
        choice: int = 0,
        text: str = "",
        *,
        name: str | None = None,
        call_id: str | None = None,
        native_index: int | None = None,
        data: dict[str, Any] | None = None,
        parent: str | None = None,
    ) -> str:
        """Give a part that comes whole; its id."""
        part = self.new_id()
        name, call_id = name and repaired(name), call_id and repaired(call_id)
        out.append(PartWhole(part, kind, choice, repaired(text), name, call_id, native_index, data, parent))
        return part

    def delta(self, out: list[Event], part: OpenPart, text: str, logprobs: list[Any] | None = None) -> None:
        """Add text to an open part; an empty text adds nothing."""
        if part.half or (not text.isascii() and has_surrogates(text)):
            text = part.half + text
            part.half = ""
            if text and "\ud800" <= text[-1] <= "\udbff":
                part.half = text[-1]
                text = text[:-1]
            text = repaired(text)
        if text or logprobs:
            out.append(PartDelta(part.id, text, part.kind, part.choice, logprobs))

    def replace(self, out: list[Event], part: OpenPart, text: str) -> None:
        """Put a text in place of all that an open part had."""
        part.half = ""
        out.append(PartReplace(part.id, repaired(text), part.kind, part.choice))

    def end(self, out: list[Event], key: Hashable, *, implicit: bool = False) -> None:
        """Close the part that is open under this key, if one is."""
        part = self._open.pop(key, None)
        if part is not None:
            if part.half:
                out.append(PartDelta(part.id, "\ufffd", part.kind, part.choice))
            out.append(PartEnd(part.id, implicit))

    def end_all(self, out: list[Event], choice: int | None = None) -> None:
        """Close all that is open, or all of one choice, since the wire closes it without a word."""
        for key in [k for k, p in self._open.items() if choice is None or p.choice == choice]:
            self.end(out, key, implicit=True)


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
    """Repair every text of a decoded JSON value.

    Raises:
        WireError: if it is nested deeper than any provider's frame has reason to be.
    """
    if depth > _MAX_DEPTH:
        raise WireError(f"a frame of the stream is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, str):
        return repaired(value)
    if isinstance(value, list):
        return [repaired_deep(v, depth + 1) for v in value]
    if isinstance(value, dict):
        return {repaired(k): repaired_deep(v, depth + 1) for k, v in value.items()}
    return value


def loads_leniently(frame: Frame) -> Any:
    """Decode a frame's JSON as leniently as it can be done: bad UTF-8, lone surrogates, NaN, control characters.

    Raises:
        WireError: if it is no JSON all the same.
    """
    try:
        return json.loads(frame.data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        start = frame.data[:80].decode("utf-8", "replace")
        raise WireError(f"a frame of the stream is not JSON ({error}); it begins {start!r}") from None


def as_dict(value: Any) -> dict[str, Any] | None:
    """Give a value if it is a JSON object, else None."""
    return value if isinstance(value, dict) else None


def as_text(value: Any) -> str:
    """Give a value if it is a text, else ""."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int | None:
    """Give a value if it is a whole number, else None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def compact(value: Any) -> str:
    """Write a decoded JSON value as text again (arguments that a server sent already parsed)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
