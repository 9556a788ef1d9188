"""The ASGI app. Law kept here: no state but the app's own, so that a process may hold several, or mount one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from headrace import __version__
from headrace.client import AsyncClient
from headrace.errors import UsageError
from headrace.gateway.chat import Chat, openapi
from headrace.gateway.guard import Guard
from headrace.gateway.lingering import Lingering
from headrace.gateway.pages import add_pages
from headrace.gateway.response import json_response, on_bug, on_http_exception

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Collection

    from starlette.responses import Response

    from headrace.config import Config


def create_app(
    *,
    config: Config | str | os.PathLike[str] | None = None,
    model: str | None = None,
    client: AsyncClient | None = None,
    allowed_hosts: Collection[str] = ("localhost",),
    keep_alive_s: float = 15.0,
) -> FastAPI:
    """Make the gateway.

    To mount it in an app of yours, run its lifespan in yours (a mounted app's is not run by itself)::

        @asynccontextmanager
        async def lifespan(app):
            async with gateway.router.lifespan_context(gateway):
                yield

    Args:
        config: a configuration file, or one that was read; by default the one that is found.
        model: what is asked when a request names no model.
        client: whoever asks the models, in place of one of the gateway's own; it stays yours to close.
        allowed_hosts: names that requests may use for this machine, beside its loopback addresses.
        keep_alive_s: how long a stream may be silent before a comment is sent, in seconds.

    Raises:
        ConfigError: if the configuration makes no sense.
        UsageError: if a client and a configuration are given, of which one would be ignored.
    """
    if client is not None and config is not None:
        raise UsageError("give a client or a config: a client has its own configuration")
    asker = client or AsyncClient(config=config)
    chat = Chat(asker, model=model, keep_alive_s=keep_alive_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        if client is not None:
            yield
            return
        async with AsyncClient(config=asker.config) as chat.client:
            yield

    # The pages that document the API would come from elsewhere.
    app = FastAPI(
        title="Headrace",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: on_http_exception, Exception: on_bug},
    )
    app.add_middleware(Guard, allowed_hosts=allowed_hosts)
    app.add_middleware(Lingering)  # around the guard, which refuses before a body is read
    app.state.chat = chat
    app.add_api_route(
        "/chat/stream",
        chat.handle,
        methods=["POST"],
        summary="Ask, and stream the answer",
        response_model=None,
        openapi_extra=openapi(),
    )
    app.add_api_route("/healthz", _healthz, methods=["GET"], summary="Say that the gateway runs", response_model=None)
    add_pages(app)
    return app


async def _healthz() -> Response:
    return json_response({"status": "ok"})
