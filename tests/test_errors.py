"""The error tree: it is as it is drawn, it travels as data, and no key gets into it."""

import pickle

import msgspec
import pytest

from headrace import errors
from headrace.errors import (
    AuthenticationError,
    ErrorInfo,
    HeadraceError,
    ProviderError,
    StreamTimeoutError,
    TransportError,
    UsageError,
    WireError,
    redact,
    type_for_status,
    type_for_word,
)


def tree(cls: type[HeadraceError]) -> dict[str, object]:
    return {sub.__name__: tree(sub) for sub in kinds(cls)}


def every(cls: type[HeadraceError] = HeadraceError) -> list[type[HeadraceError]]:
    return [cls, *[e for sub in kinds(cls) for e in every(sub)]]


def kinds(cls: type[HeadraceError]) -> list[type[HeadraceError]]:
    """Leave out what the rooms add for themselves (a script that cannot be read, a port that is taken)."""
    return [sub for sub in cls.__subclasses__() if sub.__module__ == errors.__name__]


def test_the_tree() -> None:
    assert tree(HeadraceError) == {
        "UsageError": {
            "ConfigError": {"MissingKeyError": {}},
            "UnknownProviderError": {},
            "UnsupportedError": {},
        },
        "TransportError": {"ConnectError": {"TLSError": {}}, "BrokenStreamError": {}},
        "ProviderError": {
            "InvalidRequestError": {},
            "AuthenticationError": {},
            "PermissionDeniedError": {},
            "NotFoundError": {},
            "RateLimitError": {},
            "OverloadedError": {},
            "ServerError": {},
            "UnexpectedResponseError": {},
        },
        "StreamError": {
            "TruncatedError": {},
            "StreamTimeoutError": {},
            "RetractedError": {},
            "WireError": {"FrameTooLarge": {}},
        },
    }


def test_the_drawing_shows_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for cls in every():
        assert f" {cls.__name__} " in drawn.replace("\n", " ")


def test_builtin_relatives() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(TransportError, ConnectionError)
    assert issubclass(StreamTimeoutError, TimeoutError)


@pytest.mark.parametrize("cls", every(), ids=lambda c: c.__name__)
def test_an_error_and_its_data_are_the_same(cls: type[HeadraceError]) -> None:
    error = cls("it broke")
    assert error.info == ErrorInfo(type=cls.type, message="it broke")
    assert error.partial is None
    assert str(error) == "it broke"
    back = error.info.to_exception()
    assert type(back) is cls
    assert back.info is error.info
    assert type(pickle.loads(pickle.dumps(error))) is cls


def test_words_are_unique() -> None:
    words = [cls.type for cls in every()]
    assert len(set(words)) == len(words)


def test_all_that_is_known_travels() -> None:
    info = ErrorInfo(
        type="rate_limit",
        message="slow down",
        status=429,
        code="rate_limit_exceeded",
        request_id="req_1",
        retry_after_s=1.5,
        provider="openai",
        phase="idle",
    )
    assert msgspec.json.decode(msgspec.json.encode(info), type=ErrorInfo) == info
    error = info.to_exception()
    assert (error.status, error.code, error.request_id, error.retry_after_s) == (
        429,
        "rate_limit_exceeded",
        "req_1",
        1.5,
    )
    assert pickle.loads(pickle.dumps(error)).info == info


def test_a_type_of_a_newer_version_is_a_provider_error() -> None:
    error = ErrorInfo(type="solar_flare", message="it broke").to_exception()
    assert type(error) is ProviderError
    assert error.info.type == "solar_flare"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request"),
        (401, "authentication"),
        (402, "invalid_request"),
        (403, "permission_denied"),
        (404, "not_found"),
        (409, "invalid_request"),
        (413, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (503, "overloaded"),
        (504, "server"),
        (529, "overloaded"),
        (599, "server"),
        (200, "unexpected_response"),
        (301, "unexpected_response"),
    ],
)
def test_status(status: int, kind: str) -> None:
    assert type_for_status(status) == kind
    assert kind in {cls.type for cls in every()}


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("authentication_error", "authentication"),
        ("invalid_api_key", "authentication"),
        ("permission_error", "permission_denied"),
        ("billing_error", "permission_denied"),
        ("not_found_error", "not_found"),
        ("model_not_found", "not_found"),
        ("rate_limit_error", "rate_limit"),
        ("rate_limit_exceeded", "rate_limit"),
        ("insufficient_quota", "rate_limit"),
        ("overloaded_error", "overloaded"),
        ("Overloaded", "overloaded"),
        ("service_unavailable", "overloaded"),
        ("invalid_request_error", "invalid_request"),
        ("request_too_large", "invalid_request"),
        ("context_length_exceeded", "invalid_request"),
        ("tool_use_failed", "invalid_request"),
        ("server_error", "server"),
        ("api_error", "server"),
        ("internal_error", "server"),
        ("internal_server_error", "server"),
        ("timeout_error", "server"),
        ("something_else", None),
        ("", None),
        (None, None),
    ],
)
def test_word(word: str | None, kind: str | None) -> None:
    assert type_for_word(word) == kind


def test_every_word_stands_for_an_error_of_the_tree() -> None:
    assert set(errors._BY_WORD.values()) | set(errors._BY_STATUS.values()) <= {cls.type for cls in every()}


def test_redaction() -> None:
    assert redact("key sk-1 and sk-1 again", ["sk-1"]) == "key [redacted] and [redacted] again"
    assert redact("nothing", ["sk-1", ""]) == "nothing"
    assert redact("nothing", ()) == "nothing"


def test_redaction_of_a_key_that_begins_another() -> None:
    assert redact("Bearer sk-1-team", ["sk-1", "sk-1-team"]) == "Bearer [redacted]"


def test_errors_are_caught_by_their_family() -> None:
    with pytest.raises(ProviderError):
        raise AuthenticationError("no")
    with pytest.raises(errors.StreamError):
        raise WireError("no")
