"""``headrace fault-proxy``: a TCP proxy with faults in front of any server."""

from __future__ import annotations

import queue
import re
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.display import Screen, one_line
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace.sim.fault_proxy.toxics import Ending

_LOOK_S = 0.5
_CONNECTIONS = re.compile(r"(\d+)(?:-(\d+))?")
_MOST = 100_000  # connections that may be named


def fault_proxy(
    upstream: Annotated[str, typer.Argument(metavar="HOST:PORT|URL", help="Where to pass on to.", show_default=False)],
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any that is free.")] = 4750,
    upload: Annotated[
        bool, typer.Option("--upload/--download", help="What all this is done to: what goes up, or what comes down.")
    ] = False,
    latency: Annotated[float, typer.Option(metavar="S", help="How long bytes are on their way.")] = 0.0,
    jitter: Annotated[float, typer.Option(metavar="S", help="Up to so much longer, by chance.")] = 0.0,
    bandwidth: Annotated[float | None, typer.Option(metavar="BYTES_PER_S", help="How many bytes a second.")] = None,
    slice_bytes: Annotated[int | None, typer.Option("--slice", metavar="N", help="At most N bytes a write.")] = None,
    slice_gap: Annotated[float, typer.Option(metavar="S", help="Between one such write and the next.")] = 0.0,
    reset_at: Annotated[str | None, typer.Option(metavar="BYTES|2.5s", help="Reset both sides there (RST).")] = None,
    close_at: Annotated[str | None, typer.Option(metavar="BYTES|2.5s", help="Close both sides there (FIN).")] = None,
    stall_at: Annotated[str | None, typer.Option(metavar="BYTES|2.5s", help="Pass on nothing more from there.")] = None,
    truncate_at: Annotated[
        str | None,
        typer.Option(metavar="BYTES|2.5s", help="Tell the receiver that this was all (FIN)."),
    ] = None,
    blackhole_at: Annotated[
        str | None, typer.Option(metavar="BYTES|2.5s", help="Throw away what comes from there.")
    ] = None,
    connections: Annotated[
        str | None,
        typer.Option(metavar="1,3-5", help="Only on these connections, counted from 1."),
    ] = None,
    share: Annotated[float, typer.Option(metavar="0..1", help="Only on this share of them, by seed.")] = 1.0,
    seed: Annotated[int, typer.Option(metavar="N", help="What chance draws by.")] = 0,
) -> None:
    """Put a TCP proxy with faults in front of a server, real or simulated.

    It knows nothing of what it passes on, and TLS goes through it untouched. Without options it passes on as it is.
    """
    from headrace.sim.fault_proxy import FaultProxy, Toxics

    screen = Screen()
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    places: dict[Ending, str | None] = {
        "reset": reset_at,
        "close": close_at,
        "stall": stall_at,
        "truncate": truncate_at,
        "blackhole": blackhole_at,
    }
    endings: list[tuple[Ending, str]] = [(kind, place) for kind, place in places.items() if place is not None]
    try:
        if len(endings) > 1:
            raise UsageError(
                f"a connection ends once: give one of {' and '.join(f'--{kind}-at' for kind, _ in endings)}"
            )
        ending, place = endings[0] if endings else (None, None)
        at_byte, at_s = (None, None) if place is None else _place(place)
        toxics = Toxics(
            latency_s=latency,
            jitter_s=jitter,
            bandwidth=bandwidth,
            slice_bytes=slice_bytes,
            slice_gap_s=slice_gap,
            ending=ending,
            at_byte=at_byte,
            at_s=at_s,
            share=share,
            connections=() if connections is None else _numbers(connections),
        )
        proxy = FaultProxy(
            upstream,
            host=host,
            port=port,
            faults=None if upload else toxics,
            upload=toxics if upload else None,
            seed=seed,
            on_close=lambda connection: said.put(f"{time.strftime('%H:%M:%S')} {connection}"),
        )
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, lambda _number, _frame: said.put(None))
    try:
        proxy.start()
    except OSError as error:
        why = one_line(error.strerror or str(error))
        screen.error(f"cannot listen on {host} port {port}: {why}; give another one with --port (0: any)")
        raise typer.Exit(1) from None
    try:
        where = proxy.url if "://" in proxy.upstream else proxy.url.removeprefix("http://")
        screen.note(f"{where} passes on to {proxy.upstream} (Ctrl-C stops it)", "")
        screen.note(f"done to what goes {'up' if upload else 'down'}: {toxics}", "")
        _tell(screen, said)
    finally:
        proxy.close()
        said.put(None)
        _tell(screen, said)


def _tell(screen: Screen, said: queue.SimpleQueue[str | None]) -> None:
    """Say what there is to say, until there is nothing more."""
    while True:
        try:
            line = said.get(timeout=_LOOK_S)  # a signal just before an endless wait would not end it
        except queue.Empty:
            continue
        if line is None:
            return
        screen.line(line)


def _place(text: str) -> tuple[int | None, float | None]:
    """Read ``500``, a byte, or ``2.5s``, a time.

    Raises:
        UsageError: if it is neither.
    """
    try:
        return (None, float(text[:-1])) if text.endswith("s") else (int(text), None)
    except ValueError:
        raise UsageError(f"{text!r} is neither a number of bytes nor a time, as 2.5s") from None


def _numbers(text: str) -> tuple[int, ...]:
    """Read ``1,3-5``.

    Raises:
        UsageError: if it names no connections.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = _CONNECTIONS.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= _MOST:
            raise UsageError(f"{part.strip()!r} names no connections: write them as 1,3-5, counted from 1")
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))
