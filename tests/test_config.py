"""The configuration file: where it is looked for, what it may say, and what is said of one that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from headrace.config import load_config, read_config
from headrace.errors import ConfigError
from headrace.wire.providers import PROVIDERS

pytestmark = pytest.mark.usefixtures("bare")

WHOLE = """
model = "my-server/llama-3"

[providers.my-server]
base_url = "http://10.0.0.7:8000/v1"
key_env = "MY_SERVER_KEY"
default_model = "llama-3"

[providers.openai]
api_key = "sk-in-the-file"
base_url_env = ["ONE", "TWO"]
max_tokens_field = "max_tokens"
"""


def test_none_is_no_error() -> None:
    config = load_config()
    assert config.providers is PROVIDERS
    assert (config.api_keys, config.model, config.path) == ({}, None, None)


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WHOLE, encoding="utf-8")
    config = load_config(file)
    assert (config.model, config.path) == ("my-server/llama-3", str(file))
    mine = config.providers["my-server"]
    assert (mine.name, mine.wire, mine.base_url) == ("my-server", "openai-chat", "http://10.0.0.7:8000/v1")
    assert (mine.key_env, mine.default_model) == (("MY_SERVER_KEY",), "llama-3")
    openai = config.providers["openai"]
    assert (openai.base_url, openai.base_url_env) == (PROVIDERS["openai"].base_url, ("ONE", "TWO"))
    assert openai.max_tokens_field == "max_tokens"
    assert config.api_keys == {"openai": "sk-in-the-file"}
    assert PROVIDERS["openai"].max_tokens_field == "max_completion_tokens"  # the built-in row is left as it was


def test_local_engines_may_be_switched_off() -> None:
    assert read_config({}, "f").local
    assert not read_config({"local": False}, "f").local


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # `bare` has made tmp_path both the home and the working directory
    home = tmp_path / ".config" / "headrace" / "headrace.toml"
    home.parent.mkdir(parents=True)
    home.write_text('model = "sim/home"', encoding="utf-8")
    assert load_config().model == "sim/home"
    Path("headrace.toml").write_text('model = "sim/here"', encoding="utf-8")
    assert load_config().model == "sim/here"
    named = tmp_path / "named.toml"
    named.write_text('model = "sim/named"', encoding="utf-8")
    monkeypatch.setenv("HEADRACE_CONFIG", str(named))
    assert load_config().model == "sim/named"
    given = tmp_path / "given.toml"
    given.write_text('model = "sim/given"', encoding="utf-8")
    assert load_config(given).model == "sim/given"
    assert load_config(str(given)).model == "sim/given"


def test_one_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"gone.toml: cannot be read: No such file"):
        load_config(tmp_path / "gone.toml")
    monkeypatch.setenv("HEADRACE_CONFIG", str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config()


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe", b"[providers.x\n"])
def test_one_that_is_not_toml(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad.toml: is not TOML: "):
        load_config(file)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"modle": "x", "a": 1}, r"f: unknown keys: a, modle \(known: local, model, providers, sim\)"),
        ({"local": "no"}, "f: local must be true or false"),
        ({"model": 3}, "f: model must be a text like 'provider/model'"),
        ({"providers": []}, r"f: providers must be tables, \[providers.NAME\]"),
        ({"providers": {"x": 3}}, r"f: \[providers.x\] must be a table"),
        ({"providers": {"x": {}}}, r"f: \[providers.x\]: .*base_url"),
        ({"providers": {"x": {"base_url": "u", "colour": 1}}}, r"f: \[providers.x\]: unknown keys: colour"),
        ({"providers": {"x": {"base_url": "u", "name": "y"}}}, r"f: \[providers.x\]: unknown keys: name"),
        ({"providers": {"x": {"base_url": "u", "simulated": True}}}, r"f: \[providers.x\]: unknown keys: simulated"),
        ({"providers": {"x": {"base_url": "u", "wire": "morse"}}}, r"f: \[providers.x\]: Invalid enum value 'morse'"),
        ({"providers": {"x": {"base_url": 3}}}, r"f: \[providers.x\]: Expected `str`, got `int`"),
        ({"providers": {"openai": {"key_env": [1]}}}, r"f: \[providers.openai\]: Expected `str`, got `int`"),
        ({"providers": {"openai": {"api_key": 12345}}}, r"f: \[providers.openai\]: api_key must be a text"),
    ],
)
def test_what_is_wrong_is_named(value: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read_config(value, "f")
    assert "12345" not in str(caught.value)


def test_a_key_is_not_shown() -> None:
    config = read_config({"providers": {"openai": {"api_key": "sk-in-the-file"}}}, "f")
    assert "sk-in-the-file" not in repr(config)
    assert "sk-in-the-file" not in str(config)
