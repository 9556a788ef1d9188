"""``headrace decode``: recorded bytes of a provider, to events or to one message."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from headrace.cli.display import OutputError, ReaderGone, Screen
from headrace.errors import ErrorInfo, FrameTooLarge, UsageError, WireError
from headrace.events import End, PartEnd, StreamWarning, encode_events
from headrace.message import Fold
from headrace.wire.framing import MAX_FRAME, Frame
from headrace.wire.registry import WIRES, detect_wire, make_decoder, make_framer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.events import Event
    from headrace.message import Message
    from headrace.wire.providers import Provider, WireName
    from headrace.wire.registry import Decoder

_CHUNK = 65536
_BOM = b"\xef\xbb\xbf"
_BLANKS = 1024  # so many bytes without anything in them are taken for a stream's keepalives
_NOT_YET = ("gemini", "gemini-jsonarray", "ollama", "bedrock-converse", "cohere")


def decode(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...|-", help="Recorded bodies of responses; - is stdin, read as it comes.", show_default=False
        ),
    ],
    *,
    wire: Annotated[
        str | None,
        typer.Option(
            metavar="WIRE",
            help=f"How the bytes are to be read: {', '.join(WIRES)}; without it, as the first frame looks.",
        ),
    ] = None,
    fold: Annotated[bool, typer.Option("--fold", help="Print one message a file instead of one event a line.")] = False,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose bytes they are: its wire and its habits (see headrace models)."),
    ] = None,
) -> None:
    """Decode what a provider sent: one JSON event a line, or with --fold one JSON message a file.

    Each file gives exactly one end. Bytes that are not the wire's format, or a file that cannot be read, end as failed
    with what had arrived kept, and make the exit code 1.
    """
    row = _row(provider)
    name = _wire(wire) or (row.wire if row else None)
    screen = Screen()
    bad = False
    try:
        for file in files:
            recording = Recording(name, row)
            for events in _events(recording, file):
                if not fold:
                    screen.out.data(encode_events(events))
            if fold:
                screen.out.data(folded(recording.message) + b"\n")
            if recording.problem:
                bad = True
                screen.error(f"{file}: {recording.problem}")
    except ReaderGone:
        raise typer.Exit(141) from None
    except OutputError as error:
        screen.error(str(error))
        raise typer.Exit(1) from None
    raise typer.Exit(int(bad))


class Recording:
    """Decode one recorded body, fed in any pieces.

    Args:
        wire: its format; None: as the first frame, or the document, looks.
        provider: whose it is.

    Attributes:
        problem: what was wrong with the bytes or the file, None if nothing was.
    """

    def __init__(self, wire: WireName | None = None, provider: Provider | None = None) -> None:
        self.problem: str | None = None
        self._wire: WireName | None = wire
        self._provider = provider
        self._framer = make_framer(wire or WIRES[0])  # all wires of today are server-sent events
        self._decoder: Decoder | None = None
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
            try:
                body = bytes(self._body).removeprefix(_BOM)
                self._take(out, self._for(Frame(body)).whole(body))
            except WireError as error:
                self._broken(out, error)
        else:
            self._frames(out, self._framer.feed(bytes(self._body)))
            self._frames(out, self._framer.finish())
            if not self.done:
                self._take(out, self._for(Frame(b"")).finish())
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
                    self._take(out, self._for(frame).feed(frame))
        except WireError as error:
            self._broken(out, error)

    def _for(self, frame: Frame) -> Decoder:
        if self._decoder is None:
            self._decoder = make_decoder(self._wire or detect_wire(frame), provider=self._provider)
        return self._decoder

    def _take(self, out: list[Event], events: Iterable[Event]) -> None:
        for event in events:
            self._fold.feed(event)
            out.append(event)

    def _broken(self, out: list[Event], error: WireError) -> None:
        if self.done:
            return
        if self._decoder is not None and self._decoder.finished:
            self.problem = str(error)
            self._take(out, [StreamWarning("late_break", f"the stream broke after its finish ({error})")])
            self._take(out, self._decoder.finish())
        else:
            out += self.fail(error.info)


def folded(message: Message) -> bytes:
    """Write a message as one line of JSON, without the line's end; all keys are always there."""
    usage, error = message.usage, message.error
    value: dict[str, Any] = {
        "outcome": message.outcome,
        "text": message.text,
        "thinking": message.thinking,
        "refusal": message.refusal,
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in message.tool_calls],
        "native_stop_reason": message.native_stop_reason,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        "model": message.model,
        "id": message.id,
        "provider_error": error
        and {"type": error.type, "message": error.message, "status": error.status, "code": error.code},
    }
    return msgspec.json.encode(value)


def _events(recording: Recording, file: str) -> Iterator[list[Event]]:
    """Read a file, and give the events of each piece as it comes."""
    try:
        for chunk in _chunks(file):
            yield recording.feed(chunk)
            if recording.done:
                return
    except OSError as error:
        yield recording.fail(ErrorInfo(type="unreadable", message=f"cannot be read: {error.strerror}"))
        return
    yield recording.finish()


def _chunks(file: str) -> Iterator[bytes]:
    if file == "-":
        stdin: Any = sys.stdin
        handle = -1 if stdin is None else stdin.fileno()
        while chunk := os.read(handle, _CHUNK):
            yield chunk
        return
    with Path(file).open("rb", buffering=0) as body:
        while chunk := body.read(_CHUNK):
            yield chunk


def _wire(given: str | None) -> WireName | None:
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


def _row(given: str | None) -> Provider | None:
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
