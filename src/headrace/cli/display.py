"""The two places that a command writes to: stdout for the answer, stderr for everything else.

Laws kept here: a pipe gets the text as it is; a terminal gets no control character of a model's or a provider's making
(they are shown, not obeyed); nothing is held back in a buffer; when both places are one screen, what goes to stderr
begins on a line of its own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.spinner import Spinner

DIM, WARN, BAD, THOUGHT = "2", "33", "1;31", "2;3"
"""Styles, as a terminal's codes."""

_CONTROLS: dict[int, int | None] = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"},  # ESC becomes its picture, ␛
    ord("\r"): None,  # of CRLF; alone it would overwrite the line
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}

_BLANKS = {ord(blank): " " for blank in "\t\n\r"}


def visible(text: str) -> str:
    """Take a terminal's control characters out of a text, all but tab and line feed."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """Bring a text into one line without control characters."""
    return visible(" ".join(text.split()))


def in_cells(text: str, width: int) -> str:
    """Bring a text, in one line, to a width in a terminal's cells: cut with … or filled with blanks."""
    from rich.cells import cell_len, set_cell_size

    shown = visible(text.translate(_BLANKS))
    if cell_len(shown) > width:
        shown = set_cell_size(shown, width - 1).rstrip() + "…"
    return set_cell_size(shown, width)


def has_colours() -> bool:
    """Say whether a terminal, if it is one, is to be given colours."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class ReaderGone(Exception):
    """Whoever read stdout has closed it."""


class OutputError(Exception):
    """Stdout cannot be written to (a full disk, or there is none)."""


class Output:
    """Stdout, unbuffered.

    Attributes:
        is_terminal: whether a person reads it.
        busy: whether a write is under way, which may wait for a slow reader, or was broken off.
        in_line: whether the last line that was written has not ended.
    """

    def __init__(self) -> None:
        stream: Any = sys.stdout
        # without a stdout, 1 may be the number of some socket of ours
        self.fd: int = -1 if stream is None else stream.fileno()
        self.is_terminal: bool = stream is not None and stream.isatty()
        self.busy = False
        self.in_line = False
        self._failed = False
        self._encoding: str = getattr(stream, "encoding", None) or "utf-8"

    def text(self, text: str) -> None:
        """Write some of the answer.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if it cannot be written.
        """
        if not text:
            return
        self.in_line = True
        self.data((visible(text) if self.is_terminal else text).encode(self._encoding, "replace"))
        self.in_line = not text.endswith("\n")

    def line(self, *pieces: tuple[str, str]) -> None:
        """Write a line of pieces, each with its style; a terminal gets the styles.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if it cannot be written.
        """
        if self.is_terminal and has_colours():
            line = "".join(f"\x1b[{style}m{visible(text)}\x1b[0m" if style else visible(text) for text, style in pieces)
            self.data((line + "\n").encode(self._encoding, "replace"))
        else:
            self.text("".join(text for text, _ in pieces) + "\n")

    def end_line(self) -> None:
        """End the last line, if it has not ended and can be ended without waiting for a reader that made us wait."""
        if self.in_line and not self._failed and not self.blocked:
            self.text("\n")

    @property
    def blocked(self) -> bool:
        """Whether a write waits for a slow reader, or was broken off and another would wait."""
        return self.busy and not select.select([], [self.fd], [], 0)[1]

    def data(self, data: bytes) -> None:
        """Write bytes as they are.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if they cannot be written.
        """
        self.busy = True
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:  # another program that shares it has made it non-blocking
                select.select([], [self.fd], [])
            except OSError as error:
                self._failed = True
                if error.errno in (errno.EPIPE, errno.ECONNRESET):
                    raise ReaderGone from None
                raise OutputError(f"cannot write to stdout: {error.strerror}") from None
        self.busy = False


class Screen:
    """Both places, and what stands on the screen that they may share.

    Attributes:
        out: stdout.
        is_terminal: whether a person reads stderr.
    """

    def __init__(self) -> None:
        self.out = Output()
        stream: Any = sys.stderr
        self.is_terminal: bool = stream is not None and stream.isatty()
        self._colours = self.is_terminal and has_colours()
        self._in_line = False  # on stderr
        self._after_aside = False
        self._waiting: _Waiting | None = None

    def wait(self, label: str) -> None:
        """Show that something is waited for, until anything is written; on a terminal only."""
        if self.is_terminal:
            self._waiting = _Waiting(visible(label))

    def stop_waiting(self) -> None:
        """Show that no more."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.stop()

    def text(self, text: str) -> None:
        """Write some of the answer to stdout.

        Raises:
            ReaderGone: if nobody reads any more.
            OutputError: if it cannot be written.
        """
        if text:
            self.stop_waiting()
            self.end_aside()
            if self._after_aside and self.out.is_terminal:
                self._err("\n", "")  # an empty line between the two, on the screen that they share
            self._after_aside = False
            self.out.text(text)

    def aside(self, text: str, style: str) -> None:
        """Write some of what is said beside the answer to stderr, without a line's end."""
        if not text:
            return
        self.stop_waiting()
        self._own_line()
        self._err(visible(text), style)
        self._in_line = not text.endswith("\n")
        self._after_aside = True

    def end_aside(self) -> None:
        """End the line on stderr, if it has not ended."""
        if self._in_line:
            self._in_line = False
            self._err("\n", "")

    def line(self, text: str, style: str = "") -> None:
        """Write a whole line to stderr, on a line of its own."""
        self.stop_waiting()
        self._after_aside = False
        self._own_line()
        self.end_aside()
        self._err(one_line(text), style)
        self._err("\n", "")

    def note(self, text: str, style: str = WARN) -> None:
        """Write a line of the program's own to stderr, with its name."""
        self.line(f"headrace: {text}", style)

    def error(self, text: str) -> None:
        """Write a line to stderr that says why it failed."""
        self.note(text, BAD)

    def _own_line(self) -> None:
        if self.out.in_line and self.out.is_terminal and self.is_terminal:
            self.out.end_line()

    def _err(self, text: str, style: str) -> None:
        stream: Any = sys.stderr
        if stream is None:
            return
        written = f"\x1b[{style}m{text}\x1b[0m" if style and self._colours else text
        # past the buffer, which would be tried again at the process's end
        with contextlib.suppress(OSError):  # nobody listens; the answer is what matters
            os.write(stream.fileno(), written.encode(stream.encoding, "backslashreplace"))


class _Waiting:
    """A spinner with the seconds that have passed, on stderr."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._label = label
        self._since = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            get_renderable=self._frame,
            console=Console(stderr=True),
            refresh_per_second=12.5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def stop(self) -> None:
        self._live.stop()

    def _frame(self) -> Spinner:
        from rich.text import Text

        seconds = int(time.monotonic() - self._since)
        self._spinner.update(text=Text(f"{self._label}  {seconds} s" if seconds else self._label, style="dim"))
        return self._spinner
