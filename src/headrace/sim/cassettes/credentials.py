"""Where an exchange holds its secrets: headers, queries, the user's part of a URL, fields of a body.

Laws kept here: what stands in such a place is never kept; its value, and each part of it that is a secret by itself, is
known from then on and looked for everywhere else, in this exchange and the ones after it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

from headrace.sim.cassettes.scrub import SCRUBBED, SHORTEST, Search
from headrace.wire.lenient_json import as_dict, as_list

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.sim.cassettes.cassette import Headers

SECRET_HEADERS = frozenset(
    {
        "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "set-cookie",
        "openai-organization", "openai-project", "anthropic-organization-id", "x-amz-security-token",
    }
)  # fmt: skip
"""Headers whose values are never kept; their names in lower case."""

_SECRET_FIELDS = SECRET_HEADERS | {"api_key", "apikey", "access_token", "authorization_token", "auth_token"}

_QUERIES = (
    "key", "api_key", "api-key", "apikey", "access_token", "token", "sig", "signature", "x-amz-signature",
    "x-amz-security-token", "x-amz-credential", "x-goog-signature", "x-goog-credential",
)  # fmt: skip
_QUERY = re.compile(rf"(?i)([?&;](?:{'|'.join(_QUERIES)})=)([^&;#\s]+)")
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#\s]+)@")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_COOKIE = re.compile(r"[^=;,\s]+=([^;,\s]+)")
_MOST = 64


class Secrets:
    """The values that must not be kept.

    Args:
        known: values that are known beforehand, keys above all; they are never given up.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = frozenset(value.strip() for value in known)
        self._met: OrderedDict[str, None] = OrderedDict()
        self._search: Search | None = None

    @property
    def search(self) -> Search:
        """What finds the values that are known by now."""
        if self._search is None:
            self._search = Search((*self._known, *self._met))
        return self._search

    def learn(self, value: str) -> None:
        """Look for a value from now on. Cookies come and go: what was not met for longest is given up some day."""
        value = value.strip()
        if len(value) < SHORTEST or value == SCRUBBED or value in self._known:
            return
        if value not in self._met:
            self._search = None
        self._met[value] = None
        self._met.move_to_end(value)
        if len(self._met) > _MOST:
            self._met.popitem(last=False)

    def learn_headers(self, headers: Headers) -> None:
        """Learn what headers hold, their names in lower case."""
        for name, value in headers:
            if name in SECRET_HEADERS:
                self._learn_held(name, value)
            else:
                self.learn_address(value)

    def learn_address(self, text: str) -> None:
        """Learn what the URLs of a text hold."""
        for query in _QUERY.finditer(text):
            self._learn_quoted(query[2])
        for userinfo in _USERINFO.finditer(text):
            for part in (userinfo[2], *userinfo[2].split(":", 1)):
                self._learn_quoted(part)

    def learn_json(self, value: Any, field: str = "") -> None:
        """Learn what a decoded JSON value holds: in fields with a secret's name, and in texts that are URLs."""
        if isinstance(value, str):
            if field.lower() in _SECRET_FIELDS:
                self._learn_held(field.lower(), value)
            elif _URL.fullmatch(value):
                self.learn_address(value)
        for name, inner in (as_dict(value) or {}).items():
            self.learn_json(inner, name)
        for inner in as_list(value) or ():
            self.learn_json(inner, field)

    def headers(self, headers: Headers) -> Headers:
        """Scrub headers, their names in lower case."""
        return tuple((n, SCRUBBED if n in SECRET_HEADERS else self.address(value)) for n, value in headers)

    def address(self, text: str) -> str:
        """Scrub the URLs of a text, and the text."""
        return self.text(_USERINFO.sub(rf"\1{SCRUBBED}@", _QUERY.sub(rf"\1{SCRUBBED}", text)))

    def json(self, value: Any, field: str = "") -> Any:
        """Scrub a decoded JSON value."""
        if isinstance(value, str):
            if field.lower() in _SECRET_FIELDS:
                return SCRUBBED
            return self.address(value) if _URL.fullmatch(value) else self.text(value)
        fields, items = as_dict(value), as_list(value)
        if fields is not None:
            return {self.text(name): self.json(inner, name) for name, inner in fields.items()}
        if items is not None:
            return [self.json(inner, field) for inner in items]
        if isinstance(value, int | float) and not isinstance(value, bool):
            written = json.dumps(value)
            scrubbed = self.text(written)
            return value if scrubbed == written else scrubbed
        return value

    def text(self, text: str) -> str:
        """Scrub a text of the values that are known."""
        data = text.encode("utf-8", "surrogatepass")
        scrubbed = self.data(data)
        return text if scrubbed == data else scrubbed.decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        """Scrub bytes, all there are, of the values that are known."""
        return self.search.replace(data)

    def _learn_quoted(self, value: str) -> None:
        for form in (value, unquote(value), unquote_plus(value)):
            self.learn(form)

    def _learn_held(self, name: str, value: str) -> None:
        if name in ("cookie", "set-cookie"):
            # what follows a set cookie says where it holds
            for cookie in _COOKIE.findall(value.partition(";")[0] if name == "set-cookie" else value):
                self.learn(cookie)
            return
        scheme, _, credentials = value.strip().partition(" ")
        self.learn(credentials or scheme)
        if scheme.lower() == "basic":
            try:
                opened = base64.b64decode(credentials, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return
            for part in (opened, *opened.split(":", 1)):
                self.learn(part)
