"""Refusals written in each vendor's shape, and read back to the same error."""

import json
from typing import Any, cast

import pytest

from headrace.errors import ErrorInfo, type_for_status
from headrace.wire.failures import error_from_response
from headrace.wire.providers import WireName
from headrace.wire.registry import WIRES, encode_failure
from tests.wire.streams import Json, decode_whole

# type of the error -> status and words: OpenAI's type and code, Anthropic's type
TYPES: dict[str, tuple[int, str, str | None, str]] = {
    "invalid_request": (400, "invalid_request_error", None, "invalid_request_error"),
    "authentication": (401, "invalid_request_error", "invalid_api_key", "authentication_error"),
    "permission_denied": (403, "permission_error", None, "permission_error"),
    "not_found": (404, "invalid_request_error", "model_not_found", "not_found_error"),
    "rate_limit": (429, "requests", "rate_limit_exceeded", "rate_limit_error"),
    "server": (500, "server_error", None, "api_error"),
    "overloaded": (503, "overloaded_error", None, "overloaded_error"),
}

# status -> OpenAI's type, Anthropic's
STATUSES: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("invalid_request_error", "authentication_error"),
    402: ("invalid_request_error", "billing_error"),
    403: ("permission_error", "permission_error"),
    404: ("invalid_request_error", "not_found_error"),
    408: ("invalid_request_error", "invalid_request_error"),
    409: ("invalid_request_error", "invalid_request_error"),
    413: ("invalid_request_error", "request_too_large"),
    422: ("invalid_request_error", "invalid_request_error"),
    429: ("requests", "rate_limit_error"),
    500: ("server_error", "api_error"),
    502: ("server_error", "api_error"),
    503: ("overloaded_error", "overloaded_error"),
    504: ("server_error", "timeout_error"),
    529: ("overloaded_error", "overloaded_error"),
}


def written(wire: WireName, **fields: Any) -> tuple[int, Json]:
    status, body = encode_failure(wire, ErrorInfo(message="it is so", **fields))
    return status, cast("Json", json.loads(body))


def reread(wire: WireName, info: ErrorInfo) -> ErrorInfo:
    status, body = encode_failure(wire, info)
    return error_from_response(status, {}, body)


@pytest.mark.parametrize("kind", TYPES)
def test_an_error_has_its_vendors_status_and_words(kind: str) -> None:
    status, word, code, other = TYPES[kind]
    error = {"message": "it is so", "type": word, "param": None, "code": code}
    assert written("openai-chat", type=kind) == written("openai-responses", type=kind) == (status, {"error": error})
    body = {"type": "error", "error": {"type": other, "message": "it is so"}}
    assert written("anthropic", type=kind) == (529 if kind == "overloaded" else status, body)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", TYPES)
def test_an_error_is_read_back_as_the_same(wire: WireName, kind: str) -> None:
    info = ErrorInfo(type=kind, message="it is so")
    assert reread(wire, info).type == kind
    assert "it is so" in reread(wire, info).message
    # also without the status, as a document or in band
    error = decode_whole(wire, encode_failure(wire, info)[1]).message.error
    assert error is not None
    assert error.type == kind


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_that_is_given_wins(wire: WireName, status: int) -> None:
    for kind in ("server", "invalid_request", "odd"):
        found, body = written(wire, type=kind, status=status)
        assert found == status
        assert body["error"]["type"] == STATUSES[status][wire == "anthropic"]
        info = reread(wire, ErrorInfo(type=kind, message="it is so", status=status))
        assert (info.type, info.status) == (type_for_status(status), status)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [None, 200, 302, 0])
def test_a_status_that_is_none_of_an_error_does_not_count(wire: WireName, status: int | None) -> None:
    assert written(wire, type="rate_limit", status=status)[0] == 429


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("unsupported", 400),
        ("usage", 400),
        ("timeout", 504),
        ("connect", 500),
        ("truncated", 500),
        ("unexpected_response", 500),
        ("provider", 500),
    ],
)
def test_errors_of_ours_have_a_status_too(kind: str, status: int) -> None:
    for wire in WIRES:
        assert written(wire, type=kind)[0] == status
        assert reread(wire, ErrorInfo(type=kind, message="it is so")).type == type_for_status(status)


def test_openais_code_is_the_providers() -> None:
    _, quota = written("openai-chat", type="rate_limit", code="insufficient_quota")
    assert (quota["error"]["type"], quota["error"]["code"]) == ("rate_limit_error", "insufficient_quota")
    _, usual = written("openai-chat", type="authentication", code="invalid_api_key")
    assert (usual["error"]["type"], usual["error"]["code"]) == ("invalid_request_error", "invalid_api_key")
    _, own = written("openai-chat", type="invalid_request", code="context_length_exceeded")
    assert own["error"]["code"] == "context_length_exceeded"
    info = ErrorInfo(type="authentication", message="it is so", code="novel")
    assert reread("openai-chat", info).code == "novel"


def test_anthropics_type_is_the_providers_if_it_is_of_this_wire() -> None:
    for code, word in (("timeout_error", "timeout_error"), ("server_error", "api_error"), ("novel", "api_error")):
        assert written("anthropic", type="server", code=code)[1]["error"]["type"] == word
    # a word that means something else
    assert written("anthropic", type="server", code="rate_limit_error")[1]["error"]["type"] == "api_error"
    _, body = written("anthropic", type="server", request_id="req_1")
    assert body["request_id"] == "req_1"
    assert reread("anthropic", ErrorInfo(type="server", message="it is so", request_id="req_1")).request_id == "req_1"
