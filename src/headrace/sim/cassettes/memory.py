"""The secrets that exchanges have shown, for the exchanges after them.

Laws kept here: a key is never given up, nor is what was known beforehand; what comes anew with each exchange (cookies,
signatures) is given up in the order in which it was met last, and pushes out nothing but its own kind. Any thread may
ask.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["key", "field", "cookie", "signature"]
"""What holds a secret: a header that says who asks, a field of a body, a cookie, a URL or a signed request."""

_MOST: dict[Kind, int] = {"field": 256, "cookie": 64, "signature": 64}


class Memory:
    """What all exchanges have shown.

    Args:
        known: values that are known beforehand.

    Attributes:
        changes: how often it has become another.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.changes = 0
        self._lock = threading.Lock()
        self._met: dict[Kind, OrderedDict[str, None]] = {kind: OrderedDict() for kind in ("key", *_MOST)}
        for value in known:
            self.note(value.strip(), "key")

    def note(self, value: str, kind: Kind) -> None:
        """Keep a value."""
        with self._lock:
            met = self._met[kind]
            self.changes += value not in met
            met[value] = None
            met.move_to_end(value)
            if len(met) > _MOST.get(kind, len(met)):
                met.popitem(last=False)

    def values(self) -> list[tuple[str, Kind]]:
        """Give all there are."""
        with self._lock:
            return [(value, kind) for kind, met in self._met.items() for value in met]
