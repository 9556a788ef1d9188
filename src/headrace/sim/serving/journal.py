"""The journal: what clients asked, and when each connection was opened, answered, closed, and by whom.

    exchange = sim.journal.wait(lambda e: e.ended_by == "client")
    assert exchange.left_at_token == 41
    assert exchange.tokens_after_leaving == 0

Laws kept here: what a client has read was noted before; what is given out is a snapshot that never changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from headrace.sim.serving.entries import Entry, Visit
from headrace.sim.serving.records import Connection, Exchange, row, scrub_headers, scrub_path, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.sim.serving.records import By

__all__ = ["Connection", "Exchange", "Journal"]

_MOST_IDS = 5  # that are told of one connection

_log = logging.getLogger("headrace.sim")


class Journal:
    """What clients asked and what became of it; to be read from any thread.

    Args:
        keep: how many exchanges, and connections, are kept: the newest.
        keep_bytes: how many bytes of requests' bodies are kept, as they came: of older exchanges the body goes, and the
            rest stays (`Exchange.body_kept`).
        on_end: called with each exchange when it has ended, in the server's thread, which it must not hold up.

    Attributes:
        failure: what `on_end` raised, the first time; None: nothing.
    """

    def __init__(
        self,
        *,
        keep: int = 10_000,
        keep_bytes: int = 64 * 1024 * 1024,
        on_end: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.changed = threading.Condition()
        """Held by whoever writes what is to be noted, until it is."""
        self.failure: BaseException | None = None
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._entries: deque[Entry] = deque()
        self._bodies: deque[Entry] = deque()  # whose body is kept, in the same order
        self._body_bytes = 0
        self._visits: deque[Visit] = deque(maxlen=keep)
        self._open: set[Visit] = set()
        self._on_end = on_end
        self._watchers: set[Callable[[], None]] = set()
        self._ids = 0
        self._visit_ids = 0

    # -- reading

    @property
    def exchanges(self) -> list[Exchange]:
        """All exchanges, the oldest first."""
        with self.changed:
            return [entry.snapshot() for entry in self._entries]

    @property
    def connections(self) -> list[Connection]:
        """All connections, the oldest first."""
        with self.changed:
            return [visit.facts for visit in self._visits if visit.shown]

    @property
    def last(self) -> Exchange:
        """The newest exchange.

        Raises:
            LookupError: if there is none.
        """
        with self.changed:
            if not self._entries:
                raise LookupError("nothing was asked yet")
            return self._entries[-1].snapshot()

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        with self.changed:
            return sum(visit.shown for visit in self._open)

    def as_json(self) -> bytes:
        """Write all of it as a JSON document."""
        with self.changed:
            exchanges, connections, still_open = self.exchanges, self.connections, self.open_connections
        rows = [b"    " + row(exchange) for exchange in exchanges]
        lines = [b"    " + msgspec.json.encode(connection) for connection in connections]
        return b'{\n  "open_connections": %d,\n  "connections": [\n%b\n  ],\n  "exchanges": [\n%b\n  ]\n}\n' % (
            still_open,
            b",\n".join(lines),
            b",\n".join(rows),
        )

    def clear(self) -> None:
        """Forget all exchanges, and all connections that are closed; ids go on."""
        with self.changed:
            while self._entries:
                self._forget_oldest()
            kept = [visit for visit in self._visits if visit in self._open]
            self._visits.clear()
            self._visits.extend(kept)
            self.note_change()

    # -- waiting

    def wait(self, predicate: Callable[[Exchange], bool] | None = None, *, deadline_s: float = 10.0) -> Exchange:
        """Wait until there is an exchange of which something holds, and give the oldest one.

        Args:
            predicate: what must hold; by default that it has ended.
            deadline_s: bounds a hang.

        Raises:
            TimeoutError: if there was none in time; it says what there was.
        """
        found: list[Exchange] = []
        with self.changed:
            if self.changed.wait_for(lambda: self._find(predicate, found), deadline_s):
                return found[0]
            raise TimeoutError(self._what_there_was(deadline_s))

    async def wait_async(
        self, predicate: Callable[[Exchange], bool] | None = None, *, deadline_s: float = 10.0
    ) -> Exchange:
        """Wait for an exchange in a task of any loop; see `wait`."""
        found: list[Exchange] = []
        if await self._wait_async(lambda: self._find(predicate, found), deadline_s):
            return found[0]
        raise TimeoutError(self._what_there_was(deadline_s))

    def wait_closed(self, *, deadline_s: float = 10.0) -> None:
        """Wait until no connection is open.

        Raises:
            TimeoutError: if one was still open then.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: not self.open_connections, deadline_s):
                raise TimeoutError(self._who_is_open(deadline_s))

    async def wait_closed_async(self, *, deadline_s: float = 10.0) -> None:
        """Wait until no connection is open, in a task of any loop; see `wait_closed`."""
        if not await self._wait_async(lambda: not self.open_connections, deadline_s):
            raise TimeoutError(self._who_is_open(deadline_s))

    # -- writing, for the server

    def opened(self, peer: str, at_s: float) -> Visit:
        """Note a new connection."""
        with self.changed:
            self._visit_ids += 1
            visit = Visit(self, Connection(id=self._visit_ids, peer=peer, opened_s=at_s))
            self._visits.append(visit)
            self._open.add(visit)
            self.note_change()
        return visit

    def closed(self, visit: Visit, by: By, how: str, at_s: float) -> None:
        """Note that a connection is gone."""
        with self.changed:
            self._open.discard(visit)
            visit.close(by, how, at_s)

    def asked(
        self, visit: Visit, *, method: str, path: str, headers: dict[str, str], body: bytes, at_s: float
    ) -> Entry:
        """Note a request."""
        with self.changed:
            self._ids += 1
            entry = Entry(
                self,
                visit,
                body,
                id=self._ids,
                method=method,
                path=scrub_path(path),
                headers=scrub_headers(headers),
                asked_s=at_s,
            )
            visit.ask(entry.id)
            self._take(entry)
            self.note_change()
        return entry

    def note_change(self) -> None:
        """Wake whoever waits; the journal is locked."""
        self.changed.notify_all()
        for watcher in self._watchers:
            watcher()

    def tell(self, entry: Entry) -> None:
        """Tell whoever wants to know that an exchange has ended."""
        if self._on_end is not None:
            with self.changed:
                exchange = entry.snapshot()
            try:
                self._on_end(exchange)
            except BaseException as error:  # noqa: BLE001 - whatever it raises, the server goes on
                _log.exception("what a journal tells of each end failed")
                if self.failure is None:
                    self.failure = error

    # -- within

    def _take(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bodies.append(entry)
        self._body_bytes += entry.body_size
        while len(self._entries) > self._keep:
            self._forget_oldest()
        while self._body_bytes > self._keep_bytes:
            oldest = self._bodies.popleft()
            self._body_bytes -= oldest.body_size
            if oldest.body_size:
                oldest.drop_body()

    def _forget_oldest(self) -> None:
        oldest = self._entries.popleft()
        oldest.visit.forget_oldest()
        if self._bodies and self._bodies[0] is oldest:
            self._bodies.popleft()
            self._body_bytes -= oldest.body_size

    def _find(self, predicate: Callable[[Exchange], bool] | None, found: list[Exchange]) -> bool:
        for exchange in self.exchanges:
            if exchange.ended_by is not None if predicate is None else predicate(exchange):
                found.append(exchange)
                return True
        return False

    async def _wait_async(self, holds: Callable[[], bool], deadline_s: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        woken = asyncio.Event()

        def watch() -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed while it waited
                loop.call_soon_threadsafe(woken.set)

        timer = loop.call_at(deadline, woken.set)
        with self.changed:
            self._watchers.add(watch)
        try:
            while not (held := holds()) and loop.time() < deadline:
                await woken.wait()
                woken.clear()
            return held
        finally:
            timer.cancel()
            with self.changed:
                self._watchers.discard(watch)

    def _what_there_was(self, deadline_s: float) -> str:
        rows = [f"  {summary(exchange)}" for exchange in self.exchanges] or ["  nothing at all"]
        return "\n".join([f"no such exchange within {deadline_s:g} s; there was:", *rows])

    def _who_is_open(self, deadline_s: float) -> str:
        with self.changed:
            visits = [visit.facts for visit in self._open if visit.shown]
        told = ", ".join(f"{c.id} from {c.peer} (exchanges {list(c.exchanges[-_MOST_IDS:])})" for c in visits)
        return f"connections were still open after {deadline_s:g} s: {told}"
