"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from headrace.cli.chat import chat
from headrace.cli.decode import decode
from headrace.cli.fault_proxy import fault_proxy
from headrace.cli.inspect import inspect
from headrace.cli.models import models
from headrace.cli.parallel import parallel
from headrace.cli.record import record
from headrace.cli.replay import replay
from headrace.cli.serve import serve
from headrace.cli.sim import sim

EXIT_CODES = (
    "**Exit codes**: 0 done · 1 it failed (the provider, the connection, a timeout, a file) · 2 asked in a way that "
    "cannot work (an option, a missing key, an unknown provider) · 130 Ctrl-C · 141 whoever read stdout is gone · 143 "
    "terminated"
)

SERVERS_EXIT_CODES = (
    "**Exit codes**: 0 told to end (Ctrl-C, SIGTERM) · 1 it failed (the port, a file) · 2 asked in a way that cannot "
    "work (an option, a missing key, an unknown provider) · 130 or 143 told twice while it hung (sim, replay)"
)

app = typer.Typer(
    name="headrace",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{EXIT_CODES}; a server that is told to end: 0",
)


def _version(asked: bool) -> None:
    if asked:
        from headrace import __version__

        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Stream language-model output: at a terminal, in a pipe, to a browser."""


_SERVERS = (serve, sim, record, replay, fault_proxy)

for command in (chat, inspect, parallel, decode, models, *_SERVERS):
    app.command(epilog=SERVERS_EXIT_CODES if command in _SERVERS else EXIT_CODES)(command)
