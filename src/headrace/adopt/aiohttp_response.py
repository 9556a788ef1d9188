"""A connection over a response of aiohttp's: read as our own transport reads its own.

Law kept here: as in `headrace.transport.asynchronous`, one timer a connection, what had arrived before a connection
broke is given out, and a cut wakes the reader at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.adopt.blocking import CUT
from headrace.errors import BrokenStreamError
from headrace.transport.asynchronous import AsyncTransport, _Connection  # pyright: ignore[reportPrivateUsage]

if TYPE_CHECKING:
    import aiohttp

    from headrace.transport.base import Head
    from headrace.wire.registry import HTTPRequest


class AiohttpResponse(_Connection):
    """A response that somebody else's session has asked for."""

    def __init__(self, response: aiohttp.ClientResponse, head: Head) -> None:
        super().__init__(AsyncTransport())
        self._response = response
        self._head = head

    async def open(self, request: HTTPRequest, wait_s: float | None) -> Head:  # noqa: ARG002 - it was asked before
        """Give the response's beginning."""
        if self._cut:
            raise BrokenStreamError(CUT)
        return self._head
