"""Providers: a wire at an address with a key. Addresses, variables and habits are data here, not code."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

WireName = Literal["openai-chat", "anthropic", "openai-responses"]


class Provider(Struct, frozen=True, kw_only=True):
    """A provider's row.

    Attributes:
        name: the word before the slash of a model's name.
        wire: its dialect.
        base_url: where its API begins; a path of the wire's is added to it.
        key_env: environment variables that may hold the key, the first found counts; empty: no key is needed.
        base_url_env: environment variables that may hold another address.
        default_model: what is asked when only the provider is named.
        models_path: where it lists its models, behind the base URL; None: it has no such list.
        models_are_open: whether it gives that list to anybody, so that it says nothing of a key.
        headers: further headers of each request.
        max_tokens_field: what the limit of tokens is called.
        include_usage: whether ``stream_options.include_usage`` may be asked for.
        marker: whether streams end with the wire's marker; if so its lack is worth a warning.
        marker_ends: whether the marker without a finish reason is this provider's way to end well.
        extension_usage: whether usage may stand in an extension of its own alone (Groq's ``x_groq``).
        think_tags: whether thinking comes as ``<think>`` in the text.
        local: an engine on the user's own machine.
        simulated: no model at all; streams say so.
    """

    name: str
    wire: WireName = "openai-chat"
    base_url: str
    key_env: tuple[str, ...] = ()
    base_url_env: tuple[str, ...] = ()
    default_model: str | None = None
    models_path: str | None = "/models"
    models_are_open: bool = False
    headers: dict[str, str] = {}
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    include_usage: bool = True
    marker: bool = True
    marker_ends: bool = False
    extension_usage: bool = False
    think_tags: bool = False
    local: bool = False
    simulated: bool = False


_ROWS = (
    Provider(
        name="openai",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        base_url_env=("OPENAI_BASE_URL",),
        default_model="gpt-4o-mini",
        max_tokens_field="max_completion_tokens",
    ),
    Provider(
        name="anthropic",
        wire="anthropic",
        base_url="https://api.anthropic.com",
        key_env=("ANTHROPIC_API_KEY",),
        base_url_env=("ANTHROPIC_BASE_URL",),
        default_model="claude-sonnet-5-5",
        models_path="/v1/models?limit=1000",
        headers={"anthropic-version": "2023-06-01"},
    ),
    Provider(
        name="openai-responses",  # the same account and models as openai, over its other API
        wire="openai-responses",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        base_url_env=("OPENAI_BASE_URL",),
        default_model="gpt-4o-mini",
    ),
    Provider(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_env=("OPENROUTER_API_KEY",),
        base_url_env=("OPENROUTER_BASE_URL",),
        default_model="openai/gpt-4o-mini",
        models_are_open=True,
    ),
    Provider(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_env=("GROQ_API_KEY",),
        base_url_env=("GROQ_BASE_URL",),
        default_model="llama-3.3-70b-versatile",
        extension_usage=True,
    ),
    Provider(
        name="deepseek",
        base_url="https://api.deepseek.com",
        key_env=("DEEPSEEK_API_KEY",),
        base_url_env=("DEEPSEEK_BASE_URL",),
        default_model="deepseek-chat",
    ),
    Provider(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_env=("MISTRAL_API_KEY",),
        base_url_env=("MISTRAL_BASE_URL",),
        default_model="mistral-small-latest",
        include_usage=False,  # it comes unasked, and unknown fields are refused
    ),
    Provider(
        name="together",
        base_url="https://api.together.xyz/v1",
        key_env=("TOGETHER_API_KEY",),
        base_url_env=("TOGETHER_BASE_URL",),
        default_model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
    ),
    Provider(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_env=("FIREWORKS_API_KEY",),
        base_url_env=("FIREWORKS_BASE_URL",),
        default_model="accounts/fireworks/models/llama-v3p3-70b-instruct",
    ),
    Provider(
        name="xai",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        base_url_env=("XAI_BASE_URL",),
        default_model="grok-3-mini",
    ),
    Provider(
        name="perplexity",
        base_url="https://api.perplexity.ai",
        key_env=("PERPLEXITY_API_KEY",),
        base_url_env=("PERPLEXITY_BASE_URL",),
        default_model="sonar",
        models_path=None,
        include_usage=False,  # it is on every chunk
        marker=False,
    ),
    Provider(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_env=("CEREBRAS_API_KEY",),
        base_url_env=("CEREBRAS_BASE_URL",),
        default_model="llama-3.3-70b",
    ),
    Provider(
        name="moonshot",
        base_url="https://api.moonshot.ai/v1",
        key_env=("MOONSHOT_API_KEY",),
        base_url_env=("MOONSHOT_BASE_URL",),
        default_model="kimi-k2-turbo-preview",
    ),
    Provider(
        name="zai",
        base_url="https://api.z.ai/api/paas/v4",
        key_env=("ZAI_API_KEY",),
        base_url_env=("ZAI_BASE_URL",),
        default_model="glm-4.6",
    ),
    Provider(
        name="huggingface",
        base_url="https://router.huggingface.co/v1",
        key_env=("HF_TOKEN",),
        base_url_env=("HF_BASE_URL",),
        default_model="openai/gpt-oss-20b",
        models_are_open=True,
        marker=False,  # its router leaves it out for some of its upstreams
    ),
    Provider(
        name="snowflake",
        base_url="",  # an account's own address, to be given
        key_env=("SNOWFLAKE_PAT",),
        base_url_env=("SNOWFLAKE_CORTEX_BASE_URL",),
        models_path=None,
        marker_ends=True,  # it gives no finish reason
    ),
    Provider(
        name="ollama",
        base_url="http://127.0.0.1:11434/v1",
        base_url_env=("OLLAMA_BASE_URL",),
        marker_ends=True,  # some of its versions leave the finish reason null; one that dies sends no marker
        local=True,
    ),
    Provider(name="lmstudio", base_url="http://127.0.0.1:1234/v1", base_url_env=("LMSTUDIO_BASE_URL",), local=True),
    Provider(name="llamacpp", base_url="http://127.0.0.1:8080/v1", base_url_env=("LLAMACPP_BASE_URL",), local=True),
    Provider(name="vllm", base_url="http://127.0.0.1:8000/v1", base_url_env=("VLLM_BASE_URL",), local=True),
    Provider(
        name="compatible",  # any other server of the OpenAI kind: give its base URL
        base_url="",
        base_url_env=("HEADRACE_BASE_URL",),
    ),
    Provider(name="sim", base_url="sim:", default_model="demo", models_path=None, simulated=True),
)

PROVIDERS: dict[str, Provider] = {row.name: row for row in _ROWS}
"""The built-in rows, by name, in the order in which a key is looked for when no model is named."""
