"""Providers' words for what went wrong: their shapes, their headers, and no key in any of it."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from headrace.errors import ErrorInfo, RateLimitError
from headrace.wire.failures import error_from_response, error_from_value, request_id, retry_after_s, unexpected


def body_of(value: Any) -> bytes:
    return json.dumps(value).encode()


RESPONSES: dict[str, tuple[int, Any, ErrorInfo]] = {
    "openai": (
        401,
        {
            "error": {
                "message": "Incorrect API key",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
        },
        ErrorInfo(
            type="authentication",
            message="acme (HTTP 401): Incorrect API key [check the API key]",
            status=401,
            code="invalid_api_key",
        ),
    ),
    "openai: an unknown model": (
        404,
        {
            "error": {
                "message": "The model `x` does not exist",
                "type": "invalid_request_error",
                "code": "model_not_found",
            }
        },
        ErrorInfo(
            type="not_found",
            message="acme (HTTP 404): The model `x` does not exist [check the model's name and the base URL]",
            status=404,
            code="model_not_found",
        ),
    ),
    "anthropic": (
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
        ErrorInfo(
            type="overloaded",
            message="acme (HTTP 529): Overloaded [try again later]",
            status=529,
            code="overloaded_error",
            request_id="req_1",
        ),
    ),
    "openrouter: a number in the code": (
        402,
        {"error": {"code": 402, "message": "Insufficient credits"}},
        ErrorInfo(type="invalid_request", message="acme (HTTP 402): Insufficient credits", status=402, code="402"),
    ),
    "azure: a number as a text": (
        429,
        {"error": {"code": "429", "message": "Slow down"}},
        ErrorInfo(
            type="rate_limit",
            message="acme (HTTP 429): Slow down [wait, or ask the provider for a higher limit]",
            status=429,
            code="429",
        ),
    ),
    "vllm": (
        400,
        {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
        ErrorInfo(type="invalid_request", message="acme (HTTP 400): too long", status=400, code="400"),
    ),
    "fastapi: a detail": (
        422,
        {"detail": "no such field"},
        ErrorInfo(type="invalid_request", message="acme (HTTP 422): no such field", status=422),
    ),
    "fastapi: a list of details": (
        422,
        {"detail": [{"loc": ["body"], "msg": "é"}]},
        ErrorInfo(type="invalid_request", message='acme (HTTP 422): [{"loc": ["body"], "msg": "é"}]', status=422),
    ),
    "google: a list": (
        400,
        [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}],
        ErrorInfo(type="invalid_request", message="acme (HTTP 400): API key not valid", status=400, code="400"),
    ),
    "a plain text as error": (
        500,
        {"error": "it broke"},
        ErrorInfo(type="server", message="acme (HTTP 500): it broke", status=500),
    ),
    "a message that is an object": (
        500,
        {"error": {"message": {"why": 1}, "type": "x"}},
        ErrorInfo(type="server", message='acme (HTTP 500): {"why": 1}', status=500, code="x"),
    ),
    "a text": (502, "Bad gateway", ErrorInfo(type="server", message="acme (HTTP 502): Bad gateway", status=502)),
    "nothing in it": (
        500,
        {},
        ErrorInfo(type="server", message="acme (HTTP 500): the provider gave no reason", status=500),
    ),
    "an empty list": (
        500,
        [],
        ErrorInfo(type="server", message="acme (HTTP 500): the provider gave no reason", status=500),
    ),
    "null": (
        503,
        None,
        ErrorInfo(
            type="overloaded", message="acme (HTTP 503): the provider gave no reason [try again later]", status=503
        ),
    ),
    "a redirect": (
        302,
        {},
        ErrorInfo(type="unexpected_response", message="acme (HTTP 302): the provider gave no reason", status=302),
    ),
}


@pytest.mark.parametrize(("status", "value", "info"), RESPONSES.values(), ids=RESPONSES)
def test_bodies(status: int, value: Any, info: ErrorInfo) -> None:
    read = error_from_response(status, {}, body_of(value), provider="acme")
    expected = {f: getattr(info, f) for f in ErrorInfo.__struct_fields__}
    assert read == ErrorInfo(**{**expected, "provider": "acme"})


TEXTS: dict[str, tuple[bytes, str, str]] = {
    "html by its type": (b"Not found", "text/html; charset=utf-8", "an HTML page instead of an API's answer"),
    "html by its look": (b" <!DOCTYPE html><html>", "", "an HTML page instead of an API's answer"),
    "text": (b" upstream connect error \n", "text/plain", "upstream connect error"),
    "empty": (b"", "text/html", "the provider gave no reason"),
    "bad UTF-8": (b"no \xff", "", "no �"),
    "json that is cut": (b'{"error": {"mess', "application/json", '{"error": {"mess'),
    "too deep": (b"[" * 50_000, "", "[" * 2000),
    "long": (b"x" * 50_000, "", "x" * 2000),
}


@pytest.mark.parametrize(("body", "content_type", "said"), TEXTS.values(), ids=TEXTS)
def test_bodies_that_are_no_json(body: bytes, content_type: str, said: str) -> None:
    info = error_from_response(502, {"content-type": content_type}, body)
    assert info == ErrorInfo(type="server", message=f"the provider (HTTP 502): {said}", status=502)


def test_headers_are_read() -> None:
    headers = {"x-request-id": "req_h", "retry-after": "3"}
    info = error_from_response(
        429, headers, body_of({"error": {"message": "m"}, "request_id": "req_b"}), provider="acme"
    )
    assert (info.request_id, info.retry_after_s) == ("req_h", 3.0)
    error = info.to_exception()
    assert type(error) is RateLimitError
    assert (error.request_id, error.retry_after_s, error.status) == ("req_h", 3.0, 429)


def test_the_words_decide_where_there_is_no_status() -> None:
    assert error_from_value({"error": {"type": "rate_limit_error"}}).type == "rate_limit"
    assert error_from_value({"error": {"code": "insufficient_quota", "type": "x"}}).type == "rate_limit"
    assert error_from_value({"error": {"code": "x", "type": "Overloaded"}}).type == "overloaded"
    assert error_from_value({"error": {"status": 404}}).type == "not_found"
    assert error_from_value({"error": {"status": "NOT_FOUND", "status_code": 503.0}}).type == "overloaded"
    assert error_from_value({"error": {"code": 7}}) == ErrorInfo(
        type="provider", message="the provider: the provider gave no reason", code="7"
    )
    for word in ("eof", "4290", "04٣"):
        assert error_from_value({"error": {"code": word}}).type == "provider"
    assert error_from_value({"error": {"code": True, "message": "m"}}).code is None
    assert error_from_value("m").message == "the provider: m"
    assert error_from_value({"error": {"code": 500}}).message == "the provider (HTTP 500): the provider gave no reason"


def test_a_status_decides_over_the_words() -> None:
    assert error_from_value({"error": {"type": "api_error", "code": 500}}, status=429).type == "rate_limit"
    assert error_from_value({"error": {"code": 429}}, status=400).status == 429


def test_halves_of_pairs_are_repaired() -> None:
    info = error_from_value({"error": {"message": "\ud83d\ude00\ud800", "code": "\udfff"}, "request_id": "\ud800"})
    assert (info.message, info.code, info.request_id) == ("the provider: \U0001f600�", "�", "�")


def test_an_error_that_is_nested_too_deeply_still_is_one() -> None:
    value: Any = "m"
    for _ in range(100_000):
        value = [value]
    assert error_from_value({"error": {"message": value}}).message == "the provider: the provider gave no reason"


# -- no key gets through

KEY = "sk-secret-" + "0123456789" * 3


@pytest.mark.parametrize("place", range(1950, 2010, 7))
def test_no_key_gets_through_also_when_it_is_cut(place: int) -> None:
    for body in (
        b"x" * place + KEY.encode(),
        body_of({"error": {"message": "x" * place + KEY}}),
        body_of({"detail": ["x" * place + KEY]}),
    ):
        assert "sk-" not in repr(error_from_response(401, {}, body, secrets=iter([KEY])))


def test_no_key_gets_through_anywhere() -> None:
    value = {"error": {"message": f"a {KEY} b {KEY}", "code": KEY, "type": KEY, "detail": KEY}, "request_id": KEY}
    for info in (
        error_from_value(value, secrets=[KEY]),
        error_from_response(400, {}, body_of(value), secrets=[KEY]),
        error_from_response(400, {}, body_of([value]), secrets=[KEY]),
        unexpected("HTML", {}, body_of(KEY * 100), provider="acme", secrets=[KEY]),
    ):
        error = info.to_exception()
        assert "sk-" not in str(error) + repr(error) + repr(error.info)
        assert "[redacted]" in info.message


# -- 200 that is no stream


def test_an_unexpected_answer() -> None:
    info = unexpected("an HTML page", {"request-id": "req_1"}, b" <html>\xff" + b"x" * 999, provider="acme")
    assert (info.type, info.status, info.request_id, info.provider) == ("unexpected_response", 200, "req_1", "acme")
    assert info.message.startswith("acme answered with an HTML page instead of a stream; it begins '<html>�xxx")
    assert "base URL" in info.message
    assert len(info.message) < 400
    nothing = unexpected("an empty body", {}, b" \n", provider=None)
    assert nothing.message.startswith("the server answered with an empty body instead of a stream (is the base URL")


# -- headers


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-request-id": "a", "cf-ray": "b"}, "a"),
        ({"request-id": "a"}, "a"),
        ({"x-generation-id": "a"}, "a"),
        ({"cf-ray": "b"}, "b"),
        ({"x-request-id": "", "cf-ray": "b"}, "b"),
        ({}, None),
    ],
)
def test_request_ids(headers: dict[str, str], name: str | None) -> None:
    assert request_id(headers) == name


DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
RETRY: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "20"}, 20.0),
    "a fraction": ({"retry-after": " 1.5 "}, 1.5),
    "zero": ({"retry-after": "0"}, 0.0),
    "milliseconds": ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
    "milliseconds that are none": ({"retry-after-ms": "soon", "retry-after": "20"}, 20.0),
    "a date": ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": DATE}, 30.0),
    "a date that has passed": ({"retry-after": "Wed, 21 Oct 2015 07:27:30 GMT", "date": DATE}, 0.0),
    "a date in another zone": ({"retry-after": "Wed, 21 Oct 2015 09:28:30 +0200", "date": DATE}, 30.0),
    "a date without a zone": ({"retry-after": "Wed, 21 Oct 2015 07:28:30 -0000", "date": DATE}, 30.0),
    "a date in the oldest form": ({"retry-after": "Wed Oct 21 07:28:30 2015", "date": DATE}, 30.0),
    "a date, but no date to count from": ({"retry-after": DATE}, None),
    "nothing": ({}, None),
    "empty": ({"retry-after": ""}, None),
    "a word": ({"retry-after": "tomorrow", "date": DATE}, None),
    "negative": ({"retry-after": "-5"}, None),
    "without end": ({"retry-after": "inf"}, None),
    "no number": ({"retry-after": "nan"}, None),
    "absurd": ({"retry-after": "1e12"}, None),
}


@pytest.mark.parametrize(("headers", "seconds"), RETRY.values(), ids=RETRY)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_clock_may_be_given() -> None:
    assert retry_after_s({"retry-after": DATE}, now_s=1445412470.0) == 10.0


@given(st.text(), st.text(), st.text())
def test_no_header_raises(after: str, after_ms: str, date: str) -> None:
    seconds = retry_after_s({"retry-after": after, "retry-after-ms": after_ms, "date": date})
    assert seconds is None or seconds >= 0


@given(
    st.integers(100, 599),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda c: (
            st.lists(c) | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "detail", "status"]), c)
        ),
        max_leaves=8,
    ),
)
def test_no_body_raises(status: int, value: Any) -> None:
    info = error_from_response(status, {}, body_of(value))
    assert info.message
    assert len(info.message) < 2200
