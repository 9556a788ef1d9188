"""``headrace models``: who is known, whose key is at hand, who is there, and who would be asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import urlsplit, urlunsplit

import msgspec
import typer

from headrace.cli.display import OutputError, ReaderGone, Screen, one_line

if TYPE_CHECKING:
    from headrace.cli.reach import Reached
    from headrace.config import Config
    from headrace.local_engines import Engine
    from headrace.wire.providers import Provider


def models(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Ask each provider whose key is at hand for its models; five seconds at most."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings in place of the headrace.toml found.")
    ] = None,
) -> None:
    """List the providers: default model, key, address, and who is there; and whom `headrace chat` would ask.

    A table at a terminal, tab-separated lines in a pipe. Keys are never shown, and without --check nothing leaves this
    machine: only the usual ports of local engines are looked at (HEADRACE_NO_LOCAL=1 forbids it).
    """
    from headrace.config import load_config
    from headrace.errors import UsageError
    from headrace.local_engines import find_engines, is_wanted

    screen = Screen()
    try:
        loaded = load_config(config)
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None
    engines = find_engines(loaded) if is_wanted(loaded) else []
    reached = _reach(loaded, engines) if check else {}
    rows = [_row(provider, loaded, engines, reached) for provider in loaded.providers.values()]
    name, why = _choice(loaded, engines)
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


def _row(provider: Provider, config: Config, engines: list[Engine], reached: dict[str, Reached]) -> dict[str, Any]:
    from headrace.targets import find_address, find_key
    from headrace.wire.providers import PROVIDERS

    in_file = bool(config.api_keys.get(provider.name))
    has_key = bool(find_key(provider, config)) if provider.key_env or in_file else None
    address = find_address(provider)
    engine = next((engine for engine in engines if engine.provider == provider.name), None)
    asked = reached.get(provider.name)
    if asked is not None:
        reachable, status, models = _asked(provider, asked)
    elif engine is not None:
        reachable, status, models = engine.state in ("found", "empty"), _of_engine(engine), engine.models
    else:
        reachable, status, models = _not_asked(provider, address, has_key)
    return {
        "provider": provider.name,
        "default_model": provider.default_model,
        "key": "in the file" if in_file else " or ".join(provider.key_env) or None,
        "key_set": has_key,
        "wire": provider.wire,
        "base_url": _without_password(address) or None,
        "configured": in_file or provider != PROVIDERS.get(provider.name),
        "reachable": reachable,
        "status": status,
        "models": list(models),
    }


_Said = tuple[bool | None, str, tuple[str, ...]]
"""Whether it can be reached (None: that is not known), in words, and its models."""


def _asked(provider: Provider, reached: Reached) -> _Said:
    if reached.problem is not None:
        return False, reached.problem, ()
    count = len(reached.models)
    said = f"answers, and names {'1 model' if count == 1 else f'{count:,} models'}"
    if provider.models_are_open:
        said += "; to anybody: its key was not tried"
    return True, said, reached.models


def _of_engine(engine: Engine) -> str:
    match engine.state:
        case "found":
            return f"{engine.title} runs"
        case "empty":
            return f"{engine.title} runs, and has no model"
        case "other":
            return f"another server answers at {engine.place}"
        case "silent":
            return f"what listens at {engine.place} does not answer"
        case "down":
            return f"not running: nobody listens at {engine.place}"
        case "elsewhere":
            return "not on this machine, and so not looked for"


def _not_asked(provider: Provider, address: str, has_key: bool | None) -> _Said:
    if provider.simulated:
        return True, "a simulation: always there, and no model", ()
    if not address:
        return False, f"no address: set {provider.base_url_env[0]}, or give --base-url", ()
    if has_key is False and address == provider.base_url:
        return False, f"no key: set {provider.key_env[0]}", ()
    if provider.local:
        return None, "not looked for", ()
    return None, "key found; not asked" if has_key else "needs no key here; not asked", ()


def _reach(config: Config, engines: list[Engine]) -> dict[str, Reached]:
    """Ask all providers that a request could be sent to, and that were not asked as engines of this machine."""
    from headrace.cli.reach import Place, Reached, reach
    from headrace.errors import UsageError
    from headrace.targets import check_key, find_address, find_key

    elsewhere = [engine.provider for engine in engines if engine.state == "elsewhere"]
    places: dict[str, Place] = {}
    bad: dict[str, Reached] = {}
    for name, provider in config.providers.items():
        key, address = find_key(provider, config), find_address(provider)
        needs = bool(provider.key_env) and address == provider.base_url
        here = provider.local and name not in elsewhere
        if provider.simulated or here or not address or (needs and not key):
            continue
        try:
            check_key(key, provider)
        except UsageError as error:
            bad[name] = Reached(problem=str(error))
        else:
            places[name] = Place(provider, address, key)
    return {**reach(places), **bad}


def _choice(config: Config, engines: list[Engine]) -> tuple[str | None, str]:
    from headrace.errors import UsageError
    from headrace.targets import resolve

    try:
        target = resolve(None, config, engines=lambda: engines)
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
    if isinstance(value, list):
        return ", ".join(one_line(name) for name in cast("list[str]", value))
    return "" if value is None else one_line(str(value))


_SHOWN = 5  # models of a row, in the table


def _table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("provider", "default model", "key", "base URL", "state"):
        table.add_column(title, overflow="fold")
    unknown = Text("give --base-url", style="dim")
    styles = {True: "green", False: "dim", None: ""}
    for row in rows:
        has = row["key_set"]
        mark, style = ("✓", "green") if has else ("·", "dim")
        key = Text("none needed", style="dim") if has is None else Text(f"{mark} {row['key']}", style=style)
        name = Text(row["provider"], style="bold" if has or row["reachable"] else "")
        if row["configured"]:
            name.append(" (file)", style="cyan")
        state = Text(one_line(row["status"]), style=styles[row["reachable"]])
        for model in row["models"][:_SHOWN]:
            state.append(f"\n{one_line(model)}", style="cyan")
        if len(row["models"]) > _SHOWN:
            state.append(f"\n… and {len(row['models']) - _SHOWN:,} more", style="dim")
        table.add_row(name, row["default_model"] or "", key, row["base_url"] or unknown, state)
    Console(file=sys.stdout).print(table)
