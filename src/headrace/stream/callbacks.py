"""What `run` calls back: plain functions, in async code coroutine functions too."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from headrace.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def refuse_awaitable(said: object) -> None:
    """See that nobody has to await what a callback gave.

    Raises:
        UsageError: if somebody would have to.
    """
    if said is not None and inspect.isawaitable(said):
        if inspect.iscoroutine(said):
            said.close()
        raise UsageError("a callback gave something to await, which blocking code cannot; use headrace.astream")


def check_callbacks(callbacks: Mapping[str, Callable[..., Any] | None], *, blocking: bool) -> None:
    """See that what was given can be called.

    Raises:
        UsageError: if it cannot, or if it is a coroutine function that blocking code would never await.
    """
    for name, callback in callbacks.items():
        if callback is None:
            continue
        if not callable(callback):
            raise UsageError(f"{name} must be a function, not {type(callback).__name__}")
        if blocking and (
            inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004 - an object with an async __call__
        ):
            raise UsageError(f"{name} is a coroutine function, which blocking code cannot await; use headrace.astream")
