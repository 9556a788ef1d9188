"""``headrace models``: who is known, whose key is at hand, and who would be asked."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import typer

from headrace.cli.display import OutputError, ReaderGone, Screen

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace.wire.providers import Provider


def models(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings in place of the headrace.toml found.")
    ] = None,
) -> None:
    """List the providers: default model, key, address; and whom `headrace chat` would ask.

    A table at a terminal, tab-separated lines in a pipe. Keys are never shown, and nothing is sent anywhere.
    """
    from headrace.config import load_config
    from headrace.errors import UsageError

    screen = Screen()
    try:
        loaded = load_config(config)
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None
    rows = [_row(provider, loaded) for provider in loaded.providers.values()]
    name, why = _choice(loaded)
    try:
        if as_json:
            said = {"chosen": name, "why": why, "config": loaded.path, "providers": rows}
            screen.out.data(msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n")
        elif screen.out.is_terminal:
            _table(rows)
            screen.line(f"headrace chat asks {name}: {why}" if name else f"headrace chat asks nobody: {why}")
        else:
            lines = [list(rows[0]), *(list(row.values()) for row in rows)]
            screen.out.text("".join("\t".join(map(_cell, line)) + "\n" for line in lines))
    except ReaderGone:
        raise typer.Exit(141) from None
    except OutputError as error:
        screen.error(str(error))
        raise typer.Exit(1) from None


def _row(provider: Provider, config: Config) -> dict[str, Any]:
    from headrace.targets import has_key
    from headrace.wire.providers import PROVIDERS

    address = next((v for name in provider.base_url_env if (v := os.environ.get(name, "").strip())), provider.base_url)
    in_file = bool(config.api_keys.get(provider.name))
    needed = bool(provider.key_env) or in_file
    return {
        "provider": provider.name,
        "default_model": provider.default_model,
        "key": "in the file" if in_file else " or ".join(provider.key_env) or None,
        "key_set": has_key(provider, config) if needed else None,
        "wire": provider.wire,
        "base_url": _without_password(address) or None,
        "configured": in_file or provider != PROVIDERS.get(provider.name),
    }


def _choice(config: Config) -> tuple[str | None, str]:
    from headrace.errors import UsageError
    from headrace.targets import resolve

    try:
        target = resolve(None, config)
    except UsageError as error:
        return None, str(error)
    return target.name, target.chosen or ""


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"***@{host}")) if at and user else url


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("provider", "default model", "key", "wire", "base URL"):
        table.add_column(title, overflow="fold")
    unknown = Text("give --base-url", style="dim")
    for row in rows:
        has = row["key_set"]
        mark, style = ("✓", "green") if has else ("·", "dim")
        key = Text("none needed", style="dim") if has is None else Text(f"{mark} {row['key']}", style=style)
        name = Text(row["provider"], style="bold" if has else "")
        if row["configured"]:
            name.append(" (file)", style="cyan")
        table.add_row(name, row["default_model"] or "", key, row["wire"], row["base_url"] or unknown)
    Console(file=sys.stdout).print(table)
