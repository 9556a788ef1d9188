"""From a model's name to whom to ask: provider, model, address, key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace.errors import MissingKeyError, UnknownProviderError, UsageError
from headrace.local_engines import find_engines, is_wanted
from headrace.wire.providers import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.config import Config
    from headrace.local_engines import Engine

SIMULATION = "sim/demo"


class Target(Struct, frozen=True):
    """Whom to ask.

    Attributes:
        provider: the row.
        model: as the provider names it.
        base_url: where its API begins.
        key: None where none is needed.
        chosen: why this one, when no model was named; else None.
    """

    provider: Provider
    model: str
    base_url: str
    key: str | None
    chosen: str | None = None

    @property
    def name(self) -> str:
        """The model's whole name, ``provider/model``."""
        return f"{self.provider.name}/{self.model}"

    def __repr__(self) -> str:
        """Show it without the key."""
        return f"Target({self.name!r}, {self.base_url!r})"


def resolve(
    model: str | None,
    config: Config,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    engines: Callable[[], Sequence[Engine]] | None = None,
) -> Target:
    """Find the target that a model's name means.

    Without a name it is the configured model, else that of the first key found, else a local engine's, else the
    simulation. Looking for engines blocks for a fifth of a second at most (`headrace.local_engines`).

    Args:
        model: ``provider/model``, or ``provider`` for its default model. With a `base_url`, a name of no known
            provider is taken whole, for a server of the OpenAI kind.
        config: the rows that are known.
        base_url: an address to use in place of the provider's.
        api_key: a key to use in place of the environment's.
        engines: gives the local engines, where they are wanted; by default they are looked for.

    Raises:
        UnknownProviderError: if nobody of that name is known.
        MissingKeyError: if the provider wants a key and none was found.
        UsageError: if the name is no name.
    """
    chosen = None
    if model is None:
        model, chosen = _default(config, base_url, engines)
    name, _, rest = model.partition("/")
    provider = config.providers.get(name)
    if provider is None and base_url:
        provider, rest = config.providers["compatible"], model
    if provider is None:
        hint = "" if "/" in model else "; a model's name is provider/model, like openai/gpt-4o-mini"
        known = ", ".join(config.providers)
        raise UnknownProviderError(f"no provider {name!r} is known{hint} (known: {known})")
    rest = rest or provider.default_model or ""
    if not rest:
        raise UsageError(f"name a model of {name}: {name}/MODEL")
    address = base_url or find_address(provider)
    if not address:
        raise UsageError(f"give the base URL of {name}, as base_url=… or in {provider.base_url_env[0]}")
    key = api_key or find_key(provider, config)
    if key is None and provider.key_env and address == provider.base_url:
        raise MissingKeyError(
            f"no API key for {name}: set {provider.key_env[0]}, or give api_key=… (or name another model; "
            f"{SIMULATION} needs no key)"
        )
    check_key(key, provider)
    return Target(provider, rest, address, key, chosen)


def find_key(provider: Provider, config: Config) -> str | None:
    """Give the key for a provider that is at hand: the file's, else the environment's."""
    return config.api_keys.get(provider.name) or _first(provider.key_env)


def find_address(provider: Provider) -> str:
    """Give a provider's address: the environment's, else its row's; "" if there is none."""
    return _first(provider.base_url_env) or provider.base_url


def check_key(key: str | None, provider: Provider) -> None:
    """Refuse a key that no header can hold.

    Raises:
        UsageError: not showing the key.
    """
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UsageError(f"the API key for {provider.name} has characters that no key has (a line's end, perhaps)")


def _default(config: Config, base_url: str | None, engines: Callable[[], Sequence[Engine]] | None) -> tuple[str, str]:
    if config.model:
        return config.model, f"{config.path} says so"
    if base_url:
        raise UsageError("name the model that the server at base_url is to be asked for")
    for provider in config.providers.values():
        if provider.default_model and not provider.simulated and find_key(provider, config):
            return f"{provider.name}/{provider.default_model}", f"{provider.name}'s key was found"
    if not is_wanted(config):
        return SIMULATION, "no API key was found: THIS IS A SIMULATION, no model is called"
    for engine in engines() if engines is not None else find_engines(config):
        model = config.providers[engine.provider].default_model or next(iter(engine.models), None)
        if engine.state == "found" and model is not None:
            return f"{engine.provider}/{model}", f"no API key was found; {engine.title} answers at {engine.place}"
    found = "no API key and no local engine was found"
    return SIMULATION, f"{found}: THIS IS A SIMULATION, no model is called"


def _first(names: tuple[str, ...]) -> str | None:
    return next((value.strip() for n in names if (value := os.environ.get(n, "")).strip()), None)
