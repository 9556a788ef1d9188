"""What is done to one direction of a connection: data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from headrace.errors import UsageError
from headrace.sim.dice import Dice

Ending = Literal["reset", "close", "stall", "truncate", "blackhole"]
Direction = Literal["upload", "download"]

ENDINGS: tuple[Ending, ...] = ("reset", "close", "stall", "truncate", "blackhole")


class Toxics(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done to the bytes of one direction. As it stands: nothing.

    The endings, each at a byte of its direction or at a time of the connection, whichever comes first:

    - ``reset``: both sides are reset (RST).
    - ``close``: both sides are closed (FIN).
    - ``stall``: nothing more is passed on, not even an end, and soon nothing more is read, until it is released.
    - ``truncate``: the receiver is told that this was all (FIN); the sender is not, what it still says is thrown away.
    - ``blackhole``: what is still said is thrown away, and nobody is told; the connection stays.

    Attributes:
        latency_s: how long bytes are on their way, in seconds. It delays, and takes no throughput.
        jitter_s: up to so much longer, by chance; the order is kept.
        bandwidth: bytes a second.
        slice_bytes: the most bytes that are written at once.
        slice_gap_s: seconds between one write of them and the next.
        ending: how it ends.
        at_byte: after how many bytes of this direction; neither this nor `at_s`: before the first.
        at_s: after how many seconds from the connection's opening.
        share: of the connections, which share has all this; by seed.
        connections: only these have it, counted from 1; empty: all.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bandwidth: float | None = None
    slice_bytes: int | None = None
    slice_gap_s: float = 0.0
    ending: Ending | None = None
    at_byte: int | None = None
    at_s: float | None = None
    share: float = 1.0
    connections: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("latency_s", "jitter_s", "slice_gap_s", "at_byte", "at_s"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"{name} must be 0 or more, not {value}")
        for name in ("bandwidth", "slice_bytes"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} must be more than 0, not {value}; leave it out for no bound")
        if not 0 <= self.share <= 1:
            raise UsageError(f"share must be between 0 and 1, not {self.share}")
        if any(number < 1 for number in self.connections):
            raise UsageError("connections are counted from 1")
        if self.ending is not None and self.ending not in ENDINGS:
            raise UsageError(f"there is no ending {self.ending!r}: {', '.join(ENDINGS)}")
        if self.ending is None and (self.at_byte is not None or self.at_s is not None):
            raise UsageError(f"at_byte and at_s say when, but not what: give an ending ({', '.join(ENDINGS)})")

    def hits(self, number: int, seed: int, direction: Direction) -> bool:
        """Say whether the nth connection has them; one seed always says the same."""
        if self.connections and number not in self.connections:
            return False
        return Dice(seed, f"fault proxy, {direction} of connection {number}").chance(self.share)

    def __str__(self) -> str:
        """Say it in a line."""
        said: list[str] = []
        if self.latency_s:
            said.append(f"latency {self.latency_s:g} s")
        if self.jitter_s:
            said.append(f"jitter up to {self.jitter_s:g} s")
        if self.bandwidth is not None:
            said.append(f"{self.bandwidth:g} bytes a second")
        if self.slice_bytes is not None:
            gap = f", {self.slice_gap_s:g} s between" if self.slice_gap_s else ""
            said.append(f"at most {self.slice_bytes} bytes a write{gap}")
        if self.ending is not None:
            places = [f"byte {self.at_byte}"] if self.at_byte is not None else []
            places += [f"{self.at_s:g} s"] if self.at_s is not None else []
            said.append(f"{self.ending} at {' or '.join(places) or 'once'}")
        if said and self.connections:
            said.append(f"connections {', '.join(map(str, self.connections))} only")
        if said and self.share < 1:
            said.append(f"{self.share:.0%} of the connections")
        return "; ".join(said) or "nothing"
