"""The page and the JavaScript client, as files of the package.

Law kept here: the page loads nothing from elsewhere, runs no inline script, and stands in nobody's frame.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_FILES = {
    "/": ("index.html", "text/html"),
    "/headrace.js": ("headrace.js", "text/javascript"),
    "/assets/page.js": ("page.js", "text/javascript"),
    "/assets/page.css": ("page.css", "text/css"),
}


def add_pages(app: FastAPI) -> None:
    """Add the page's paths to the app. The files are read now, once."""
    for path, (name, media_type) in _FILES.items():
        content = files("headrace.ui").joinpath(name).read_bytes()
        app.add_api_route(path, _page(content, media_type), methods=["GET", "HEAD"], include_in_schema=False)


def _page(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)

    return page
