"""From a model's name to whom to ask."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headrace import AsyncClient, Client
from headrace.config import Config, read_config
from headrace.errors import MissingKeyError, UnknownProviderError, UsageError
from headrace.local_engines import Engine
from headrace.targets import SIMULATION, find_key, resolve
from headrace.wire.providers import PROVIDERS
from tests.servers import CLOSE, Server

pytestmark = pytest.mark.usefixtures("bare")

BUILT_IN = Config(PROVIDERS, {})
MINE = {"base_url": "http://10.0.0.7/v1", "key_env": "MY_KEY", "default_model": "llama"}


def config(**value: Any) -> Config:
    return read_config(value, "headrace.toml")


@pytest.mark.parametrize(
    ("model", "options", "name", "base_url", "key"),
    [
        ("openai/gpt-4o", {"api_key": "k"}, "openai/gpt-4o", "https://api.openai.com/v1", "k"),
        ("openai", {"api_key": "k"}, "openai/gpt-4o-mini", "https://api.openai.com/v1", "k"),
        ("openai/", {"api_key": "k"}, "openai/gpt-4o-mini", "https://api.openai.com/v1", "k"),
        ("anthropic/claude;x=1", {"api_key": "k"}, "anthropic/claude;x=1", "https://api.anthropic.com", "k"),
        ("openrouter/openai/gpt", {"api_key": "k"}, "openrouter/openai/gpt", "https://openrouter.ai/api/v1", "k"),
        ("ollama/llama3:8b", {}, "ollama/llama3:8b", "http://127.0.0.1:11434/v1", None),
        ("openai/gpt", {"base_url": "http://x/v1"}, "openai/gpt", "http://x/v1", None),
        ("openai/gpt", {"base_url": "http://x/v1", "api_key": "k"}, "openai/gpt", "http://x/v1", "k"),
        ("llama-3", {"base_url": "http://x/v1"}, "compatible/llama-3", "http://x/v1", None),
        ("meta/llama-3", {"base_url": "http://x/v1"}, "compatible/meta/llama-3", "http://x/v1", None),
        ("compatible/meta/l", {"base_url": "http://x/v1"}, "compatible/meta/l", "http://x/v1", None),
        ("sim/demo;seed=7", {}, "sim/demo;seed=7", "sim:", None),
        ("sim", {}, "sim/demo", "sim:", None),
    ],
)
def test_a_name(model: str, options: dict[str, str], name: str, base_url: str, key: str | None) -> None:
    target = resolve(model, BUILT_IN, **options)
    assert (target.name, target.base_url, target.key, target.chosen) == (name, base_url, key, None)


def test_the_key_is_not_shown() -> None:
    target = resolve("openai/gpt", BUILT_IN, api_key="sk-secret")
    assert repr(target) == str(target) == "Target('openai/gpt', 'https://api.openai.com/v1')"


def test_keys_and_addresses_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-env\n")  # as a file that was read into it leaves it
    monkeypatch.setenv("OPENAI_BASE_URL", " http://elsewhere/v1 ")
    target = resolve("openai/gpt", BUILT_IN)
    assert (target.key, target.base_url) == ("sk-env", "http://elsewhere/v1")
    given = resolve("openai/gpt", BUILT_IN, api_key="sk-given", base_url="http://given/v1")
    assert (given.key, given.base_url) == ("sk-given", "http://given/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(MissingKeyError):
        resolve("openai/gpt", BUILT_IN)


def test_the_file_s_key_goes_before_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    assert resolve("openai/gpt", config(providers={"openai": {"api_key": "sk-file"}})).key == "sk-file"


def test_a_provider_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = config(providers={"mine": MINE, "free": {"base_url": "http://f/v1"}})
    monkeypatch.setenv("MY_KEY", "sk-mine")
    target = resolve("mine/other", ours)
    assert (target.name, target.base_url, target.key) == ("mine/other", "http://10.0.0.7/v1", "sk-mine")
    assert resolve("mine", ours).model == "llama"
    assert resolve("free/m", ours).key is None
    with pytest.raises(UsageError, match="name a model of free: free/MODEL"):
        resolve("free", ours)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(MissingKeyError, match="no API key for mine: set MY_KEY"):
        resolve("mine", ours)


def test_an_address_of_one_s_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_BASE_URL", "http://x/v1")
    target = resolve("compatible/m", BUILT_IN)
    assert (target.base_url, target.key) == ("http://x/v1", None)


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("", UnknownProviderError, "no provider '' is known"),
        ("acme/m", UnknownProviderError, r"no provider 'acme' is known \(known: openai, anthropic"),
        ("gpt-4o", UnknownProviderError, "a model's name is provider/model, like openai/gpt-4o-mini"),
        ("OpenAI/gpt", UnknownProviderError, "no provider 'OpenAI' is known"),
        ("ollama/", UsageError, "name a model of ollama"),
        ("anthropic/claude", MissingKeyError, "set ANTHROPIC_API_KEY, or give api_key=… .*sim/demo needs no key"),
        ("compatible/m", UsageError, "give the base URL of compatible"),
    ],
)
def test_a_name_that_means_nobody(model: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        resolve(model, BUILT_IN)


# -- no model named


def test_without_anything_it_is_the_simulation() -> None:
    target = resolve(None, BUILT_IN)
    assert target.name == SIMULATION
    assert target.provider.simulated
    assert target.chosen is not None
    assert "THIS IS A SIMULATION, no model is called" in target.chosen


def test_the_first_key_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "k")
    target = resolve(None, BUILT_IN)
    assert (target.name, target.chosen) == ("groq/llama-3.3-70b-versatile", "groq's key was found")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert resolve(None, BUILT_IN).name == "anthropic/claude-sonnet-5-5"


def test_a_key_in_the_file_is_found() -> None:
    assert resolve(None, config(providers={"mistral": {"api_key": "k"}})).name == "mistral/mistral-small-latest"


def test_a_key_without_a_default_model_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_PAT", "k")
    assert resolve(None, BUILT_IN).name == SIMULATION
    assert find_key(PROVIDERS["snowflake"], BUILT_IN) == "k"
    assert find_key(PROVIDERS["openai"], BUILT_IN) is None


def test_the_file_s_model_goes_before_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    target = resolve(None, config(model="ollama/llama3"))
    assert (target.name, target.chosen) == ("ollama/llama3", "headrace.toml says so")


def _engines(*engines: Engine) -> Callable[[], list[Engine]]:
    return lambda: list(engines)


OLLAMA = Engine("ollama", "Ollama", "127.0.0.1:11434", "found", ("llama3:8b", "qwen3"))
VLLM = Engine("vllm", "vLLM", "127.0.0.1:8000", "found", ("meta/llama",))


@pytest.fixture
def local(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the search; what it finds is given by the test."""
    monkeypatch.delenv("HEADRACE_NO_LOCAL")


@pytest.mark.usefixtures("local")
def test_a_local_engine() -> None:
    target = resolve(None, BUILT_IN, engines=_engines(OLLAMA, VLLM))
    assert (target.name, target.base_url, target.key) == ("ollama/llama3:8b", "http://127.0.0.1:11434/v1", None)
    assert target.chosen == "no API key was found; Ollama answers at 127.0.0.1:11434"
    down = msgspec.structs.replace(OLLAMA, state="down", models=())
    assert resolve(None, BUILT_IN, engines=_engines(down, VLLM)).name == "vllm/meta/llama"


@pytest.mark.usefixtures("local")
def test_a_local_engine_s_own_model() -> None:
    ours = config(providers={"ollama": {"default_model": "mine"}})
    assert resolve(None, ours, engines=_engines(OLLAMA)).name == "ollama/mine"
    down = msgspec.structs.replace(OLLAMA, state="down", models=())
    assert resolve(None, ours, engines=_engines(down)).name == SIMULATION


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("state", ["empty", "other", "silent", "down", "elsewhere"])
def test_without_an_engine_it_is_the_simulation(state: Any) -> None:
    target = resolve(None, BUILT_IN, engines=_engines(Engine("ollama", "Ollama", "p", state)))
    assert target.name == SIMULATION
    assert target.chosen == "no API key and no local engine was found: THIS IS A SIMULATION, no model is called"


@pytest.mark.usefixtures("local")
def test_no_engine_is_looked_for_where_another_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> list[Engine]:
        raise AssertionError("it was looked for")

    assert resolve("sim/demo", BUILT_IN, engines=never).name == "sim/demo"
    assert resolve(None, config(model="sim/x"), engines=never).name == "sim/x"
    assert resolve(None, config(local=False), engines=never).name == SIMULATION
    with monkeypatch.context() as keyed:
        keyed.setenv("GROQ_API_KEY", "k")
        assert resolve(None, BUILT_IN, engines=never).provider.name == "groq"
    monkeypatch.setenv("HEADRACE_NO_LOCAL", "1")
    assert resolve(None, BUILT_IN, engines=never).name == SIMULATION


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_looks_once(kind: Any, serve: Callable[..., Server]) -> None:
    tags = b'{"models": [{"name": "llama3"}]}'
    routes = {
        "/": [b"HTTP/1.1 200 OK\r\n\r\nOllama is running", CLOSE],
        "/api/tags": [b"HTTP/1.1 200 OK\r\n\r\n" + tags, CLOSE],
    }
    server = serve(routes=routes)
    row = msgspec.structs.replace(PROVIDERS["ollama"], base_url=f"http://127.0.0.1:{server.port}/v1")
    ours = Config({"ollama": row, "sim": PROVIDERS["sim"]}, {})
    client = kind(config=ours)
    assert [client.target(None).name for _ in range(3)] == ["ollama/llama3"] * 3
    assert client.target("sim").name == "sim/demo"
    assert len(server.requests) == 2
    assert resolve(None, ours).name == "ollama/llama3"  # who has no client looks each time
    assert len(server.requests) == 4


def test_a_base_url_wants_a_name() -> None:
    with pytest.raises(UsageError, match="name the model that the server at base_url is to be asked for"):
        resolve(None, BUILT_IN, base_url="http://x/v1")


@pytest.mark.parametrize("key", ["a\nb", "a\r", "é", "a\0", "a\x7f"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(UsageError, match="has characters that no key has") as caught:
        resolve("openai/gpt", BUILT_IN, api_key=key)
    assert key not in str(caught.value)
