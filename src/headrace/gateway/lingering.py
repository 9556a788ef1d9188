"""Answers that are given before the request is there whole: a refusal, mostly.

Law kept here: who still sends gets to read it. A connection that is closed with unread bytes is reset, and a reset
takes the answer with it; so what still comes is read and thrown away, for a while, before a server may close it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LINGER_S = 5.0


class Lingering:
    """Read what a client still sends when it has its answer.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; the answer's end is held back until the request's has come."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        is_whole = False

        async def receiving() -> Message:
            nonlocal is_whole
            message = await receive()
            is_whole = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not is_whole:
                await send({**message, "more_body": True})  # all that its length says: the client has it whole
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LINGER_S):
                        while not is_whole:
                            await receiving()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, receiving, sending)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
