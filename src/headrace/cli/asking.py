"""Asking at the command line: who is asked is said first, and whatever ends it early ends it in order.

Laws kept here: nothing is sent before the choice of a model was told; a signal, a reader that goes away and a failure
each have an exit code, and none of them a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.display import OutputError, ReaderGone
from headrace.errors import HeadraceError, UsageError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from headrace.cli.display import Screen
    from headrace.cli.interrupts import Cancellable, Interrupts
    from headrace.targets import Target


def introduce(target: Target, screen: Screen) -> None:
    """Say who is asked, where the user has not."""
    if target.chosen:
        screen.note(f"no model was named; asking {target.name} ({target.chosen})")


def failure_code(error: Exception) -> int:
    """Give the exit code that an error stands for."""
    return 2 if isinstance(error, UsageError) else 1


class Watch:
    """A block in which a stream, or several, may be ended early; what ends it does not get out of the block.

    Args:
        asked: what is to be cancelled.
        label: whom it asks, shown while it is waited for; None: that is shown elsewhere.
        screen: shows it.
        interrupts: what may end it.

    Attributes:
        error: what failed, None if nothing did.
    """

    def __init__(self, asked: Cancellable, label: str | None, screen: Screen, interrupts: Interrupts) -> None:
        self.error: Exception | None = None
        self._asked = asked
        self._label = label
        self._screen = screen
        self._interrupts = interrupts

    def __enter__(self) -> Self:
        self._interrupts.stream = self._asked
        if self._interrupts.reader_gone:
            self._asked.cancel()
        if self._label is not None:
            self._screen.wait(self._label)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._interrupts.stream = None
        self._screen.stop_waiting()
        match error:
            case ReaderGone():
                self._interrupts.reader_gone = True
            case HeadraceError() | OutputError():
                self.error = error
            case KeyboardInterrupt():
                pass
            case _:
                return False
        return True

    @property
    def code(self) -> int:
        """The exit code, so far."""
        code = self._interrupts.exit_code
        if code is None:
            code = 0 if self.error is None else failure_code(self.error)
        return code
