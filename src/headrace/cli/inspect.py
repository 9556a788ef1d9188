"""``headrace inspect``: a stream chunk by chunk, live or recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import options
from headrace.cli.answer import GOOD, summary
from headrace.cli.asking import Watch, failure_code, introduce
from headrace.cli.display import BAD, DIM, WARN, OutputError, ReaderGone, Screen
from headrace.cli.interrupts import READER_GONE, Interrupts
from headrace.cli.recording import Recording, find_provider, find_wire, read_file
from headrace.errors import HeadraceError
from headrace.flow.chunks import Chunks
from headrace.flow.timing import Timing
from headrace.wire.registry import WIRES

if TYPE_CHECKING:
    from headrace.cli.chunk_table import ChunkTable
    from headrace.flow.chunks import Chunk
    from headrace.message import Message
    from headrace.stream import Stream
    from headrace.wire.providers import Provider, WireName

_RECORDED = "Recorded bytes"


def inspect(
    prompt: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask; several words are joined. What is piped in follows it, after a blank line.",
            show_default=False,
        ),
    ] = None,
    *,
    model: options.Model = None,
    system: options.System = None,
    max_tokens: options.MaxTokens = None,
    base_url: options.BaseURL = None,
    config: options.ConfigFile = None,
    timeouts: options.Times = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="Show a recorded body of a response in place of asking; - is stdin, read as it comes.",
            rich_help_panel=_RECORDED,
        ),
    ] = None,
    wire: Annotated[
        str | None,
        typer.Option(
            metavar="WIRE",
            help=f"How its bytes are to be read: {', '.join(WIRES)}; without it, as the first frame looks.",
            rich_help_panel=_RECORDED,
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose bytes they are: its wire and its habits (see headrace models).",
            rich_help_panel=_RECORDED,
        ),
    ] = None,
    first: Annotated[int | None, typer.Option(min=1, metavar="N", help="Stop the model after N chunks.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Show each frame in full, under its row; the table cuts it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a chunk, a line each.")] = False,
) -> None:
    """Show a stream chunk by chunk: number, time, gap, id, model, what it adds, why it finished, the frame itself.

    A table at a terminal, tab-separated lines in a pipe. The last line, on stderr, sums it up.
    """
    from headrace.cli.chunk_table import ChunkTable

    screen = Screen()
    table = ChunkTable(screen, recorded=file is not None, raw=raw, as_json=as_json)
    view = _View(table, screen, first)
    if file is None:
        if wire or provider:
            raise typer.BadParameter("says how a FILE is to be read: give --file, too", param_hint="--wire, --provider")
        asking = {"base_url": base_url, "config": config, "timeouts": options.read_timeouts(timeouts)}
        request = {"system": system, "max_tokens": max_tokens}
        code = _ask(view, prompt, model, asking, {name: value for name, value in request.items() if value is not None})
    else:
        if prompt or any(value is not None for value in (model, system, max_tokens, base_url, config, timeouts)):
            raise typer.BadParameter("a FILE is shown as it is: nobody is asked", param_hint="--file")
        row = find_provider(provider)
        code = view.recorded(file, find_wire(wire) or (row.wire if row else None), row)
    raise typer.Exit(code)


def _ask(
    view: _View, words: list[str] | None, model: str | None, asking: dict[str, Any], request: dict[str, Any]
) -> int:
    """Send the request and show what comes; give the exit code."""
    interrupts = Interrupts(view.screen.out)
    interrupts.install()
    try:
        prompt = options.read_prompt(words)
        if prompt is None:
            raise typer.BadParameter("there is none: give it as an argument, or pipe it in", param_hint="PROMPT")
        from headrace.client import Client

        with Client(**asking) as client:
            target = client.target(model)
            introduce(target, view.screen)
            return view.live(client.stream(target.name, prompt, **request), target.name, interrupts)
    except HeadraceError as error:
        view.screen.error(str(error))
        return failure_code(error)
    except KeyboardInterrupt:
        return interrupts.exit_code or 130


class _View:
    """Show chunks, and at the end how it went."""

    def __init__(self, table: ChunkTable, screen: Screen, first: int | None) -> None:
        self.screen = screen
        self._table = table
        self._first = first
        self._enough = False

    def live(self, stream: Stream, label: str, interrupts: Interrupts) -> int:
        """Show a stream that is not yet entered."""
        outcome = None
        watch = Watch(stream, label, self.screen, interrupts)
        with watch, stream:
            for chunk in stream.chunks:
                if self._show(chunk):
                    outcome = stream.message.outcome or f"stopped after {_chunks(self._table.count)}"
                    break
        if watch.code != READER_GONE:
            self._close(
                label, stream.message, stream.timing, None if watch.error is None else str(watch.error), outcome
            )
        return watch.code

    def recorded(self, file: str, wire: WireName | None, provider: Provider | None) -> int:
        """Show what a file holds; -: stdin."""
        chunks = Chunks()
        recording = Recording(wire, provider, chunks=chunks)
        outcome = None
        try:
            for _ in read_file(recording, file):
                while chunks.waiting and not self._enough:
                    self._show(chunks.waiting.popleft())
                if self._enough:
                    outcome = recording.message.outcome or f"stopped after {_chunks(self._table.count)}"
                    break
        except ReaderGone:
            return READER_GONE
        except OutputError as error:
            self.screen.error(str(error))
            return 1
        problem = recording.problem and f"{file}: {recording.problem}"
        self._close(file, recording.message, Timing(), problem, outcome)
        return int(problem is not None)

    def _show(self, chunk: Chunk) -> bool:
        """Show a chunk; True: no more are wanted."""
        self._table.show(chunk)
        self._enough = self._table.count == self._first
        return self._enough

    def _close(self, label: str, message: Message, timing: Timing, problem: str | None, outcome: str | None) -> None:
        for warning in message.warnings:
            self.screen.note(warning.text)
        if problem is not None:
            self.screen.error(problem)
        said = [summary(label, message, timing, outcome)]
        if timing.total_s is not None:
            said.append(f"{timing.total_s:.2f} s in all")
        said.append(_chunks(self._table.count))
        said.append(f"{self._table.size:,} bytes")
        style = BAD if problem is not None else DIM if outcome or message.outcome in GOOD else WARN
        self.screen.line(" · ".join(said), style)


def _chunks(count: int) -> str:
    return "1 chunk" if count == 1 else f"{count:,} chunks"
