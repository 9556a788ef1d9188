"""What the providers' decoders share: open parts and their ids, and text that is safe.

Laws kept here: part ids are unique within the run and never depend on the provider's; a surrogate pair that was cut
into two deltas is joined, and half a pair that stays alone becomes U+FFFD; what a part carries beside its text is
repaired too.  So every event of a part can be written as JSON and be read back as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.events import PartDelta, PartEnd, PartReplace, PartStart, PartUpdate, PartWhole
from headrace.wire.lenient_json import has_surrogates, repaired, repaired_deep

if TYPE_CHECKING:
    from collections.abc import Hashable

    from headrace.events import Event, PartKind


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

    def _new_id(self) -> str:
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
        part = self._open[key] = OpenPart(self._new_id(), kind, choice)
        name, call_id, data = _attributes(name, call_id, data)
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
        part = self._new_id()
        name, call_id, data = _attributes(name, call_id, data)
        out.append(PartWhole(part, kind, choice, repaired(text), name, call_id, native_index, data, parent))
        return part

    def update(
        self,
        out: list[Event],
        part: str,
        *,
        name: str | None = None,
        call_id: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Set attributes of a part, open or ended."""
        out.append(PartUpdate(part, *_attributes(name, call_id, data)))

    def delta(self, out: list[Event], part: OpenPart, text: str, logprobs: list[Any] | None = None) -> None:
        """Add text to an open part; an empty text adds nothing."""
        if text.isascii() and text and not logprobs and not part.half:
            out.append(PartDelta(part.id, text, part.kind, part.choice))
            return
        if part.half or has_surrogates(text):
            text = part.half + text
            part.half = ""
            if "\ud800" <= text[-1] <= "\udbff":
                part.half = text[-1]
                text = text[:-1]
            text = repaired(text)
        if logprobs:
            out.append(PartDelta(part.id, text, part.kind, part.choice, repaired_deep(logprobs)))
        elif text:
            out.append(PartDelta(part.id, text, part.kind, part.choice))

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


def _attributes(
    name: str | None, call_id: str | None, data: dict[str, Any] | None
) -> tuple[str | None, str | None, dict[str, Any] | None]:
    return name and repaired(name), call_id and repaired(call_id), data and repaired_deep(data)
