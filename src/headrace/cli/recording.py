"""Recorded bytes of a provider, read from a file as a stream is: what ``decode`` and ``inspect --file`` share.

Laws kept here: each file gives exactly one end; what had arrived is kept; what cannot be read is told.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from headrace.errors import ErrorInfo, FrameTooLarge, UsageError, WireError
from headrace.events import End, PartEnd, StreamWarning
from headrace.message import Fold
from headrace.wire.detect import DetectingDecoder
from headrace.wire.framing import MAX_FRAME, Frame
from headrace.wire.registry import WIRES, make_decoder, make_framer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from headrace.events import Event
    from headrace.flow.chunks import Chunks
    from headrace.message import Message
    from headrace.wire.providers import Provider, WireName
    from headrace.wire.registry import Decoder

_CHUNK = 65536
_BOM = b"\xef\xbb\xbf"
_BLANKS = 1024  # so many bytes without anything in them are taken for a stream's keepalives
_NOT_YET = ("gemini", "gemini-jsonarray", "ollama", "bedrock-converse", "cohere")


class Recording:
    """Decode one recorded body, fed in any pieces.

    Args:
        wire: its format; None: as the first frame, or the document, looks.
        provider: whose it is.
        chunks: gets each frame with what was read in it.

    Attributes:
        problem: what was wrong with the bytes or the file, None if nothing was.
    """

    def __init__(
        self, wire: WireName | None = None, provider: Provider | None = None, *, chunks: Chunks | None = None
    ) -> None:
        self.problem: str | None = None
        self._chunks = chunks
        self._framer = make_framer(wire or WIRES[0])  # all wires of today are server-sent events
        make = partial(make_decoder, provider=provider)
        self._decoder: Decoder = make(wire) if wire else DetectingDecoder(make)
        self._fold = Fold()
        self._mode = "start"
        self._body = bytearray()

    @property
    def done(self) -> bool:
        """Whether the end was given; what comes after it says nothing."""
        return self._fold.end is not None

    @property
    def message(self) -> Message:
        """What the events have said so far."""
        return self._fold.message()

    def feed(self, chunk: bytes) -> list[Event]:
        """Take bytes in and give the events that they complete."""
        out: list[Event] = []
        if self._mode != "stream":
            self._body += chunk
            if self._mode == "start":
                self._look()
            if self._mode == "stream":
                chunk = bytes(self._body)
                self._body.clear()
        if self._mode == "stream":
            self._frames(out, self._framer.feed(chunk))
        elif len(self._body) > MAX_FRAME:
            self._broken(out, FrameTooLarge(f"a document is larger than the limit of {MAX_FRAME} bytes"))
        return out

    def finish(self) -> list[Event]:
        """Say that no more bytes come."""
        out: list[Event] = []
        if self._mode == "whole":
            body = bytes(self._body).removeprefix(_BOM)
            self._read(out, Frame(body), lambda: self._decoder.whole(body))
        else:
            self._frames(out, self._framer.feed(bytes(self._body)))
            self._frames(out, self._framer.finish())
            if not self.done:
                self._take(out, self._decoder.finish())
        return out

    def fail(self, info: ErrorInfo) -> list[Event]:
        """End it as failed: what is open is closed, what had arrived is kept."""
        out: list[Event] = []
        self.problem = info.message
        self._take(out, [PartEnd(part, implicit=True) for part in self._fold.open_parts()])
        self._take(out, [End(outcome="failed", native_stop_reason=self.message.native_stop_reason, error=info)])
        return out

    def _look(self) -> None:
        """Tell a stream from a document by the first byte that is not blank."""
        if len(self._body) < len(_BOM) and _BOM.startswith(self._body):
            return
        first = bytes(self._body).removeprefix(_BOM).lstrip()[:1]
        if first in (b"{", b"["):
            self._mode = "whole"
        elif first or len(self._body) > _BLANKS:
            self._mode = "stream"

    def _frames(self, out: list[Event], frames: Iterator[Frame]) -> None:
        try:
            for frame in frames:
                if not self.done:
                    self._read(out, frame, partial(self._decoder.feed, frame))
        except WireError as error:
            self._broken(out, error)

    def _read(self, out: list[Event], frame: Frame, decode: Callable[[], list[Event]]) -> None:
        events: list[Event] = []
        try:
            events = decode()
            self._take(out, events)
        except WireError as error:
            self._broken(out, error)
        if self._chunks is not None:
            self._chunks.feed(frame, events, None, native_stop_reason=self._decoder.native_stop_reason)

    def _take(self, out: list[Event], events: Iterable[Event]) -> None:
        for event in events:
            self._fold.feed(event)
            out.append(event)

    def _broken(self, out: list[Event], error: WireError) -> None:
        if self.done:
            return
        if self._decoder.finished:
            self.problem = str(error)
            self._take(out, [StreamWarning("late_break", f"the stream broke after its finish ({error})")])
            self._take(out, self._decoder.finish())
        else:
            out += self.fail(error.info)


def read_file(recording: Recording, file: str) -> Iterator[list[Event]]:
    """Read a file (-: stdin), and give the events of each piece as it comes.

    A file that cannot be read ends the recording as failed.
    """
    try:
        for chunk in _pieces(file):
            yield recording.feed(chunk)
            if recording.done:
                return
    except OSError as error:
        yield recording.fail(ErrorInfo(type="unreadable", message=f"cannot be read: {error.strerror}"))
        return
    yield recording.finish()


def _pieces(file: str) -> Iterator[bytes]:
    if file == "-":
        stdin: Any = sys.stdin
        handle = -1 if stdin is None else stdin.fileno()
        while chunk := os.read(handle, _CHUNK):
            yield chunk
        return
    with Path(file).open("rb", buffering=0) as body:
        while chunk := body.read(_CHUNK):
            yield chunk


def find_wire(given: str | None) -> WireName | None:
    """Read what ``--wire`` says.

    Raises:
        typer.BadParameter: naming the wires that are known.
    """
    if given is None:
        return None
    for name in WIRES:
        if given == name:
            return name
    state = "is not read yet" if given in _NOT_YET else "is not known"
    raise typer.BadParameter(f"the wire {given!r} {state}; known are: {', '.join(WIRES)}", param_hint="--wire")


def find_provider(given: str | None) -> Provider | None:
    """Find the provider that ``--provider`` names.

    Raises:
        typer.BadParameter: naming those that are known.
    """
    if given is None:
        return None
    from headrace.config import load_config

    try:
        known = load_config().providers
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None
    if given not in known:
        raise typer.BadParameter(
            f"no provider {given!r} is known; known are: {', '.join(known)}", param_hint="--provider"
        )
    return known[given]
