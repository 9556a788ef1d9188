"""What fails in a user's own functions, told to whoever plays the answer.

The client gets an error in its place, which may be just what a test expects: so somebody else must know.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_hearing: ContextVar[Callable[[BaseException], object] | None] = ContextVar("hearing", default=None)


def tell_failure(error: BaseException) -> None:
    """Tell of a failure that is answered, if anybody wants to know."""
    told = _hearing.get()
    if told is not None:
        told(error)


@contextlib.contextmanager
def hearing_failures(told: Callable[[BaseException], object]) -> Generator[None]:
    """Be told of the failures in a block."""
    token = _hearing.set(told)
    try:
        yield
    finally:
        _hearing.reset(token)
