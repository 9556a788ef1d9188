"""Several answers at a terminal: a panel each, side by side, or one below the other where it is narrow.

Laws kept here: the view is drawn at most so often a second, whatever comes; while they are written, each panel shows
the end of its answer; what stays on the screen is all of them, whole.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headrace.cli.answer import NOTICES, summary
from headrace.cli.display import visible
from headrace.cli.labelled import Voice
from headrace.events import End, PartDelta, PartReplace, PartWhole, Reset, StreamWarning, UsageUpdate
from headrace.flow.bounds import estimate_tokens
from headrace.flow.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from headrace.cli.display import Screen
    from headrace.events import Event

_A_SECOND = 12
_NARROWEST = 38  # cells of a panel beside another
_LOWEST = 4  # lines of a panel, its border included
_STYLES = {"text": "", "thinking": "dim italic", "refusal": "yellow"}


class Panels:
    """Show answers in panels.

    Args:
        names: whom each label asks.
        screen: stdout, which is a terminal.

    Attributes:
        waits: False: the panels show it.
        failed: whether one of them has failed.
    """

    def __init__(self, names: Mapping[str, str], screen: Screen) -> None:
        self.waits = False
        self.failed = False
        self._screen = screen
        self._console = Console(file=sys.stdout)
        self._panels = {label: _Panel(label, name, self._console) for label, name in names.items()}
        self._simulation: str | None = None
        self._live = Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=_A_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def take(self, label: str, event: Event) -> bool:
        """Take an event of one of them; it is seen with the next drawing."""
        self._panels[label].take(event)
        if isinstance(event, StreamWarning) and event.code == "simulation":
            self._simulation = event.text
        elif isinstance(event, End) and event.error is not None:
            self.failed = True
            if not self._screen.is_terminal:
                self._screen.error(f"{label}: {event.error.to_exception()}")
        return True

    def close(self, timings: Mapping[str, Timing]) -> None:
        """Leave them on the screen as they ended, whole."""
        for label, panel in self._panels.items():
            panel.timing = timings[label]
        self._console.print(self._grid(None))
        if self._simulation:
            self._screen.note(self._simulation)

    def _drawn(self) -> Table:
        rows = -(-len(self._panels) // self._abreast())
        return self._grid(max(_LOWEST, (self._console.height - 1) // rows))

    def _abreast(self) -> int:
        return max(1, min(len(self._panels), self._console.width // _NARROWEST))

    def _grid(self, height: int | None) -> Table:
        """Lay them out; without a height each has its own."""
        abreast = self._abreast()
        grid = Table.grid(expand=True)
        for _ in range(abreast):
            grid.add_column(ratio=1)
        width = self._console.width // abreast
        panels = [panel.drawn(width, height) for panel in self._panels.values()]
        for first in range(0, len(panels), abreast):
            grid.add_row(*panels[first : first + abreast])
        return grid


class _Panel:
    """One answer.

    Attributes:
        timing: of its stream, once it has ended.
    """

    def __init__(self, label: str, name: str, console: Console) -> None:
        self.timing = Timing()
        self._console = console
        self._label = label
        self._name = name
        self._voice = Voice()
        self._pieces: list[
            tuple[str, str, str]
        ] = []  # part, style, text; only appended to: a thread draws it meanwhile
        self._count = 0
        self._counted: int | None = None
        self._outcome: str | None = None
        self._error: str | None = None
        self._notes: list[str] = []

    def take(self, event: Event) -> None:
        self._voice.feed(event)
        match event:
            case PartDelta(choice=0) | PartWhole(choice=0) if event.kind in _STYLES:
                self._grow(event.part, event.kind, event.text)
            case PartReplace(choice=0) if event.kind in _STYLES:
                self._pieces = [piece for piece in self._pieces if piece[0] != event.part]
                self._grow(event.part, event.kind, event.text)
            case Reset():
                self._pieces = []
                self._count, self._counted = 0, None
            case UsageUpdate():
                self._counted = event.usage.output_tokens
            case StreamWarning() if event.code != "simulation":
                self._notes.append(event.text)
            case End():
                self._outcome = event.outcome
                self._error = None if event.error is None else str(event.error.to_exception())
            case _:
                call = self._voice.call(event)
                if call is not None:
                    self._pieces.append(("", "cyan", f"\n{visible(call)}\n"))

    def drawn(self, width: int, height: int | None) -> Panel:
        """Draw it: the end of its text in a panel of a height, or all of it and how it went."""
        if height is None:
            body = self._text()
            said = summary("", self._voice.message, self.timing)
            for text, style in [*((note, "yellow") for note in self._notes), (self._error or "", "bold red")]:
                if text:
                    body.append(("\n" if body else "") + visible(text), style)
            body.append(("\n" if body else "") + visible(said), "dim")
        else:
            body = self._tail(width - 4, height - 2)
        return Panel(
            body,
            title=Text.assemble((visible(self._label), "bold"), (f" · {visible(self._name)}", "dim")),
            title_align="left",
            subtitle=Text(f"{self._tokens()} · {self._state()}", style="dim"),
            subtitle_align="right",
            border_style=self._colour(),
            height=height,
        )

    def _grow(self, part: str, kind: str, text: str) -> None:
        self._count += estimate_tokens(text)
        self._pieces.append((part, _STYLES[kind], visible(text)))

    def _text(self, last: int | None = None) -> Text:
        """Give its text, or about so many characters of its end."""
        chosen: list[tuple[str, str]] = []
        pieces, size = self._pieces, 0
        at = len(pieces)
        while at > 0 and (last is None or size < last):
            at -= 1
            _, style, text = pieces[at]
            chosen.append((text, style))
            size += len(text)
        made = Text()
        for text, style in reversed(chosen):
            made.append(text, style)
        made.rstrip()
        return made

    def _tail(self, width: int, lines: int) -> Text:
        text = self._text(last=max(1, width) * lines)
        wrapped = text.wrap(self._console, max(1, width))
        return Text("\n").join(list(wrapped)[-lines:])

    def _tokens(self) -> str:
        if self._counted is not None:
            return f"{self._counted:,} tokens"
        return f"≈{self._count:,} tokens" if self._count else "no tokens yet"

    def _state(self) -> str:
        if self._outcome is not None:
            return self._outcome
        return "writing" if self._pieces else "waiting"

    def _colour(self) -> str:
        if self._outcome is None:
            return "cyan"
        return "red" if self._error else "yellow" if self._outcome in NOTICES else "green"
