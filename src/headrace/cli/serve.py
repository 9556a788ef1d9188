"""``headrace serve``: the gateway and its page."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from headrace.cli.display import Screen

_NEEDED = ("fastapi", "uvicorn")


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any that is free.")] = 4747,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings in place of the headrace.toml found.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", metavar="PROVIDER/MODEL", help="Whom to ask when a request names nobody."),
    ] = None,
) -> None:
    """Serve the gateway, and its page at http://127.0.0.1:4747/."""
    screen = Screen()
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        screen.error(f"the gateway needs {' and '.join(missing)}: pip install 'headrace[serve]'")
        raise typer.Exit(2)
    from headrace.gateway import run_server

    raise typer.Exit(run_server(host=host, port=port, config_path=config, model=model))
