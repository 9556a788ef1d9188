"""Options that several commands have, and what their values mean."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from headrace.flow.deadlines import Timeouts

REQUEST = "Model and request"
BOUND = "Stop the model early"

Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="PROVIDER/MODEL",
        help="Whom to ask; without it the configured model, else the first key found, else a local engine, else a "
        "simulation.",
        rich_help_panel=REQUEST,
    ),
]
System = Annotated[
    str | None, typer.Option("-s", "--system", metavar="TEXT", help="System prompt.", rich_help_panel=REQUEST)
]
MaxTokens = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="The most tokens that the model may write.", rich_help_panel=REQUEST),
]
BaseURL = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Address in place of the provider's; any server of the OpenAI kind then goes with -m MODEL.",
        rich_help_panel=REQUEST,
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Settings in place of the headrace.toml found.", rich_help_panel=REQUEST),
]
Times = Annotated[
    str | None,
    typer.Option(
        metavar="FIRST,IDLE,TOTAL",
        help="Seconds to the first token, between tokens, and in all: '30,10,300'; '-' is no limit, nothing the "
        "usual one.",
        rich_help_panel=REQUEST,
    ),
]
LimitTokens = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Stop after N tokens, counted or estimated.", rich_help_panel=BOUND),
]
LimitChars = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Stop after N characters.", rich_help_panel=BOUND)
]
LimitSeconds = Annotated[float | None, typer.Option(metavar="S", help="Stop after S seconds.", rich_help_panel=BOUND)]


def read_prompt(words: list[str] | None) -> str | None:
    """Put the prompt together, of the arguments and of what is piped in; None: there is none, and a person to give one.

    Raises:
        typer.BadParameter: if there is none, and nobody.
    """
    given = " ".join(words or ())
    stdin: Any = sys.stdin
    if stdin is not None and stdin.isatty():
        if given.strip():
            return given
        stdin.reconfigure(errors="replace")
        return None
    piped = "" if stdin is None else stdin.buffer.read().decode("utf-8", "replace")
    asked = "\n\n".join(part for part in (given, piped.rstrip("\n")) if part.strip())
    if not asked:
        raise typer.BadParameter("there is none: give it as an argument, or pipe it in", param_hint="PROMPT")
    return asked


def read_condition(given: str) -> str | re.Pattern[str]:
    """Read what ``--until`` says: a text, or a regular expression between slashes.

    Raises:
        typer.BadParameter: if the expression is none.
    """
    if len(given) > 2 and given[0] == given[-1] == "/":
        try:
            return re.compile(given[1:-1])
        except re.error as error:
            raise typer.BadParameter(f"{given} is no regular expression: {error}", param_hint="--until") from None
    return given


def read_timeouts(given: str | None) -> Timeouts | None:
    """Read what ``--timeouts`` says.

    Raises:
        typer.BadParameter: if that is not three times.
    """
    if given is None:
        return None
    from headrace.flow.deadlines import Timeouts

    times: list[float | None] = list(Timeouts())
    words = [word.strip() for word in given.split(",")]
    try:
        if len(words) > len(times):
            raise ValueError
        for place, word in enumerate(words):
            if word:
                times[place] = None if word == "-" else float(word)
    except ValueError:
        raise typer.BadParameter(
            f"{given!r} is not FIRST,IDLE,TOTAL: three times in seconds", param_hint="--timeouts"
        ) from None
    return Timeouts(*times)
