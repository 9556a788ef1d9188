"""Every error that Headrace raises, in one tree.

    HeadraceError
    ├── UsageError                  called in a way that cannot work        (also ValueError)
    │   ├── ConfigError             settings or a configuration file that make no sense
    │   │   └── MissingKeyError     no API key where one is needed
    │   ├── UnknownProviderError    "acme/model" and nobody knows acme
    │   └── UnsupportedError        this wire cannot say what was asked for
    ├── TransportError              the sockets                              (also ConnectionError)
    │   ├── ConnectError            no connection: refused, no such host, connect timeout
    │   │   └── TLSError            a connection, but no trust
    │   └── BrokenStreamError       reset or cut in the middle
    ├── ProviderError               the provider answered, and said no
    │   ├── InvalidRequestError     400, 409, 413, 422, …
    │   ├── AuthenticationError     401
    │   ├── PermissionDeniedError   403
    │   ├── NotFoundError           404: mostly an unknown model
    │   ├── RateLimitError          429
    │   ├── OverloadedError         503, 529, or said so inside the stream
    │   ├── ServerError             any other 5xx
    │   └── UnexpectedResponseError not the stream that was asked for: HTML, an empty body, another format
    └── StreamError                 the stream ended in a way that is no success
        ├── TruncatedError          the upstream vanished before it said that it was finished
        ├── StreamTimeoutError      first token, idle or total               (also TimeoutError)
        ├── RetractedError          an append-only view met a Reset after output
        └── WireError               bytes that are not the wire's format
            └── FrameTooLarge       a frame over the limit

Laws kept here: an error is made of an `ErrorInfo`, which is data and travels in an `End` event, in a log and over the
gateway; `ErrorInfo.to_exception` gives the exception back.  An error that ends a stream carries what had arrived
(`partial`).  A key never gets in: `redact` is applied where a provider's words are taken over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.message import Message


class ErrorInfo(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Say what went wrong, as data.

    Attributes:
        type: which error of the tree, as a word (``rate_limit``, ``connect``, ``truncated``, …).
        message: a sentence for people, with what to do where that is known.
        status: HTTP status of the provider's answer, if there was one.
        code: the provider's own code or error type, as given.
        request_id: the provider's id of the request, for its support.
        retry_after_s: seconds to wait before trying again, where the provider said so.
        provider: the provider's name.
        phase: for timeouts: ``first_token``, ``idle`` or ``total``.
    """

    type: str
    message: str
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    provider: str | None = None
    phase: str | None = None

    def to_exception(self) -> HeadraceError:
        """Make the exception that this information describes."""
        return _BY_TYPE.get(self.type, ProviderError)(self.message, info=self)


class HeadraceError(Exception):
    """Root of the tree.

    Attributes:
        info: the same as data.
        partial: the message as far as it had arrived, when the error ended a stream; else None.
    """

    type: ClassVar[str] = "error"

    def __init__(self, message: str, *, info: ErrorInfo | None = None) -> None:
        super().__init__(message)
        self.info: ErrorInfo = info if info is not None else ErrorInfo(type=self.type, message=message)
        self.partial: Message | None = None

    @property
    def status(self) -> int | None:
        """HTTP status of the provider's answer, or None."""
        return self.info.status

    @property
    def code(self) -> str | None:
        """Give the provider's own code, or None."""
        return self.info.code

    @property
    def request_id(self) -> str | None:
        """Give the provider's id of the request, or None."""
        return self.info.request_id

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait before trying again, or None."""
        return self.info.retry_after_s


class UsageError(HeadraceError, ValueError):
    """Headrace was called in a way that cannot work."""

    type = "usage"


class ConfigError(UsageError):
    """Settings, or a configuration file, make no sense."""

    type = "config"


class MissingKeyError(ConfigError):
    """No API key where one is needed."""

    type = "missing_key"


class UnknownProviderError(UsageError):
    """The part of a model's name before the slash is no provider that is known."""

    type = "unknown_provider"


class UnsupportedError(UsageError):
    """The wire cannot say what was asked for; the message names the field."""

    type = "unsupported"


class TransportError(HeadraceError, ConnectionError):
    """The sockets failed."""

    type = "transport"


class ConnectError(TransportError):
    """No connection could be made."""

    type = "connect"


class TLSError(ConnectError):
    """The other side's certificate, or its TLS, cannot be trusted."""

    type = "tls"


class BrokenStreamError(TransportError):
    """The connection broke after the request was sent."""

    type = "broken_stream"


class ProviderError(HeadraceError):
    """The provider answered, and said no: before the stream (with a status) or inside it."""

    type = "provider"


class InvalidRequestError(ProviderError):
    """The provider refuses this request as it is; sending it again will not help."""

    type = "invalid_request"


class AuthenticationError(ProviderError):
    """The provider does not know the key."""

    type = "authentication"


class PermissionDeniedError(ProviderError):
    """The key may not do this."""

    type = "permission_denied"


class NotFoundError(ProviderError):
    """No such model, or no such address."""

    type = "not_found"


class RateLimitError(ProviderError):
    """Too many requests, or a quota is used up."""

    type = "rate_limit"


class OverloadedError(ProviderError):
    """The provider has no room at the moment."""

    type = "overloaded"


class ServerError(ProviderError):
    """The provider failed."""

    type = "server"


class UnexpectedResponseError(ProviderError):
    """The answer is not the stream that was asked for."""

    type = "unexpected_response"


class StreamError(HeadraceError):
    """The stream ended in a way that is no success."""

    type = "stream"


class TruncatedError(StreamError):
    """The upstream vanished before it said that it was finished."""

    type = "truncated"


class StreamTimeoutError(StreamError, TimeoutError):
    """A token did not come in time; `info.phase` says which limit."""

    type = "timeout"


class RetractedError(StreamError):
    """What an append-only view had given out was taken back."""

    type = "retracted"


class WireError(StreamError):
    """The bytes are not the format that the wire prescribes."""

    type = "wire"


class FrameTooLarge(WireError):
    """A single frame is larger than the limit."""

    type = "frame_too_large"


def _walk(cls: type[HeadraceError]) -> Iterable[type[HeadraceError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _walk(sub)


_BY_TYPE: dict[str, type[HeadraceError]] = {cls.type: cls for cls in _walk(HeadraceError)}

_BY_STATUS: dict[int, str] = {
    401: "authentication",
    403: "permission_denied",
    404: "not_found",
    429: "rate_limit",
    503: "overloaded",
    529: "overloaded",
}


def type_for_status(status: int) -> str:
    """Name the error that an HTTP status stands for."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500:
        return "invalid_request"
    return "server" if status >= 500 else "unexpected_response"


# The providers' words for what went wrong, in error bodies and inside streams (OpenAI's `error.type`/`error.code`,
# Anthropic's `error.type`); everything else falls back on the HTTP status.
_BY_WORD: dict[str, str] = {
    "authentication_error": "authentication",
    "invalid_api_key": "authentication",
    "permission_error": "permission_denied",
    "not_found_error": "not_found",
    "model_not_found": "not_found",
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "insufficient_quota": "rate_limit",
    "overloaded_error": "overloaded",
    "overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "invalid_request_error": "invalid_request",
    "request_too_large": "invalid_request",
    "context_length_exceeded": "invalid_request",
    "tool_use_failed": "invalid_request",
    "billing_error": "permission_denied",
    "server_error": "server",
    "api_error": "server",
    "internal_error": "server",
    "internal_server_error": "server",
    "timeout_error": "server",
}


def type_for_word(word: str | None) -> str | None:
    """Name the error that a provider's own word stands for, or None if the word is not known."""
    return _BY_WORD.get(word.lower()) if word else None


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replace each of the secrets wherever it stands in the text. To be done before the text is cut short."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
        if secret:
            text = text.replace(secret, "[redacted]")
    return text
