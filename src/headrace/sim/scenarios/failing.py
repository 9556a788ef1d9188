"""What is said when a user's own script fails: where in it, in one line."""

from __future__ import annotations

import traceback
from pathlib import Path

from headrace.errors import UsageError

_MOST_PLACES = 3
_MOST_CHARACTERS = 400


class ScriptError(UsageError):
    """A script cannot be read, or a function of it failed."""


def shortened(error: BaseException, path: str | None = None) -> str:
    """Describe an exception by its places in one file.

    Args:
        error: as it was caught.
        path: the file's; None: that of the function which the catching one had called.
    """
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if path is None:
        path = frames[1].filename if len(frames) > 1 else ""
    places = [f"line {frame.lineno} in {frame.name}" for frame in frames if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        said, places = f"{type(error).__name__}: {error.msg}", [f"line {error.lineno}"]
    where = f" ({Path(path).name}: {', '.join(places[-_MOST_PLACES:])})" if places else ""
    return said[:_MOST_CHARACTERS] + where
