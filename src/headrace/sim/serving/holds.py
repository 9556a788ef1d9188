"""Holds: exchanges that go on when somebody says so, whether he says it before or after they come to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple


class _Held(NamedTuple):
    name: str
    future: asyncio.Future[None]


class Holds:
    """Who is held, and which releases nobody has used yet. For one loop."""

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self._permits: Counter[str] = Counter()  # "": for any hold

    def take(self, name: str) -> bool:
        """Use a release that came before, if there is one."""
        for permit in (name, ""):
            if self._permits[permit]:
                self._permits[permit] -= 1
                return True
        return False

    async def wait(self, name: str) -> None:
        """Wait for a release."""
        held = _Held(name, asyncio.get_running_loop().create_future())
        self._held.append(held)
        try:
            await held.future
        finally:
            self._held.remove(held)

    def release(self, name: str) -> int:
        """Let go on, and tell how many do so now.

        With a name, it is the one that is held longest at it, else the next that comes to it.  Without, it is all that
        are held, else the next that comes to any hold.
        """
        held = [one for one in self._held if (not name or one.name == name) and not one.future.done()]
        if name:
            del held[1:]
        for one in held:
            one.future.set_result(None)
        if not held:
            self._permits[name] += 1
        return len(held)
