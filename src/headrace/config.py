"""Settings that a file holds: ``headrace.toml``.

    model = "my-server/llama-3"            # what is asked when no model is named
    local = false                           # else engines on this machine are looked for, when no key is found

    [providers.my-server]                   # any server of a wire that is known: one row
    base_url = "http://10.0.0.7:8000/v1"
    key_env = "MY_SERVER_KEY"               # or api_key = "…"; neither: no key is needed
    default_model = "llama-3"

A row with the name of a built-in provider changes that one; the keys are those of `headrace.wire.providers.Provider`.
The file is ``$HEADRACE_CONFIG``, else ``headrace.toml`` in the working directory, else in ``~/.config/headrace``.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from headrace.errors import ConfigError
from headrace.wire.providers import PROVIDERS, Provider


class Config(Struct, frozen=True):
    """What is set.

    Attributes:
        providers: all rows that are known, by name.
        api_keys: keys that the file itself holds, by provider.
        model: what is asked when no model is named.
        path: the file that was read, None if there is none.
        local: whether engines on this machine may be looked for.
    """

    providers: dict[str, Provider]
    api_keys: dict[str, str]
    model: str | None = None
    path: str | None = None
    local: bool = True

    def __repr__(self) -> str:
        """Show it without the keys."""
        return f"Config({len(self.providers)} providers, model={self.model!r}, path={self.path!r})"


def load_config(path: str | os.PathLike[str] | None = None) -> Config:
    """Read the configuration file, the one given or the one found; none is no error unless it was named.

    Raises:
        ConfigError: saying which file, and what in it is wrong.
    """
    named = path or os.environ.get("HEADRACE_CONFIG")
    if named:
        file = Path(named)
    else:
        places = (Path("headrace.toml"), Path.home() / ".config" / "headrace" / "headrace.toml")
        found = next((p for p in places if p.is_file()), None)
        if found is None:
            return Config(PROVIDERS, {})
        file = found
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from None
    return read_config(value, str(file))


def read_config(value: dict[str, Any], where: str) -> Config:
    """Read a decoded configuration.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    # [sim] is read by `headrace sim` itself
    unknown = value.keys() - {"local", "model", "providers", "sim"}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ConfigError(f"{where}: unknown keys: {names} (known: local, model, providers, sim)")
    model: Any = value.get("model")
    local: Any = value.get("local", True)
    rows: Any = value.get("providers", {})
    if not isinstance(model, str | None):
        raise ConfigError(f"{where}: model must be a text like 'provider/model'")
    if not isinstance(local, bool):
        raise ConfigError(f"{where}: local must be true or false")
    if not isinstance(rows, dict):
        raise ConfigError(f"{where}: providers must be tables, [providers.NAME]")
    providers, keys = dict(PROVIDERS), dict[str, str]()
    for name, given in cast("dict[str, Any]", rows).items():
        if not isinstance(given, dict):
            raise ConfigError(f"{where}: [providers.{name}] must be a table")
        row = cast("dict[str, Any]", given).copy()
        if "api_key" in row:
            key: Any = row.pop("api_key")
            if not isinstance(key, str):
                raise ConfigError(f"{where}: [providers.{name}]: api_key must be a text")
            keys[name] = key.strip()
        for listed in ("key_env", "base_url_env"):
            if isinstance(row.get(listed), str):
                row[listed] = [row[listed]]
        known: dict[str, Any] = msgspec.to_builtins(providers[name]) if name in providers else {"name": name}
        extra = row.keys() - set(Provider.__struct_fields__) | row.keys() & {"name", "simulated"}
        if extra:
            raise ConfigError(f"{where}: [providers.{name}]: unknown keys: {', '.join(sorted(extra))}")
        try:
            providers[name] = msgspec.convert({**known, **row}, Provider)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{where}: [providers.{name}]: {error}") from None
    return Config(providers, keys, model, where, local)
