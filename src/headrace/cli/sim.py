"""``headrace sim``: the simulated provider, served.

Law kept here: what is said of an exchange holds none of its content.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from headrace.cli.display import BAD, DIM, WARN, Screen

if TYPE_CHECKING:
    from types import FrameType

    from headrace.sim.play import Source
    from headrace.sim.serving.journal import Exchange
    from headrace.sim.serving.server import Server

_HOST, _PORT = "127.0.0.1", 4748
_KEPT = 1000  # exchanges in the journal


class _Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[sim]`` of a configuration file."""

    host: str = _HOST
    port: int = _PORT
    script: str | None = None
    seed: int | None = None
    speed: float | str | None = None
    faults: tuple[str, ...] = ()
    dialect: str | None = None


def sim(
    *,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"Where to listen; else {_HOST}.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="PORT", help=f"0: any that is free; else {_PORT}.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A headrace.toml whose table [sim] gives what these options leave out."),
    ] = None,
    script: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What to answer: YAML or Python; read again whenever it changes."),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Replays a run byte for byte.")] = None,
    speed: Annotated[str | None, typer.Option(metavar="X|max", help="A factor on all waits; max: no waits.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help="What goes wrong with every answer, as reset@token:5; may be given again."),
    ] = None,
    dialect: Annotated[str | None, typer.Option(metavar="NAME", help="Whose habits the streams have.")] = None,
) -> None:
    """Serve a simulated provider, for OpenAI's and Anthropic's clients: no model, no key, any fault.

    What was asked and how it ended is told at /_sim/journal.
    """
    from headrace.errors import UsageError
    from headrace.sim.serving.server import CannotListen

    screen = Screen()
    try:
        settings = _read(config) if config is not None else _Settings()
        source = _source(
            script=script if script is not None else settings.script,
            seed=seed if seed is not None else settings.seed,
            speed=speed if speed is not None else settings.speed,
            faults=tuple(fault or settings.faults),
            dialect=dialect if dialect is not None else settings.dialect,
        )
        serve_source(
            source,
            screen=screen,
            host=host if host is not None else settings.host,
            port=port if port is not None else settings.port,
            greeting="SIMULATION: every answer is made up, no model is called",
        )
    except CannotListen as error:
        screen.error(str(error))
        raise typer.Exit(1) from None
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None


def serve_source(source: Source, *, screen: Screen, host: str, port: int, greeting: str) -> None:
    """Serve what answers calls until SIGINT or SIGTERM, and tell of each exchange when it has ended.

    A second signal ends the process at once, whatever it does: a script's function may run on for ever.

    Args:
        source: what answers.
        screen: where it is told.
        host: where to listen.
        port: 0: any that is free.
        greeting: what is said first, and loudly.

    Raises:
        UsageError: if it cannot listen there.
    """
    from headrace.sim.serving.journal import Journal
    from headrace.sim.serving.server import Server

    journal = Journal(keep=_KEPT, on_end=lambda exchange: screen.line(*_told(exchange)))
    server = Server(source, host=host, port=port, journal=journal)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(_serve(server, screen, greeting))


async def _serve(server: Server, screen: Screen, greeting: str) -> None:
    from headrace.sim.serving.control import is_loopback

    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal wants it
        if told:
            with contextlib.suppress(OSError):  # past the stream, which may be in the middle of a write
                os.write(2, b"headrace: a second signal: ended at once\n")
            os._exit(128 + number)
        told.append(number)
        loop.call_soon_threadsafe(ended.set)

    await server.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, end)
    screen.note(greeting, WARN)
    screen.note(f"it is at {server.url} (Ctrl-C stops it; journal: {server.url}/_sim/journal)")
    if not is_loopback(server.host):
        screen.note("other machines can reach it, except for its journal; what they send is kept there", WARN)
    screen.line(f"  OPENAI_BASE_URL={server.url}/v1 OPENAI_API_KEY=simulated")
    screen.line(f"  ANTHROPIC_BASE_URL={server.url} ANTHROPIC_API_KEY=simulated")
    try:
        await ended.wait()
    finally:
        await server.stop()


def _source(**options: Any) -> Source:
    from headrace.sim.provider import SimulatedProvider

    path = options.pop("script")
    if path is None:
        return SimulatedProvider(**options)
    from headrace.sim.scenarios.load import load_script

    return SimulatedProvider(load_script(path), **options)


def _read(path: str) -> _Settings:
    """Read the table ``[sim]``; the rest of the file is looked at as every command does."""
    import tomllib

    import msgspec

    from headrace.config import read_config
    from headrace.errors import ConfigError

    file = Path(path)
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from None
    table = value.pop("sim", {})
    read_config(value, str(file))
    try:
        settings = msgspec.convert(table, _Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: [sim]: {error}") from None
    if settings.script is not None:  # as seen from the file
        settings = msgspec.structs.replace(settings, script=str(file.parent / settings.script))
    return settings


def _told(exchange: Exchange) -> tuple[str, str]:
    """Tell of an exchange in a line, and how it looks."""
    whom = " ".join(filter(None, (exchange.wire, exchange.model, exchange.label and f"[{exchange.label}]")))
    status = "no answer" if exchange.status is None else str(exchange.status)
    planned = "" if exchange.tokens_planned is None else f" of {exchange.tokens_planned}"
    took_s = (exchange.ended_s or 0.0) - exchange.asked_s
    faults = f", faults {' '.join(exchange.faults)}" if exchange.faults else ""
    text = (
        f"{time.strftime('%H:%M:%S')} {exchange.method} {exchange.path.partition('?')[0]} {whom}: {status}, "
        f"{exchange.tokens}{planned} tokens in {took_s:.2f} s{faults}, {exchange.how} by the {exchange.ended_by}"
    )
    if exchange.how != "complete":
        return text, WARN
    return text, DIM if exchange.status is not None and exchange.status < 400 else BAD
