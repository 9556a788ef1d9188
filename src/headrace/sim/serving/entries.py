"""What the server notes in the journal: of an exchange, of a connection.

Law kept here: what is noted and what was given out before are two things: a snapshot never changes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.sim.serving.records import Exchange, decoded

if TYPE_CHECKING:
    from headrace.sim.play import Play
    from headrace.sim.serving.journal import Journal
    from headrace.sim.serving.records import By, Connection


class Entry:
    """An exchange, for the server that notes it.

    Attributes:
        id: the exchange's.
        visit: the connection.
        body_size: how many bytes its body has.
        ended: whether its end is noted.
    """

    def __init__(self, journal: Journal, visit: Visit, body: bytes, **facts: Any) -> None:
        self.id: int = facts["id"]
        self.visit = visit
        self.body_size = len(body)
        self.ended = False
        self._journal = journal
        self._body = body
        self._facts: dict[str, Any] = {**facts, "connection": visit.id, "body_size": len(body)}
        self._snapshot: Exchange | None = None

    def chosen(self, play: Play) -> None:
        """Note what will be answered."""
        self._note(
            wire=play.wire,
            model=play.model,
            label=play.label,
            faults=tuple(play.faults),
            tokens_planned=play.tokens,
            details=dict(play.details),
        )

    def answered(self, status: int, at_s: float) -> None:
        """Note that the head is written."""
        self._note(status=status, answered_s=at_s)

    def sent(self, size: int, tokens: int) -> None:
        """Note what the socket took."""
        facts = self._facts
        self._note(bytes_sent=facts.get("bytes_sent", 0) + size, tokens=facts.get("tokens", 0) + tokens)

    def made(self, tokens: int) -> None:
        """Note that tokens were made, which must not be after the end."""
        if self.ended:
            self._note(tokens_after_leaving=self._facts.get("tokens_after_leaving", 0) + tokens)

    def end(self, by: By, how: str, at_s: float) -> None:
        """Note the end; what ends twice has ended the first time."""
        if not self.ended:
            self.ended = True
            self._note(ended_by=by, how=how, ended_s=at_s)
            self._journal.tell(self)

    def drop_body(self) -> None:
        """Forget the body; the journal is locked."""
        self._body = b""
        self._facts.update(body=None, body_kept=False)
        self._snapshot = None

    def snapshot(self) -> Exchange:
        """Give it as it is; the journal is locked."""
        if self._snapshot is None:
            if "body" not in self._facts:
                self._facts["body"] = decoded(self._body)
                self._body = b""
            self._snapshot = Exchange(**self._facts)
        return self._snapshot

    def _note(self, **facts: Any) -> None:
        with self._journal.changed:
            self._facts.update(facts)
            self._snapshot = None
            self._journal.note_change()


class Visit:
    """A connection, for the server that notes it.

    Attributes:
        id: the connection's.
        control: whether its client has asked for the journal and the like; then it is not shown itself, unless it has
            asked for something else too.
    """

    def __init__(self, journal: Journal, facts: Connection) -> None:
        self.id = facts.id
        self.control = False
        self._journal = journal
        self._facts = facts
        self._asked = False
        self._exchanges: deque[int] = deque()  # of which the snapshot may know less
        self._is_fresh = True

    @property
    def facts(self) -> Connection:
        """It as it is; the journal is locked."""
        if not self._is_fresh:
            self._facts = msgspec.structs.replace(self._facts, exchanges=tuple(self._exchanges))
            self._is_fresh = True
        return self._facts

    @property
    def shown(self) -> bool:
        """Tell whether it is a connection of somebody who is looked at, not of the one who looks."""
        return not self.control or self._asked

    def ask(self, number: int) -> None:
        """Note what was asked on it; the journal is locked."""
        self._asked = True
        self._exchanges.append(number)
        self._is_fresh = False

    def forget_oldest(self) -> None:
        """Forget what was asked first; the journal is locked."""
        self._exchanges.popleft()
        self._is_fresh = False

    def note_control(self) -> None:
        """Note that its client looks at the journal."""
        with self._journal.changed:
            self.control = True
            self._journal.note_change()

    def close(self, by: By, how: str, at_s: float) -> None:
        """Note that it is closed."""
        with self._journal.changed:
            self._facts = msgspec.structs.replace(self.facts, closed_s=at_s, closed_by=by, how=how)
            self._journal.note_change()
