"""A provider's list of models: how it is asked for, and how it is read."""

import json
from typing import Any

import pytest

from headrace.wire.providers import PROVIDERS, Provider
from headrace.wire.registry import ask_for_models, read_models


@pytest.mark.parametrize(
    ("name", "key", "base_url", "url", "header"),
    [
        ("openai", "k", "https://api.openai.com/v1", "https://api.openai.com/v1/models", ("authorization", "Bearer k")),
        ("openai", None, "http://x/v1/", "http://x/v1/models", None),
        ("anthropic", "k", "https://a", "https://a/v1/models?limit=1000", ("x-api-key", "k")),
        ("anthropic", None, "https://a/v1", "https://a/v1/models?limit=1000", ("anthropic-version", "2023-06-01")),
    ],
)
def test_how_it_is_asked_for(
    name: str, key: str | None, base_url: str, url: str, header: tuple[str, str] | None
) -> None:
    request = ask_for_models(PROVIDERS[name], key=key, base_url=base_url)
    assert request is not None
    assert (request.method, request.url, request.body) == ("GET", url, b"")
    assert header is None or header in request.headers.items()
    assert key is not None or not request.headers.keys() & {"authorization", "x-api-key"}


@pytest.mark.parametrize(
    "row", [PROVIDERS["sim"], PROVIDERS["perplexity"], Provider(name="x", base_url="y", models_path="")]
)
def test_who_has_none(row: Provider) -> None:
    assert ask_for_models(row, key=None, base_url="http://x") is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
        ([{"id": "a"}], ["a"]),
        ({"data": [{"id": 7}, {}, None, "x", {"id": "a"}]}, ["a"]),
        ({"data": []}, []),
        ({"data": None}, None),
        ({"error": "no"}, None),
        ("models", None),
    ],
)
def test_how_it_is_read(value: Any, names: list[str] | None) -> None:
    assert read_models(json.dumps(value).encode()) == names


def test_what_is_no_json() -> None:
    assert read_models(b"<html>") is None
