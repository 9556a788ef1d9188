"""Which names hold secrets, and which values look like one: the one rule of the journal and of the cassettes.

A name is judged by its shape, whoever invented it: ``x-acme-auth``, ``acmeApiKey``, ``refresh_token``. What is harmless
all the same is listed: counts of tokens, limits of rates, tokens that are pieces of text, types and addresses.

Law kept here: a header, a query or a form field whose name may be a secret's is taken for one. In a decoded body the
value is looked at as well: there a ``token`` is as often a piece of an answer.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache

SCRUBBED = "[redacted]"
"""What stands where a secret stood."""

SHORTEST = 8
"""Characters that a value must have to be known again elsewhere: shorter words would be found in answers."""

_LONGEST_NAME = 200
_LONGEST = 8192

_SURE = re.compile(
    r"authori[sz]ation|api-?(?:key|token|secret)|passw(?:or)?d|passphrase|secret"
    r"|(?<![a-z])pwd(?![a-z])|(?<![a-z])id-?token"
    r"|(?:access|refresh|auth)-?tokens?|(?:bearer|session|security|private|personal)-?token"
    r"|(?:access|account|encryption|license|master|private|shared|signing|subscription)-?key"
)
_LIKELY = re.compile(r"auth(?!or(?!i[sz]))|token|bearer|jwt|assertion|credential|cookie|session")
_OUTSIDE_BODIES = re.compile(r"signature|(?<![a-z])(?:key|sig)$")  # a body's signature is a thought's or a document's

_HARMLESS = re.compile(
    r"tokens|tokeni[sz]\w*"
    r"|token-?(?:budget|classification|count|healing|ids?(?![a-z])|index|length|limit|log-?prob|prob|rate|type|usage)"
    r"|(?:bos|cls|continuation|decoded|eos|first|last|mask|next|pad|page|per|sep|special|stop|unk)-?token"
    r"|(?:cache|dedup|deduplication|idempotency|partition|public|routing|sort|surrogate|websocket)-key"
)
_HARMLESS_WHOLE = re.compile(
    r"(?:www|proxy)-authenticate|authentication-info|access-control-.*|.*rate-?limit.*"
    r"|.*-(?:at|count|enabled|endpoint|expir[a-z]*|expires-(?:in|at)|limit|method|mode|name|required|scopes?|status|ttl"
    r"|type|uri|url)"
)
_MORE = frozenset({"openai-organization", "openai-project", "anthropic-organization-id", "sec-websocket-protocol"})

_SCHEME = re.compile(r"\s*(?:bearer|basic|token|key|apikey)\s+", re.IGNORECASE)
_WORD = re.compile(r"\S{8,}")
_RANDOM = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_.~+/=:%|-]{8,}")
_LETTERS = re.compile(r"(?=.*[a-z])(?=.*[A-Z])[A-Za-z_.+/=-]{24,}")
_PEM = "-----BEGIN"
_KEY = re.compile(
    r"(?:sk|ek|rk|gsk|xai|pplx|nvapi|hf|r8|ghp|gho|glpat|github_pat)[-_][A-Za-z0-9_-]{16,}"
    r"|AIza[A-Za-z0-9_-]{30,}|AKIA[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
)


class Strength(IntEnum):
    """How much a name of a body's field says that a secret stands there."""

    NONE = 0
    LIKELY = 1
    SURE = 2


def is_secret_name(name: str) -> bool:
    """Tell whether a header's, a query's or a form field's value is taken for a secret."""
    return _is_secret(name[:_LONGEST_NAME])


def strength(name: str) -> Strength:
    """Tell how much the name of a JSON field says."""
    return _strength(name[:_LONGEST_NAME])


def is_word(text: str) -> bool:
    """Tell whether a text can be a credential at all: one word that is long enough, and no address."""
    if len(text) > _LONGEST or "://" in text:
        return False
    return text.startswith(_PEM) or _WORD.fullmatch(without_scheme(text)) is not None


def looks_random(text: str) -> bool:
    """Tell whether a text looks like a credential, and not like a word of a language or of a protocol."""
    if not is_word(text):
        return False
    word = without_scheme(text)
    made = word.startswith(_PEM) or _RANDOM.fullmatch(word) or _LETTERS.fullmatch(word)
    return bool(made) and len(set(word)) > SHORTEST // 2


def is_key(text: str) -> bool:
    """Tell whether a text has the form of a well-known provider's key, whatever it is called."""
    return _KEY.fullmatch(text) is not None


def without_scheme(text: str) -> str:
    """Give a credential without ``Bearer`` and the like before it."""
    found = _SCHEME.match(text)
    return text[found.end() :] if found else text


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    plain = _plain(name)
    if plain in _MORE:
        return True
    if _HARMLESS_WHOLE.fullmatch(plain):
        return False
    rest = _HARMLESS.sub("", plain)
    return any(shape.search(text) for shape, text in ((_SURE, plain), (_LIKELY, rest), (_OUTSIDE_BODIES, rest)))


@lru_cache(maxsize=4096)
def _strength(name: str) -> Strength:
    plain = _plain(name)
    if plain in _MORE:
        return Strength.SURE
    if _HARMLESS_WHOLE.fullmatch(plain):
        return Strength.NONE
    if _SURE.search(plain):
        return Strength.SURE
    return Strength.LIKELY if _LIKELY.search(_HARMLESS.sub("", plain)) else Strength.NONE


def _plain(name: str) -> str:
    return re.sub(r"[_.\s]+", "-", name.strip().lower())
