"""``headrace chat``: ask, and show the answer while it is written."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli import options
from headrace.cli.asking import failure_code, introduce
from headrace.cli.display import DIM, Screen
from headrace.cli.interrupts import Interrupts
from headrace.cli.options import BOUND, REQUEST
from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace.cli.answer import Answer
    from headrace.cli.conversation import Conversation
    from headrace.client import Client
    from headrace.flow.bounds import Condition
    from headrace.stream import Stream
    from headrace.targets import Target

_TALK = "Conversation"


def chat(
    prompt: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask; several words are joined. What is piped in follows it, after a blank line; without a "
            "prompt, what is piped in is the prompt, and at a terminal a conversation begins.",
            show_default=False,
        ),
    ] = None,
    *,
    model: options.Model = None,
    system: options.System = None,
    max_tokens: options.MaxTokens = None,
    temperature: Annotated[
        float | None, typer.Option(metavar="F", help="Sampling temperature.", rich_help_panel=REQUEST)
    ] = None,
    top_p: Annotated[float | None, typer.Option(metavar="F", help="Nucleus sampling.", rich_help_panel=REQUEST)] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Stop sequence; may be given again.", rich_help_panel=REQUEST),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of the sampling, where the provider has one.", rich_help_panel=REQUEST),
    ] = None,
    base_url: options.BaseURL = None,
    config: options.ConfigFile = None,
    timeouts: options.Times = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT|/REGEX/",
            help="Stop once the answer holds this, which is kept; may be given again.",
            rich_help_panel=BOUND,
        ),
    ] = None,
    until_code_block: Annotated[
        bool,
        typer.Option("--until-code-block", help="Stop after the first whole code block.", rich_help_panel=BOUND),
    ] = False,
    limit_tokens: options.LimitTokens = None,
    limit_chars: options.LimitChars = None,
    limit_seconds: options.LimitSeconds = None,
    go_on: Annotated[
        bool,
        typer.Option(
            "-c",
            "--continue",
            help="Go on with the last conversation: its turns, and its model and system prompt unless others are "
            "given.",
            rich_help_panel=_TALK,
        ),
    ] = False,
    no_save: Annotated[
        bool,
        typer.Option(
            "--no-save",
            envvar="HEADRACE_NO_SAVE",
            show_envvar=True,
            help="Do not keep this conversation for -c. It is kept in $XDG_STATE_HOME/headrace, for you alone.",
            rich_help_panel=_TALK,
        ),
    ] = False,
) -> None:
    """Ask a model, and show the answer while it is written.

    The answer's text goes to stdout, everything else to stderr. Ctrl-C, a closed pipe or a limit stops the model at
    once; what had arrived is kept.
    """
    bounds: list[Condition] = [options.read_condition(given) for given in until or ()]
    limits = {"tokens": limit_tokens, "chars": limit_chars, "seconds": limit_seconds}
    times = options.read_timeouts(timeouts)
    screen = Screen()
    interrupts = Interrupts(screen.out)
    interrupts.install()
    sampling = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_p": top_p,
        "stop": stop or None,
        "seed": seed,
    }
    try:
        asked = options.read_prompt(prompt)
        from headrace.cli.conversation import Conversation, load
        from headrace.client import Client
        from headrace.flow.bounds import has_complete_code_block

        if until_code_block:
            bounds.append(has_complete_code_block)
        talk = load() if go_on else None
        if go_on and talk is None:
            screen.note("there is no conversation to go on with; this one is new")
        talk = talk or Conversation()
        if talk.model is None or model is not None or base_url is not None:
            talk.base_url = base_url
            talk.model = model or talk.model
        talk.system = system if system is not None else talk.system
        with Client(base_url=talk.base_url, config=config, timeouts=times) as client:
            talker = _Talker(client, talk, screen, interrupts, options=sampling, bounds=bounds, limits=limits)
            talker.keep = not no_save
            code = _converse(talker, screen, interrupts) if asked is None else talker.ask(asked)
    except HeadraceError as error:
        screen.error(str(error))
        code = failure_code(error)
    except KeyboardInterrupt:
        screen.end_aside()
        code = interrupts.exit_code or 130
    raise typer.Exit(code)


class _Talker:
    """Ask one question after the other, and keep what was said.

    Attributes:
        keep: whether the conversation is written to its file.
    """

    def __init__(
        self,
        client: Client,
        talk: Conversation,
        screen: Screen,
        interrupts: Interrupts,
        *,
        options: dict[str, Any],
        bounds: list[Condition],
        limits: dict[str, Any],
    ) -> None:
        self.keep = True
        self._client = client
        self._talk = talk
        self._screen = screen
        self._interrupts = interrupts
        self._options = options
        self._bounds = bounds
        self._limits = limits
        self._introduced = False
        self._said_simulation = False
        self._target: Target = client.target(talk.model)
        talk.model = self._target.name

    @property
    def label(self) -> str:
        """Whom it asks."""
        return self._target.name

    def introduce(self) -> None:
        """Say whom it asks, where the user has not; once."""
        if not self._introduced:
            introduce(self._target, self._screen)
        self._introduced = True

    def ask(self, prompt: str) -> int:
        """Ask, show the answer, keep the turn; give the exit code.

        Raises:
            UsageError: if the request makes no sense.
        """
        from headrace.cli.answer import show

        self.introduce()
        say = not self._said_simulation and self._target.chosen is None
        self._said_simulation = True
        answer = show(self._stream(prompt), self.label, self._screen, self._interrupts, say_simulation=say)
        self._remember(prompt, answer)
        return answer.exit_code

    def _stream(self, prompt: str) -> Stream:
        stream = self._client.stream(
            self.label, messages=self._talk.asking(prompt), system=self._talk.system, **self._options
        )
        for condition in self._bounds:
            stream.until(condition)
        return stream.limit(**self._limits)

    def _remember(self, prompt: str, answer: Answer) -> None:
        from headrace.cli.conversation import save

        text = answer.message.text
        if not text:  # a question without an answer would stand before the next one
            return
        self._talk.add(prompt, text)
        if self.keep:
            try:
                save(self._talk)
            except OSError as error:
                self._screen.note(f"the conversation cannot be kept: {error}")


def _converse(talker: _Talker, screen: Screen, interrupts: Interrupts) -> int:
    """Hold a conversation at a terminal, until ctrl-D."""
    talker.introduce()
    screen.line(f"{talker.label} · Ctrl-C stops an answer, Ctrl-D ends", DIM)
    while (line := _read_line(screen)) is not None:
        if not line.strip():
            continue
        code = talker.ask(line)
        if interrupts.exit_code == 130:
            interrupts.signum = None
        elif interrupts.exit_code is not None:
            return code
    screen.aside("\n", "")
    return 0


def _read_line(screen: Screen) -> str | None:
    """Read what the user types; None: the end."""
    try:
        if screen.out.is_terminal:
            with contextlib.suppress(ImportError):
                importlib.import_module("readline")  # input() then edits lines
            return input("> ")
        screen.aside("> ", "")
        line = sys.stdin.readline()
    except EOFError:
        return None
    return line.removesuffix("\n") if line else None
