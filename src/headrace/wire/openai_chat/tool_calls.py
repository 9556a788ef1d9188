"""Which call a fragment of a tool call belongs to, when neither its id nor its index can be trusted.

Seen: no index (Mistral, Gemini's shim); every call at index 0 (Ollama's shim); the id repeated on every fragment, or
empty on continuations (Alibaba); the name repeated; no id at all; ids that are not unique (``"0"``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.wire.parts import OpenPart


class Call:
    """A call that has begun."""

    __slots__ = ("id", "key", "name", "part")

    def __init__(self, key: tuple[str, int, int], part: OpenPart, call_id: str, name: str) -> None:
        self.key = key
        self.part = part
        self.id = call_id
        self.name = name

    def may_be(self, call_id: str, name: str) -> bool:
        """Whether a fragment with this id and name, where it has them, may belong to this call."""
        if call_id and self.id:
            return call_id == self.id
        return not name or not self.name or name == self.name


class Calls:
    """The calls of one choice."""

    def __init__(self) -> None:
        self.all: list[Call] = []
        self._at: dict[int, Call] = {}
        self._last: Call | None = None

    def find(self, index: int | None, call_id: str, name: str) -> Call | None:
        """Find the call that a fragment goes on with; None: it begins a new one.

        An index that is known decides, unless another id or name stands beside it; an index that is new begins a call
        if it brings a name.  Without an index the id decides; without either, a name begins a call and the last one
        goes on.
        """
        if index is not None:
            call = self._at.get(index)
            if call is not None and call.may_be(call_id, name):
                return call
            if call is None and name:
                return None
        if call_id:
            return next((c for c in reversed(self.all) if c.id == call_id), None)
        return None if name else self._last

    def went_on(self, index: int | None, call: Call) -> None:
        """Note that a fragment with this index was this call's."""
        if index is not None:
            self._at[index] = call
        self._last = call
