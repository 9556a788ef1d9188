"""``headrace replay``: recorded exchanges, served."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from headrace.cli.display import Screen

_NAMED = 20


def replay(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder of cassettes, or one of them.", show_default=False)
    ],
    *,
    pace: Annotated[
        str,
        typer.Option(metavar="original|FACTOR|max", help="As fast as it was, so many times as fast, or at once."),
    ] = "original",
    match: Annotated[
        str,
        typer.Option(
            metavar="strict|best", help="What was asked must be what was recorded, or the nearest recording answers."
        ),
    ] = "best",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any that is free.")] = 4748,
) -> None:
    """Serve what headrace record has recorded: the same bytes in the same chunks, at the same times.

    The path may begin as it did at the recorder (/openai/…), or at the provider (/v1/…).
    """
    from headrace.cli.sim import serve_source
    from headrace.errors import UsageError
    from headrace.sim.cassettes.replay import CassetteSource, Matching, speed_of
    from headrace.sim.serving.server import CannotListen

    screen = Screen()
    try:
        speed_of(pace)
        source = CassetteSource(folder, pace=cast("float", pace), match=cast("Matching", match))
        many = len(source.cassettes)
        for cassette in source.cassettes[:_NAMED]:
            screen.line(cassette.name)
        if many > _NAMED:
            screen.line(f"… and {many - _NAMED} more")
        serve_source(
            source,
            screen=screen,
            host=host,
            port=port,
            greeting=f"REPLAY of {many} {'cassette' if many == 1 else 'cassettes'} in {folder}: no model is called",
        )
    except CannotListen as error:
        screen.error(str(error))
        raise typer.Exit(1) from None
    except UsageError as error:
        screen.error(str(error))
        raise typer.Exit(2) from None
