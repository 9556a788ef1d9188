"""Secrets in bodies that nobody decodes: JSON in any cutting, frames, forms; and what people and models said stays."""

import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from headrace.sim.cassettes.fields import JsonFields, form_secrets, json_secrets
from headrace.sim.secrets import Strength
from tests.sim.test_secrets import FIELDS

SECRET = "at-0123456789abcdef"

FOUND: list[Any] = [
    {"client_secret": {"value": SECRET, "expires_at": 1}},
    {"access_token": SECRET, "token_type": "Bearer"},
    {"a": [1, {"refresh_token": SECRET}]},
    {"keys": [{"api_key": {"object": "key", "value": SECRET}}]},
    {"api_keys": ["", SECRET]},
    {"token": SECRET},
    {"value": "ek_0123456789abcdef0123", "session": {"model": "gpt-realtime-2025-08-28"}},
    {"secret": SECRET, "choices": [{"token": "Internet1234567890"}]},
    {"x": "\\", "\\": '"{', "pass\u0077ord": SECRET},
]

LEFT: list[Any] = [
    {"choices": [{"logprobs": {"content": [{"token": "Supercalifragilistic1", "top_logprobs": []}]}}]},
    {"completion_probabilities": [{"token": SECRET, "probs": [{"token": SECRET}]}]},
    {"token": {"id": 5, "text": "abcdef0123456789", "logprob": -0.5}, "generated_text": None},
    {"token": "a1b2c3d4"},
    {"token": " several words 0123456789"},
    {"content": [{"type": "thinking", "thinking": "…", "signature": "EqQBCgIYAhIMabc0123456789"}]},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "EqQBCgIYAhIMabc0123"}},
    {"content": [{"type": "tool_use", "input": {"password": "hunter2hunter2", "token": SECRET}}]},
    {"usage": {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}, "tokens": "12345678ab"}},
    {"token_type": "bearer123456", "secret": "required", "auth": "Disabled", "api_key": None, "password": 12345678},
    {"token": "x" * 100_000},
    {"key": "a-cache-key-0123456789", "value": "gpt-4o-mini-2024-07-18"},
    {"error": {"code": "invalid_api_key", "param": "api_key", "message": "…"}},
    ["password", SECRET],
    "password",
]


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts} - {0, len(data)})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


BEFORE = [b"", b"event: x\ndata: ", b'data: {"cut": ["\n\ndata: ', b'it is 5" wide\n']

CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@pytest.mark.parametrize("value", FOUND)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "before", [b"", b"event: x\ndata: ", b'data: {"cut": ["\n\ndata: ', b'"\n']
)  # a lonely sign spoils its own line
def test_what_is_found(value: Any, size: int, indent: int | None, before: bytes) -> None:
    data = before + json.dumps(value, indent=indent).encode() + b"\n\n"
    fields = JsonFields()
    found = [text for at in range(0, len(data), size) for text in fields.feed(data[at : at + size])]
    assert found == [value.get("value", SECRET)]
    assert fields.waiting == 0


@pytest.mark.parametrize("value", LEFT, ids=range(len(LEFT)))
def test_what_is_left(value: Any) -> None:
    assert list(json_secrets(json.dumps(value).encode())) == []


@given(st.binary(max_size=200), CUTS)
@example(b"[" * 2000 + b"]" * 3000, [5])
@example(b'{"token": "\\', [])
@example(b'"\\\n"', [])
def test_nothing_harms_it(data: bytes, cuts: list[int]) -> None:
    fields = JsonFields()
    for piece in cut(data, cuts):
        fields.feed(piece)
        assert 0 <= fields.waiting <= len(data)


@given(st.text(min_size=1, max_size=20), CUTS)
def test_what_waits_is_a_value_that_has_begun(text: str, cuts: list[int]) -> None:
    start = b'{"access_token": "'
    rest = json.dumps(text)[1:-1].encode()
    fields = JsonFields()
    assert fields.feed(start) == []
    come = 0
    for piece in cut(rest, cuts):
        assert fields.feed(piece) == []
        come += len(piece)
        assert fields.waiting == come
    fields.feed(b'"')
    assert fields.waiting == 0


def test_bad_escapes() -> None:
    assert list(json_secrets(b'{"access_token": "abcdefgh\\x1"}')) == ["abcdefgh\\x1"]


@pytest.mark.parametrize("name", [name for says in (Strength.SURE, Strength.LIKELY) for name in FIELDS[says].split()])
def test_no_frame_is_passed_over_that_has_a_name(name: str) -> None:
    frames = b'data: {"choices": []}\n\n' * 3
    secret = b"data: " + json.dumps({name: SECRET}).encode() + b"\n\n"
    assert list(json_secrets(frames + secret + frames + secret)) == [SECRET] * 2
    assert list(json_secrets(frames[:-1] + b"\ndata: {\n\n" + secret)) == [SECRET]


FORM = b"grant_type=client_credentials&client_secret=a%2Bbcdefgh+1&username=me&password=short"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nabcdefgh\r\n'
    b"--b\r\nContent-Disposition: form-data; name=password\r\ncontent-type: text/plain\r\n\r\nshort\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nleft alone\r\n'
    b'--b\r\nContent-Disposition: form-data; name="token"; filename="x"\r\n\r\nleft alone\r\n'
    b"--b\r\nContent-Disposition: form-data\r\n\r\nleft alone\r\n"
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n'
)


def test_forms() -> None:
    found = [(FORM[start:end], values) for start, end, values in form_secrets(FORM)]
    assert found == [(b"a%2Bbcdefgh+1", ("a%2Bbcdefgh+1", "a+bcdefgh 1")), (b"short", ("short", "short"))]
    assert [(PARTS[a:b], values) for a, b, values in form_secrets(PARTS)] == [
        (b"abcdefgh", ("abcdefgh",)),
        (b"short", ("short",)),
    ]
    cut_short = PARTS[: PARTS.index(b"efgh")]
    assert [cut_short[a:b] for a, b, _ in form_secrets(cut_short)] == [b"abcd"]
