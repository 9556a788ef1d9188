"""Who can be reached: each provider asked for its list of models, all side by side.

Laws kept here: nobody is waited for longer than the bound, not even a name's resolution; a key is sent only to its own
provider, and stands in no answer.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from headrace.errors import HeadraceError, redact
from headrace.transport.base import WaitExpired
from headrace.transport.blocking import BlockingTransport
from headrace.wire.failures import error_from_response
from headrace.wire.registry import ask_for_models, read_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.transport.base import BlockingConnection
    from headrace.wire.providers import Provider
    from headrace.wire.registry import HTTPRequest

WITHIN_S = 5.0
"""How long the answers may take, in seconds."""

_LARGEST = 8 * 1024 * 1024  # of a list, in bytes


class Place(NamedTuple):
    """Whom to ask."""

    provider: Provider
    base_url: str
    key: str | None


class Reached(NamedTuple):
    """What came of asking: the models, or in words why there are none."""

    models: tuple[str, ...] = ()
    problem: str | None = None


def reach(places: Mapping[str, Place], *, within_s: float = WITHIN_S) -> dict[str, Reached]:
    """Ask for the models at each place that has such a list; the others are not in what is given."""
    until = time.monotonic() + within_s
    answers: queue.SimpleQueue[tuple[str, Reached]] = queue.SimpleQueue()
    transport = BlockingTransport(connect_s=within_s)
    connections: list[BlockingConnection] = []
    late = Reached(problem=f"no answer within {within_s:g} s")
    found: dict[str, Reached] = {}
    for name, place in places.items():
        request = ask_for_models(place.provider, key=place.key, base_url=place.base_url)
        if request is not None:
            found[name] = late
            connection: BlockingConnection = transport.connection()
            connections.append(connection)
            # daemons: a name's resolution cannot be broken off, and is not waited for
            threading.Thread(
                target=lambda *given: answers.put((given[0], _ask(*given[1:]))),
                args=(name, place, request, connection, until, late),
                daemon=True,
            ).start()
    try:
        for _ in connections:
            name, reached = answers.get(timeout=max(0.0, until - time.monotonic()) + 0.1)
            found[name] = reached
    except queue.Empty:
        for connection in connections:
            connection.cut()
    transport.close()
    return found


def _ask(place: Place, request: HTTPRequest, connection: BlockingConnection, until: float, late: Reached) -> Reached:
    secrets = [place.key] if place.key else []
    name = place.provider.name
    try:
        head = connection.open(request, max(0.0, until - time.monotonic()))
        body = bytearray()
        while len(body) <= _LARGEST and (data := connection.read(max(0.0, until - time.monotonic()))):
            body += data
    except WaitExpired:
        return late
    except HeadraceError as error:
        return Reached(problem=redact(str(error), secrets))
    finally:
        connection.close(reuse=False)
    if head.status != 200:
        info = error_from_response(head.status, head.headers, bytes(body), provider=name, secrets=secrets)
        return Reached(problem=str(info.to_exception()))
    models = read_models(bytes(body))
    if models is None:
        return Reached(problem=f"{name} answers, but with no list of models (is the base URL right?)")
    return Reached(tuple(models))
