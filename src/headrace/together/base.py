"""What merges and races of both kinds share: labels, checks, and what became of each stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headrace.errors import UsageError
from headrace.events import End
from headrace.stream import AsyncStream, Stream

if TYPE_CHECKING:
    from headrace.errors import HeadraceError
    from headrace.events import Event
    from headrace.message import Message

K = TypeVar("K")
S = TypeVar("S", bound=Stream | AsyncStream)


def labelled(streams: Any, what: str) -> tuple[dict[Any, Any], bool]:
    """Give the streams by label (a list's are its indices), and whether they are async ones.

    Raises:
        UsageError: if they are none, not all of one kind, already entered, or one of them is there twice.
    """
    by_label: dict[Any, Any] = {}
    if not isinstance(streams, Stream | AsyncStream) and hasattr(streams, "__iter__"):
        pairs: Any = streams if hasattr(streams, "keys") else enumerate(streams)
        by_label = dict(pairs)
    if not by_label:
        raise UsageError(f"{what} wants streams: a dict by label, or a list; at least one")
    for label, stream in by_label.items():
        if not isinstance(stream, Stream | AsyncStream):
            raise UsageError(f"{what} takes streams of ours; {label!r} is a {type(stream).__name__}")
        if stream.entered:
            raise UsageError(f"{what} enters the streams itself: {label!r} was entered already")
    if len({isinstance(stream, AsyncStream) for stream in by_label.values()}) > 1:
        raise UsageError(f"{what} takes blocking streams or async ones, not both at once")
    if len({id(stream) for stream in by_label.values()}) < len(by_label):
        raise UsageError(f"{what} was given one stream under two labels")
    return by_label, isinstance(next(iter(by_label.values())), AsyncStream)


class Together(Generic[K, S]):
    """Streams by label.

    Attributes:
        streams: all of them, by label.
        errors: why streams failed, by label.
    """

    def __init__(self, streams: dict[K, S]) -> None:
        self.streams = streams
        self.errors: dict[K, HeadraceError] = {}
        self._state = "new"

    @property
    def messages(self) -> dict[K, Message]:
        """What has arrived so far, by label; whole after the end."""
        return {label: stream.message for label, stream in self.streams.items()}

    def _enter(self) -> None:
        if self._state != "new":
            raise UsageError(f"a {type(self).__name__} can be entered once: make another")
        self._state = "open"

    def _failed(self, label: K, error: HeadraceError, last: Event | None) -> End | None:
        """Note why a stream failed; give the end that it owes, if it could not give one itself."""
        error.add_note(f"in the stream {label!r}")
        self.errors[label] = error
        if isinstance(last, End):
            return None
        outcome = self.streams[label].message.outcome
        return End(outcome=outcome or "failed", error=error.info)
