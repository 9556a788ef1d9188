"""When what came."""

from __future__ import annotations

from msgspec import Struct


class Timing(Struct):
    """When what came, in seconds from the sending of the request; None: not yet.

    Attributes:
        head_s: the response's headers.
        first_token_s: the first token of text, thinking or a tool call.
        last_token_s: the last one.
        total_s: the end.
    """

    head_s: float | None = None
    first_token_s: float | None = None
    last_token_s: float | None = None
    total_s: float | None = None
