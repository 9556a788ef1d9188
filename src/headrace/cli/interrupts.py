"""Ctrl-C, SIGTERM and a reader that goes away: each stops the model, and the command then ends in order.

Laws kept here: a signal's handler takes no lock and runs no library code (it may have interrupted that very code); the
first signal cancels the stream, so that what had arrived is kept and the end is told; a second one, or one that finds
nothing to cancel, raises `KeyboardInterrupt`.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import stat
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from headrace.cli.display import Output
    from headrace.stream import Stream

READER_GONE = 128 + 13
"""The exit code of a program that SIGPIPE ended, as shells give it."""


class Interrupts:
    """Watch for what ends a command early.

    Attributes:
        stream: what is to be cancelled; None: there is nothing.
        signum: the signal that came, None if none did.
        reader_gone: whether whoever read stdout has closed it.
    """

    def __init__(self, out: Output) -> None:
        self.stream: Stream | None = None
        self.signum: int | None = None
        self.reader_gone = False
        self._out = out
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def install(self) -> None:
        """Begin to watch, for the rest of the process."""
        threading.Thread(target=self._cancel, daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
                signal.signal(number, self._handle)
        if self._out.fd >= 0 and hasattr(select, "poll") and stat.S_ISFIFO(os.fstat(self._out.fd).st_mode):
            threading.Thread(target=self._watch_reader, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """Give the exit code that tells of it; None: nothing came."""
        if self.signum is not None:
            return 128 + self.signum
        return READER_GONE if self.reader_gone else None

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal wants it
        first = self.signum is None
        self.signum = number
        if self.stream is None or not first or self._out.busy:
            raise KeyboardInterrupt
        self._calls.put(None)  # the one way to call another thread that is safe in a handler

    def _cancel(self) -> None:
        while True:
            self._calls.get()
            stream = self.stream
            if stream is not None:
                stream.cancel()

    def _watch_reader(self) -> None:
        # A closed pipe shows at the next write; a model that is silent, or thinks, should not go on until then.
        poll = select.poll()
        poll.register(self._out.fd, 0)
        poll.poll()
        self.reader_gone = True
        self._calls.put(None)
