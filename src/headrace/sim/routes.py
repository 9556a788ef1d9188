"""Which paths the simulated provider answers, and which methods they know.

The vendors' own paths, behind any prefix: ``/v1/chat/completions``, ``/openai/deployments/NAME/chat/completions``,
``/anthropic/v1/messages``.  What is no path of theirs is refused as theirs would be, by the signs of the wire that the
request has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from msgspec import Struct

from headrace.sim.asked.refused import Refused
from headrace.wire.providers import WireName

if TYPE_CHECKING:
    from headrace.sim.play import Call

Task = Literal["answer", "count", "models"]


class Route(Struct, frozen=True):
    """What a call wants.

    Attributes:
        wire: in whose words.
        task: an answer, the number of tokens, or models.
        name: of the model, if the path has one.
    """

    wire: WireName
    task: Task
    name: str = ""


_CHAT = re.compile(r"(?:.*/deployments/([^/]+)|.*)/chat/completions")
_MESSAGES = re.compile(r".*/messages(/count_tokens)?")
_MODELS = re.compile(r"(?:/[^/]+)*?/models(?:/(.+))?")


def wire_of(call: Call) -> WireName:
    """Guess the wire of a call, also of one that no path of ours is."""
    path = call.path.partition("?")[0]
    if _CHAT.fullmatch(path):
        return "openai-chat"
    if _MESSAGES.fullmatch(path) or call.headers.keys() & {"anthropic-version", "x-api-key"}:
        return "anthropic"
    return "openai-chat"


def route_of(call: Call) -> Route:
    """Find what a call wants.

    Raises:
        Refused: if there is no such path, or it does not know the method.
    """
    path = call.path.partition("?")[0]
    wire = wire_of(call)
    allow = "POST"
    if found := _CHAT.fullmatch(path):
        route = Route(wire, "answer", unquote(found[1] or ""))
    elif found := _MESSAGES.fullmatch(path):
        route = Route(wire, "count" if found[1] else "answer")
    elif found := _MODELS.fullmatch(path):
        route = Route(wire, "models", unquote(found[1] or ""))
        allow = "GET, HEAD"
    else:
        raise Refused(_unknown(wire, call.method, path), status=404, code="unknown_url")
    if call.method not in allow.split(", "):
        raise Refused(_wrong_method(wire, call.method, path), status=405, code="method_not_supported", allow=allow)
    return route


def _unknown(wire: WireName, method: str, path: str) -> str:
    if wire == "anthropic":
        return "Not Found"
    return f"Invalid URL ({method} {path})"


def _wrong_method(wire: WireName, method: str, path: str) -> str:
    if wire == "anthropic":
        return "Method Not Allowed"
    return f"Not allowed to {method} on {path}"
