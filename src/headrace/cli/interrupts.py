"""Ctrl-C, SIGTERM and a reader that goes away: each stops the model, and the command then ends in order.

Laws kept here: a signal's handler takes no lock and runs no library code (it may have interrupted that very code); the
first signal cancels the stream, so that what had arrived is kept and the end is told; a second one, or one that finds
nothing to cancel, raises `KeyboardInterrupt`; a signal that comes just before the main thread begins to wait, which
Python notices only after the wait, is not lost.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import stat
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import FrameType

    from headrace.cli.display import Output

READER_GONE = 128 + 13
"""The exit code of a program that SIGPIPE ended, as shells give it."""

_MOMENT_S = 0.05


class Cancellable(Protocol):
    """A stream, or several together."""

    def cancel(self) -> None:
        """End it, from any thread."""
        ...


class Interrupts:
    """Watch for what ends a command early.

    Attributes:
        stream: what is to be cancelled; None: there is nothing.
        signum: the signal that came, None if none did.
        reader_gone: whether whoever read stdout has closed it.
    """

    def __init__(self, out: Output) -> None:
        self.stream: Cancellable | None = None
        self.signum: int | None = None
        self.reader_gone = False
        self._out = out
        self._calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def install(self) -> None:
        """Begin to watch, for the rest of the process; to be called in the main thread."""
        threads = [self._cancel]
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
                signal.signal(number, self._handle)
        if hasattr(signal, "pthread_kill"):
            self._told, tells = os.pipe()
            os.set_blocking(tells, False)
            signal.signal(signal.SIGURG, lambda _, __: None)
            signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
            threads.append(self._wake)
        if self._out.fd >= 0 and hasattr(select, "poll") and stat.S_ISFIFO(os.fstat(self._out.fd).st_mode):
            threads.append(self._watch_reader)
        for run in threads:
            threading.Thread(target=run, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """Give the exit code that tells of it; None: nothing came."""
        if self.signum is not None:
            return 128 + self.signum
        return READER_GONE if self.reader_gone else None

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal wants it
        first = self.signum is None
        self.signum = number
        if self.stream is None or not first or self._out.blocked:
            raise KeyboardInterrupt
        self._calls.put(None)  # the one way to call another thread that is safe in a handler

    def _cancel(self) -> None:
        while True:
            self._calls.get()
            stream = self.stream
            if stream is not None:
                stream.cancel()

    def _wake(self) -> None:
        # A signal that comes after Python's last look and before the main thread's wait does not end that wait, and its
        # handler would run after it. A second one, which means nothing, ends it.
        while True:
            if any(number != signal.SIGURG for number in os.read(self._told, 16)):
                time.sleep(_MOMENT_S)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)

    def _watch_reader(self) -> None:
        # A closed pipe shows at the next write; a model that is silent, or thinks, should not go on until then.
        poll = select.poll()
        poll.register(self._out.fd, 0)
        poll.poll()
        self.reader_gone = True
        self._calls.put(None)
