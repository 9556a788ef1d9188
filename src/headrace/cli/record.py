"""``headrace record``: a proxy that keeps what clients and providers say.

Law kept here: what is said of an exchange holds none of its content.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.display import BAD, DIM, WARN, Screen, one_line

if TYPE_CHECKING:
    from types import FrameType

    from headrace.config import Config
    from headrace.sim.cassettes.record import Recorder
    from headrace.sim.cassettes.relay import Exchange


def record(
    *,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="Where the cassettes are put.", show_default=False)],
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen, on this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any that is free.")] = 4749,
    upstream: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask everything there; else the path begins with a provider's name."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings in place of the headrace.toml found.")
    ] = None,
) -> None:
    """Record what any client and a provider say to each other, to replay it later.

    Keys, cookies and the like are not kept; what was asked and answered is.
    """
    from headrace.config import load_config
    from headrace.errors import UsageError
    from headrace.sim.cassettes.record import Recorder
    from headrace.sim.serving.server import CannotListen

    screen = Screen()
    try:
        settings = load_config(config)
        recorder = Recorder(
            to,
            upstream=upstream,
            providers=settings.providers,
            host=host,
            port=port,
            secrets=_keys(settings),
            on_exchange=lambda exchange: screen.line(*_told(exchange)),
        )
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(_serve(recorder, screen, upstream))
    except CannotListen as error:
        screen.error(str(error))
        raise typer.Exit(1) from None
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None


async def _serve(recorder: Recorder, screen: Screen, upstream: str | None) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal wants it
        loop.call_soon_threadsafe(ended.set)

    await recorder.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, end)
    screen.note(f"recording into {recorder.folder}: what is asked and answered is kept, keys are not", WARN)
    whom = f"asks {upstream}" if upstream else "asks whom the path names, /openai, /anthropic, … (see headrace models)"
    screen.note(f"it is at {recorder.url} and {whom} (Ctrl-C stops it)")
    for name, value in recorder.env().items():
        screen.line(f"{name}={value}")
    try:
        await ended.wait()
    finally:
        await recorder.stop()


def _keys(config: Config) -> list[str]:
    names = {name for row in config.providers.values() for name in row.key_env}
    return [*config.api_keys.values(), *(os.environ.get(name, "") for name in sorted(names))]


def _told(exchange: Exchange) -> tuple[str, str]:
    """Tell of an exchange in a line, and how it looks."""
    words = [time.strftime("%H:%M:%S"), exchange.cassette or "(not kept)"]
    words.append("no answer" if exchange.status is None else str(exchange.status))
    words += [f"in {exchange.seconds:.2f} s,", _ENDINGS.get(exchange.ending or "", "broken off")]
    text = " ".join(words)
    if exchange.problem is not None:
        return f"{text}: {one_line(exchange.problem)}", BAD
    return text, DIM if exchange.ending == "end" else WARN


_ENDINGS = {
    "end": "whole",
    "close": "closed by the provider",
    "reset": "reset by the provider",
    "client_left": "left by the client",
}
