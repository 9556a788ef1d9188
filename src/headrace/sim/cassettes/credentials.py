"""Where an exchange holds its secrets: headers, queries, the user's part of a URL, fields of a body.

Laws kept here: what stands in such a place is never kept; its value, and each part of it that is a secret by itself, is
known from then on and looked for everywhere else: in this exchange to its end, whatever else it shows, and in the ones
after it as long as `Memory` keeps it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from headrace.sim.cassettes.fields import form_secrets, json_secrets
from headrace.sim.cassettes.memory import Memory
from headrace.sim.cassettes.places import Place, was_asked
from headrace.sim.cassettes.scrub import Search, marked, merged
from headrace.sim.secrets import SCRUBBED, SHORTEST, is_secret_name, looks_random, without_scheme
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headrace.sim.cassettes.cassette import Headers
    from headrace.sim.cassettes.memory import Kind

_PAIR = re.compile(r"([?&;#])([^=?&;#\s]{1,200})=([^&;#\s]+)")
_USERINFO = re.compile(r"(://)([^/?#\s]+)@")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_PARTS = re.compile(r"[\s,;\"]+")
_ARMOUR = "-----"
_LONGEST_URL = 1024 * 1024


class Secrets:
    """The values that must not be kept of one exchange.

    Args:
        known: values that are known beforehand, keys above all.
        memory: what other exchanges have shown, and are told of this one.
    """

    def __init__(self, known: Iterable[str] = (), *, memory: Memory | None = None) -> None:
        self._memory = memory or Memory(known)
        self._own: dict[str, Kind] = {}
        self._search: tuple[int, Search] | None = None

    @property
    def search(self) -> Search:
        """What finds the values that are known by now."""
        changes = self._memory.changes
        if self._search is None or self._search[0] != changes:
            values = dict([*self._memory.values(), *self._own.items()])
            echoed = {value for value, kind in values.items() if kind in ("key", "field")}
            self._search = changes, Search(echoed, values.keys() - echoed)
        return self._search[1]

    def learn(self, value: str, kind: Kind = "key") -> None:
        """Look for a value from now on; of one that has lines, for each of them."""
        for line in value.splitlines():
            word = line.strip()
            if len(word) < SHORTEST or word == SCRUBBED or word.startswith(_ARMOUR):
                continue
            if word not in self._own:
                self._search = None
                self._own[word] = kind
            self._memory.note(word, kind)

    def learn_headers(self, headers: Headers) -> None:
        """Learn what headers hold, their names in lower case."""
        for name, value in headers:
            if is_secret_name(name):
                self._learn_held(name, value)
            else:
                self.learn_address(value)

    def learn_address(self, text: str, deeper: int = 2) -> None:
        """Learn what the URLs of a text hold, and the URLs that they hold in turn, so many times."""
        for pair in _PAIR.finditer(text):
            value = unquote(pair[3])
            if is_secret_name(unquote_plus(pair[2])):
                self._learn_forms(pair[3])
            elif deeper and value != pair[3]:
                self.learn_address(value, deeper - 1)
        for userinfo in _USERINFO.finditer(text):
            for part in (userinfo[2], *userinfo[2].split(":", 1)):
                self._learn_forms(part)

    def learn_field(self, text: str) -> None:
        """Learn what a field of a body holds."""
        self._learn_held("", text, "field")

    def learn_json(self, value: Any) -> bool:
        """Learn what a decoded JSON value holds: in fields with a secret's name, and in texts that are URLs.

        Returns:
            bool: whether anything was found that must not be kept.
        """
        found = False
        for place, text in _texts(value, Place()):
            if was_asked(place, text):
                self.learn_field(text)
                found = True
            elif _is_url(text):
                self.learn_address(text)
                found = found or _without_secrets(text) != text
        return found

    def headers(self, headers: Headers) -> Headers:
        """Scrub headers, their names in lower case."""
        return tuple(
            (name, SCRUBBED if is_secret_name(name) else self.address(value))
            for name, value in headers
            if self.text(name) == name  # a name cannot have the mark in it
        )

    def address(self, text: str) -> str:
        """Scrub the URLs of a text, and the text."""
        return self.text(_without_secrets(text))

    def json(self, value: Any, place: Place = Place()) -> Any:  # noqa: B008 - it is a constant
        """Scrub a decoded JSON value."""
        if isinstance(value, str):
            if was_asked(place, value):
                return SCRUBBED
            return self.address(value) if _is_url(value) else self.text(value)
        fields, items = as_dict(value), as_list(value)
        if fields is not None:
            return {self.text(name): self.json(inner, at) for name, inner, at in place.fields(fields)}
        if items is not None:
            return [self.json(inner, place) for inner in items]
        if isinstance(value, int | float) and not isinstance(value, bool):
            written = json.dumps(value)
            scrubbed = self.text(written)
            return value if scrubbed == written else scrubbed
        return value

    def body(self, data: bytes) -> bytes:
        """Scrub a body that is no JSON, and learn what it holds: forms, in parts or not, and JSON that it has in it."""
        places: list[tuple[int, int]] = []
        for start, end, values in form_secrets(data):
            places.append((start, end))
            for value in values:
                self.learn_field(value)
        for value in json_secrets(data):
            self.learn_field(value)
        return self.data(marked(data, merged(places)))

    def text(self, text: str) -> str:
        """Scrub a text of the values that are known."""
        data = text.encode("utf-8", "surrogatepass")
        scrubbed = self.data(data)
        return text if scrubbed == data else scrubbed.decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        """Scrub bytes, all there are, of the values that are known."""
        return self.search.replace(data)

    def _learn_forms(self, value: str) -> None:
        for form in (value, unquote(value), unquote_plus(value)):
            self.learn(form, "signature")

    def _learn_held(self, name: str, value: str, kind: Kind = "key") -> None:
        if name in ("cookie", "set-cookie"):
            # what follows a set cookie says where it holds
            for cookie in value.split(";")[: 1 if name == "set-cookie" else None]:
                held = cookie.partition("=")[2].strip()
                for part in (held, *held.split(",")):
                    self.learn(part, "cookie")
            return
        if any(sign in value for sign in ("Signature=", "signature=")) or "signature" in name:
            kind = "signature"  # each request has another one
        self.learn(without_scheme(value), kind)
        if value.startswith(_ARMOUR):
            return
        scheme, _, credentials = value.strip().partition(" ")
        self.learn(credentials or scheme, kind)
        for part in _PARTS.split(value):
            before, sign, after = part.partition("=" if "=" in part else ".")
            for word in (part, after if sign == "=" or is_secret_name(before) else ""):
                if looks_random(word):
                    self.learn(word, kind)
        if scheme.lower() == "basic":
            try:
                opened = base64.b64decode(credentials, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return
            for part in (opened, *opened.split(":", 1)):
                self.learn(part, kind)


def _is_url(text: str) -> bool:
    return "://" in text[:64] and len(text) <= _LONGEST_URL and _URL.fullmatch(text) is not None


def _without_secrets(address: str) -> str:
    return _USERINFO.sub(rf"\1{SCRUBBED}@", _PAIR.sub(_scrubbed_pair, address))


def _scrubbed_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}={SCRUBBED}" if is_secret_name(unquote_plus(pair[2])) else pair[0]


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Give the texts of a decoded JSON value, and where they stand."""
    level = [(place, value)]
    while level:
        deeper: list[tuple[Place, Any]] = []
        for at, inner in level:
            if isinstance(inner, str):
                yield at, inner
            for _, field, there in at.fields(as_dict(inner) or {}):
                deeper.append((there, field))
            deeper += ((at, item) for item in as_list(inner) or ())
        level = deeper
