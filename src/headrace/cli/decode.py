"""``headrace decode``: recorded bytes of a provider, to events or to one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from headrace.cli.display import OutputError, ReaderGone, Screen
from headrace.cli.recording import Recording, find_provider, find_wire, read_file
from headrace.events import encode_events
from headrace.wire.registry import WIRES

if TYPE_CHECKING:
    from headrace.message import Message


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
    row = find_provider(provider)
    name = find_wire(wire) or (row.wire if row else None)
    screen = Screen()
    bad = False
    try:
        for file in files:
            recording = Recording(name, row)
            for events in read_file(recording, file):
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
