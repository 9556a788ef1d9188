"""``headrace parallel``: several prompts at once, each with its label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli import options
from headrace.cli.asking import Watch, failure_code, introduce
from headrace.cli.display import Screen
from headrace.cli.interrupts import READER_GONE, Interrupts
from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.cli.labelled import View
    from headrace.client import Client
    from headrace.stream import Stream


def parallel(
    prompts: Annotated[
        list[str],
        typer.Option(
            "-p",
            "--prompt",
            metavar="LABEL=PROMPT",
            help="What to ask, and what its answer is called; LABEL=@FILE takes the prompt from a file. To be given "
            "for each.",
            show_default=False,
        ),
    ],
    *,
    model: options.Model = None,
    model_for: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=MODEL",
            help="Another model for one of them; may be given again.",
            rich_help_panel=options.REQUEST,
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="How many may run at once; by default all.")
    ] = None,
    system: options.System = None,
    max_tokens: options.MaxTokens = None,
    base_url: options.BaseURL = None,
    config: options.ConfigFile = None,
    timeouts: options.Times = None,
    limit_tokens: options.LimitTokens = None,
    limit_chars: options.LimitChars = None,
    limit_seconds: options.LimitSeconds = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON event a line, each with its label.")] = False,
) -> None:
    """Ask several prompts at once, and show the answers side by side.

    At a terminal a panel each, while they are written; in a pipe whole lines, each after its label and a tab. Ctrl-C
    stops all of them. One that fails leaves the others alone, and makes the exit code 1.
    """
    asked = {label: _prompt(label, text) for label, text in _labelled(prompts, "-p").items()}
    models = _labelled(model_for or [], "--model-for")
    unknown = [label for label in models if label not in asked]
    if unknown:
        raise typer.BadParameter(f"no prompt has the label {unknown[0]!r}", param_hint="--model-for")
    times = options.read_timeouts(timeouts)
    screen = Screen()
    interrupts = Interrupts(screen.out)
    interrupts.install()
    limits = {"tokens": limit_tokens, "chars": limit_chars, "seconds": limit_seconds}
    try:
        from headrace.client import Client

        with Client(base_url=base_url, config=config, timeouts=times) as client:
            names = _names(client, list(asked), model, models, screen)
            streams: dict[str, Stream] = {}
            for label, prompt in asked.items():
                stream = client.stream(names[label], prompt, system=system, max_tokens=max_tokens)
                streams[label] = stream.limit(**limits)  # type: ignore[arg-type]
            code = _run(streams, most, _view(names, screen, as_json), screen, interrupts)
    except HeadraceError as error:
        screen.error(str(error))
        code = failure_code(error)
    except KeyboardInterrupt:
        code = interrupts.exit_code or 130
    raise typer.Exit(code)


def _run(streams: dict[str, Stream], most: int | None, view: View, screen: Screen, interrupts: Interrupts) -> int:
    """Read all of them to their ends, and give the exit code."""
    from headrace.together import merge

    merged = merge(streams, max_concurrency=most)
    watch = Watch(merged, ", ".join(streams) if view.waits else None, screen, interrupts)
    with watch, view, merged:
        for label, event in merged:
            if not view.take(label, event):
                merged.cancel(label)
    if watch.code != READER_GONE:
        view.close({label: stream.timing for label, stream in streams.items()})
        if watch.error is not None:
            screen.error(str(watch.error))
    return watch.code or int(view.failed)


def _names(
    client: Client, labels: list[str], model: str | None, models: dict[str, str], screen: Screen
) -> dict[str, str]:
    """Find whom each is to ask; all of them before anything is sent."""
    names: dict[str, str] = {}
    if any(label not in models for label in labels):
        target = client.target(model)
        introduce(target, screen)
        names = dict.fromkeys(labels, target.name)
    return names | {label: client.target(name).name for label, name in models.items()}


def _view(names: dict[str, str], screen: Screen, as_json: bool) -> View:
    from headrace.cli.labelled import LabelledEvents, LabelledLines

    if as_json:
        return LabelledEvents(names, screen)
    if screen.out.is_terminal and os.environ.get("TERM") != "dumb":
        from headrace.cli.panels import Panels

        return Panels(names, screen)
    return LabelledLines(names, screen)


def _labelled(given: list[str], option: str) -> dict[str, str]:
    """Read ``LABEL=…``, each label once.

    Raises:
        typer.BadParameter: naming what is none.
    """
    found: dict[str, str] = {}
    for item in given:
        label, equals, value = item.partition("=")
        if not (equals and label.strip() and label.isprintable() and value.strip()):
            raise typer.BadParameter(f"{item!r} is not LABEL=…, with something on both sides", param_hint=option)
        if label in found:
            raise typer.BadParameter(f"the label {label!r} is there twice", param_hint=option)
        found[label] = value
    return found


def _prompt(label: str, text: str) -> str:
    """Take a prompt as it is, or from the file that ``@FILE`` names.

    Raises:
        typer.BadParameter: if the file cannot be read, or says nothing.
    """
    if not text.startswith("@"):
        return text
    try:
        read = Path(text[1:]).read_bytes().decode("utf-8", "replace").rstrip("\n")
    except OSError as error:
        raise typer.BadParameter(f"{label}: {text[1:]}: cannot be read: {error.strerror}", param_hint="-p") from None
    if not read.strip():
        raise typer.BadParameter(f"{label}: {text[1:]}: there is nothing in it", param_hint="-p")
    return read
