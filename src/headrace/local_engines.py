"""Engines on the user's own machine, found on their usual ports: Ollama, LM Studio, llama.cpp, vLLM.

Laws kept here: only loopback is asked, past every proxy, and never with a key; all are asked side by side and within
`WITHIN_S` in all, whatever they do; an answer is read up to a bound; an engine is known by what it alone answers:
another server at its port, one of ours too, is none.
"""

from __future__ import annotations

import errno
import io
import ipaddress
import os
import selectors
import socket
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from headrace.wire.lenient_json import as_dict, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.config import Config
    from headrace.wire.providers import Provider

WITHIN_S = 0.2
"""How long the whole search may take, in seconds."""

State = Literal["found", "empty", "other", "silent", "down", "elsewhere"]
"""Of a place: an engine with models; one without; another server; nothing is said; nobody listens; not on loopback."""

_LARGEST = 256 * 1024  # of an answer, in bytes
_MOST_DIGITS = 12  # of a length that somebody may mean
_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


class Engine(Struct, frozen=True):
    """What is at an engine's place.

    Attributes:
        provider: the name of its row.
        title: its own name.
        place: its host and port.
        state: what is there.
        models: what its list names, models for text first.
    """

    provider: str
    title: str
    place: str
    state: State
    models: tuple[str, ...] = ()


class Answer(NamedTuple):
    """An answer of HTTP: status, headers (names in lower case), body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Give the object that it holds; an empty one if it holds none, or is no success."""
        if self.status != 200:
            return {}
        try:
            return as_dict(msgspec.json.decode(self.body)) or {}
        except (ValueError, RecursionError):
            return {}


def is_wanted(config: Config) -> bool:
    """Tell whether engines may be looked for: ``HEADRACE_NO_LOCAL`` and ``local = false`` in the file forbid it."""
    return config.local and os.environ.get("HEADRACE_NO_LOCAL", "") in ("", "0")


def find_engines(config: Config, *, within_s: float = WITHIN_S) -> list[Engine]:
    """Look for the engines at the addresses of their rows, in the rows' order; it blocks for `within_s` at most."""
    places: dict[str, tuple[str, int] | None] = {}
    for name in _KINDS:
        row = config.providers.get(name)
        if row is not None:
            places[name] = _place(row)
    return search(places, within_s=within_s)


def search(places: Mapping[str, tuple[str, int] | None], *, within_s: float = WITHIN_S) -> list[Engine]:
    """Ask at each place whether its engine is there, all side by side.

    Args:
        places: an address and port by a row's name; None: it is none of this machine.
        within_s: how long that may take, in seconds, all in all.
    """
    asked = {name: [_Question(place, path) for path in _KINDS[name].paths] for name, place in places.items() if place}
    _ask([question for questions in asked.values() for question in questions], within_s)
    return [_judged(name, place, asked.get(name, [])) for name, place in places.items()]


class _Question:
    """One request to one place, and what came of it.

    Attributes:
        sock: to be waited for; None: nothing more is to come.
        events: what it waits for.
        path: what is asked for.
        refused: whether nobody listens there.
        answer: that came, whole.
    """

    def __init__(self, place: tuple[str, int], path: str) -> None:
        self.sock: socket.socket | None = None
        self.events = selectors.EVENT_WRITE
        self.path = path
        self.refused = False
        self.answer: Answer | None = None
        self._place = place
        self._came = bytearray()

    def start(self) -> None:
        """Begin to connect."""
        try:
            self.sock = socket.socket(socket.AF_INET6 if ":" in self._place[0] else socket.AF_INET)
            self.sock.setblocking(False)
            if self.sock.connect_ex(self._place) not in _UNDER_WAY:
                self._refuse()
        except OSError:
            self._refuse()

    def go_on(self) -> None:
        """Do what can be done without waiting."""
        assert self.sock is not None
        try:
            if self.events == selectors.EVENT_WRITE:
                self._send(self.sock)
            else:
                self._receive(self.sock)
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the socket."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _refuse(self) -> None:
        self.refused = True
        self.close()

    def _send(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._refuse()
            return
        host = f"[{self._place[0]}]" if ":" in self._place[0] else self._place[0]
        # 1.0: the answer comes in one piece, and its end is the connection's
        lines = f"GET {self.path} HTTP/1.0\r\nHost: {host}:{self._place[1]}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        sock.send(lines.encode("ascii"))  # a socket that was just connected has room for it
        self.events = selectors.EVENT_READ

    def _receive(self, sock: socket.socket) -> None:
        data = sock.recv(65536)
        self._came += data
        if not data or len(self._came) > _LARGEST or _is_whole(self._came):
            self.answer = _read(bytes(self._came)) if len(self._came) <= _LARGEST else None
            self.close()


def _ask(questions: list[_Question], within_s: float) -> None:
    until = time.monotonic() + within_s
    with selectors.DefaultSelector() as selector:
        try:
            for question in questions:
                question.start()
                if question.sock is not None:
                    selector.register(question.sock, question.events, question)
            while selector.get_map() and (left_s := until - time.monotonic()) > 0:
                for key, _ in selector.select(left_s):
                    question = key.data
                    question.go_on()
                    if question.sock is None:
                        selector.unregister(key.fileobj)
                    elif question.events != key.events:
                        selector.modify(key.fileobj, question.events, question)
        finally:
            for question in questions:
                question.close()


def _is_whole(data: bytearray) -> bool:
    """Tell whether an answer that gives its length is there."""
    head, end, body = bytes(data).partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return len(value.strip()) > _MOST_DIGITS or len(body) >= int(value)  # the first is no answer at all
    return False


class _Canned:
    """Bytes that came, where `http.client` wants a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _read(data: bytes) -> Answer | None:
    import http.client

    sock: Any = _Canned(data)
    response = http.client.HTTPResponse(sock)
    try:
        response.begin()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    except (http.client.HTTPException, ValueError, OverflowError, OSError):
        return None


def _judged(name: str, place: tuple[str, int] | None, questions: list[_Question]) -> Engine:
    kind = _KINDS[name]
    if place is None:
        return Engine(name, kind.title, "", "elsewhere")
    host, port = place
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    answers = {question.path: question.answer for question in questions if question.answer is not None}
    models: list[str] = []
    if answers:
        ours = any(
            field.startswith("headrace") or (field == "server" and value.lower().startswith("headrace"))
            for answer in answers.values()
            for field, value in answer.headers.items()
        )
        found = None if ours else kind.models(answers)
        state: State = "other" if found is None else "found" if found else "empty"
        models = found or []
    else:
        state = "down" if all(question.refused for question in questions) else "silent"
    return Engine(name, kind.title, shown, state, tuple(models))


# -- what each engine alone answers


def _listed(items: Any, key: str) -> list[str]:
    """Give the models of a list by the key that names them, those for text before those for embeddings."""
    rows = [row for item in as_list(items) or [] if (row := as_dict(item)) and as_text(row.get(key))]
    names = [(str(row[key]), row.get("type") == "embeddings" or "embed" in str(row[key]).lower()) for row in rows]
    return [name for name, _ in sorted(names, key=lambda named: named[1])]


def _ollama(answers: dict[str, Answer]) -> list[str] | None:
    root = answers.get("/")
    if root is None or root.status != 200 or root.body.strip() != b"Ollama is running":
        return None
    tags = answers.get("/api/tags")
    return _listed(tags and tags.json().get("models"), "name")


def _lm_studio(answers: dict[str, Answer]) -> list[str] | None:
    listed = answers["/api/v0/models"].json()
    items = as_list(listed.get("data"))
    if items is None or listed.get("object") != "list":
        return None
    if any("state" not in (as_dict(item) or {}) for item in items):
        return None
    return _listed(items, "id")


def _llama_cpp(answers: dict[str, Answer]) -> list[str] | None:
    named = any(answer.headers.get("server", "").lower().startswith("llama.cpp") for answer in answers.values())
    props, listed = answers.get("/props"), answers.get("/v1/models")
    if not named and (props is None or "default_generation_settings" not in props.json()):
        return None
    return _listed(listed and listed.json().get("data"), "id")


def _vllm(answers: dict[str, Answer]) -> list[str] | None:
    version, listed = answers.get("/version"), answers.get("/v1/models")
    if version is None or listed is None or not as_text(version.json().get("version")):
        return None
    items = as_list(listed.json().get("data"))
    if not items or any((as_dict(item) or {}).get("owned_by") != "vllm" for item in items):
        return None
    return _listed(items, "id")


class _Kind(NamedTuple):
    """An engine: its own name, what it is asked for, and what its answers say: its models, or None: it is another."""

    title: str
    paths: tuple[str, ...]
    models: Callable[[dict[str, Answer]], list[str] | None]


_KINDS = {
    "ollama": _Kind("Ollama", ("/", "/api/tags"), _ollama),
    "lmstudio": _Kind("LM Studio", ("/api/v0/models",), _lm_studio),
    "llamacpp": _Kind("llama.cpp", ("/v1/models", "/props"), _llama_cpp),
    "vllm": _Kind("vLLM", ("/version", "/v1/models"), _vllm),
}
"""By the names of their rows, in the order in which they are chosen."""


def _place(row: Provider) -> tuple[str, int] | None:
    """Give the address and port where an engine of a row would be; None: not on this machine's loopback."""
    given = next((value for name in row.base_url_env if (value := os.environ.get(name, "").strip())), row.base_url)
    try:
        parts = urlsplit(given)
        host = "127.0.0.1" if parts.hostname == "localhost" else ipaddress.ip_address(parts.hostname or "").compressed
        port = parts.port or 80
    except ValueError:
        return None
    return (host, port) if parts.scheme == "http" and ipaddress.ip_address(host).is_loopback else None
