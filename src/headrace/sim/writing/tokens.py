"""Text in pieces such as models write: about four characters, a word with the space before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(
    r" ?[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]{1,2}"  # Chinese, Japanese, Korean
    r"| ?[^\W_]{1,7}"
    r"| ?[^\w\s]{1,3}"
    r"|\n+| +|_+|\s"
)


def cut(text: str) -> Iterator[str]:
    """Cut a text into pieces; together they are the text."""
    return (match[0] for match in _PIECE.finditer(text))


def count(text: str) -> int:
    """Count the pieces of a text."""
    return sum(1 for _ in _PIECE.finditer(text))
