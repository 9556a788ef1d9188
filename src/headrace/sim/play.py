"""What is played to a client: a head, then steps at their times.

A *call* is a request as it came, from a socket or from within the process.  A *source* answers a call with a *play*:
the simulated provider is one, a folder of cassettes another.  A *player* carries a play out: the server on sockets, the
in-process connection without.

Laws kept here: a play holds no clock and no socket, only times in seconds from the moment when the request had come; so
one seed gives one play, byte for byte, however fast it is played.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

from msgspec import Struct

from headrace.wire.providers import WireName

ActKind = Literal["eof", "close", "reset", "stall", "hold", "refuse"]


class Call(Struct, frozen=True, kw_only=True):
    """A request as it came.

    Attributes:
        method: of HTTP.
        path: with its query, if it has one.
        headers: names in lower case.
        body: its bytes.
    """

    method: str = "POST"
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = {}
    body: bytes = b""


class Head(Struct, frozen=True, kw_only=True):
    """A response's head.

    Attributes:
        status: of HTTP.
        headers: in order; names in lower case. Content-Length and Transfer-Encoding are the player's own business.
        at_s: when it comes, in seconds from the request.
        drip_s: seconds between one byte of it and the next; 0: it comes at once.
        framing: how the body's end is known on a socket: chunks, a length (the whole body is then gathered first), or
            the connection's end.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    at_s: float = 0.0
    drip_s: float = 0.0
    framing: Literal["chunked", "length", "close"] = "chunked"


class Piece(Struct, frozen=True):
    """Bytes of the body.

    Attributes:
        at_s: when they come, in seconds from the request.
        data: never empty.
        tokens: how many tokens they bring, for the journal.
        alone: they are a write of their own; without it what is due together may be written together.
    """

    at_s: float
    data: bytes
    tokens: int = 0
    alone: bool = False


class Act(Struct, frozen=True):
    """Something that is done to the connection. All but ``hold`` are the play's last step.

    - ``eof``: the body ends here, properly as HTTP sees it (the same as the end of the steps).
    - ``close``: the connection is closed (FIN), in the middle of the body, or of the head.
    - ``reset``: the connection is reset (RST).
    - ``stall``: nothing more is said, until the client goes.
    - ``refuse``: reset, and further connections are refused for `seconds`; only before the head.
    - ``hold``: go on only when the hold of that name is released (`Simulator.release`).

    Attributes:
        at_s: when, in seconds from the request.
        name: of a hold.
        seconds: of a refusal.
    """

    at_s: float
    kind: ActKind
    name: str = ""
    seconds: float = 0.0


Step = Piece | Act


class Play(Struct, kw_only=True):
    """An answer, as it is played.

    Attributes:
        head: None: the connection ends before any; then the only step is an act.
        steps: pieces and acts, their times never going back; without a last act the body ends as ``eof`` says.
        wire: which wire it is, if it is one.
        model: whom the request named, if anybody.
        label: which scenario or cassette was chosen, for the journal.
        faults: the faults that are played, as they are written.
        tokens: how many tokens the whole answer has, if that is known.
        details: further facts for the journal.
    """

    head: Head | None
    steps: Iterator[Step]
    wire: WireName | None = None
    model: str | None = None
    label: str = ""
    faults: tuple[str, ...] = ()
    tokens: int | None = None
    details: dict[str, Any] = {}


class Source(Protocol):
    """What answers calls. It is asked from one thread at a time."""

    def play(self, call: Call) -> Play:
        """Answer a call; what is wrong with it is answered as a provider would, nothing is raised."""
        ...
