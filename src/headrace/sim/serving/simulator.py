"""The simulator, for tests and programs: a server in a thread of its own.

    with Simulator(Scenario(answer="Hello")) as sim:
        client = openai.OpenAI(base_url=sim.openai_url, api_key="none")
        ...
        assert sim.journal.last.how == "complete"

Laws kept here: it has an event loop of its own, so that neither blocking nor asynchronous tests are in its way; when it
is closed, no thread, no task and no socket of it is left; it waits for that thread no longer than a while, since what
runs there are also a user's own functions.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from headrace.errors import UsageError
from headrace.sim.serving.clock import Clock
from headrace.sim.serving.journal import Journal
from headrace.sim.serving.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence

    from headrace.sim.faults.fault import Fault
    from headrace.sim.play import Source

T = TypeVar("T")

_KEY = "simulated"
_DEADLINE_S = 10.0  # for the server's thread
_MOST_PLACES = 3


class Simulator:
    """A simulated provider at an address of its own.

    It listens from `start` on, which entering its block does (`with`, or `async with` in a task), until `close`.

    Args:
        scenarios: what is said to whom: `Scenario` objects, or functions as `headrace.sim.provider` takes them; none:
            what the models' names imply.
        script: a file of scenarios in their place (YAML or Python), which is read again whenever it changes.
        source: what answers, in place of both: cassettes, or anything that has `play`.
        seed: what chance draws by; None: each request's own content.
        speed: a factor on all waits; ``"max"``: no wait at all.
        faults: what goes wrong with every answer.
        dialect: whose habits the streams have.
        host: where to listen.
        port: 0: any that is free.
        clock: by which it plays; by default the real one.
        journal: where it is noted; by default a new one.

    Attributes:
        journal: what was asked, and what became of it.
        clock: the clock.

    Raises:
        UsageError: for what cannot go together.
    """

    def __init__(
        self,
        *scenarios: Any,
        script: str | os.PathLike[str] | None = None,
        source: Source | None = None,
        seed: int | None = None,
        speed: float | str | None = "max",
        faults: Sequence[Fault | str] = (),
        dialect: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        journal: Journal | None = None,
    ) -> None:
        if (len(scenarios) > 0) + (script is not None) + (source is not None) > 1:
            raise UsageError("a simulator answers by scenarios, by a script or by a source: give one of them")
        self.journal = journal or Journal()
        self.clock = clock or Clock()
        self._options: dict[str, Any] = {"seed": seed, "speed": speed, "faults": tuple(faults), "dialect": dialect}
        if source is None:
            source = self._provider(_loaded(script) if script is not None else scenarios)
        self._server = Server(source, host=host, port=port, clock=self.clock, journal=self.journal)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._closed = False

    # -- its life

    def start(self) -> Self:
        """Listen.

        Raises:
            UsageError: if the port cannot be had, or it was closed before.
        """
        if self._closed:
            raise UsageError("this simulator is closed; make another")
        if self._loop is None:
            self._process = os.getpid()
            self._loop = loop = asyncio.SelectorEventLoop()
            self._thread = threading.Thread(target=_run, args=(loop,), name="headrace-sim", daemon=True)
            self._thread.start()
            try:
                self._do(self._server.start(), is_quick=False)
            except BaseException:
                self.close()
                raise
        return self

    def close(self) -> None:
        """Cut all connections and give up the port. The journal can still be read.

        In a process that was forked from the one that started it, nothing is done.

        Raises:
            RuntimeError: if its thread does not come to an end within 10 s: a scenario's function runs on.
            UsageError: from within such a function.
        """
        if self._closed or self._is_elsewhere:
            return
        if self._loop is not None and self._thread is not None:
            loop = self._loop
            self._check_thread()
            self._closed = True
            stopping = asyncio.run_coroutine_threadsafe(self._server.stop(), loop)
            stopping.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
            self._thread.join(_DEADLINE_S)
            if self._thread.is_alive():
                raise RuntimeError(self._what_hangs())
            stopping.result()
        self._closed = True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.to_thread(self.close)

    # -- where it is

    @property
    def port(self) -> int:
        """The port that it listens on."""
        self._check_started()
        return self._server.port

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        self._check_started()
        return self._server.url

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's SDK and those that are like it."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for Anthropic's SDK."""
        return self.url

    def env(self) -> dict[str, str]:
        """Give the environment variables that lead the SDKs, and Headrace itself, here."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": _KEY,
            "ANTHROPIC_BASE_URL": self.anthropic_url,
            "ANTHROPIC_API_KEY": _KEY,
        }

    # -- what it does

    @property
    def failure(self) -> BaseException | None:
        """What failed first of what is not its own; None: nothing.

        That is what a scenario's function, a source or a journal's `on_end` raised.  The client gets status 500 for the
        first two, which a test may take for what it expects.
        """
        return self.journal.failure if self._server.failure is None else self._server.failure

    def script(self, *scenarios: Any) -> None:
        """Take other scenarios from the next request on; what is counted by call begins anew."""
        self._server.source = self._provider(scenarios)

    def release(self, name: str = "") -> int:
        """Let held exchanges go on, and tell how many did.

        With a name, the one that is held longest at it goes on, else the next that comes to it.  Without, all that are
        held go on, else the next that comes to any hold.
        """
        return self._do(self._server.release(name))

    @contextlib.contextmanager
    def refuse(self) -> Generator[None]:
        """Refuse connections within a block; those that are open stay."""
        self._do(self._in_loop(self._server.refuse))
        try:
            yield
        finally:
            if not self._closed and not self._is_elsewhere:
                self._do(self._in_loop(self._server.accept))

    # -- within

    def _provider(self, scenarios: Any) -> Source:
        from headrace.sim.provider import SimulatedProvider

        return SimulatedProvider(scenarios, **self._options)

    def _check_started(self) -> None:
        if self._loop is None:
            raise UsageError("this simulator is nowhere yet: enter its block (`with`), or call start()")

    @property
    def _is_elsewhere(self) -> bool:
        """Whether this is a fork of the process that started it."""
        return self._loop is not None and os.getpid() != self._process

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise UsageError(
                "a scenario's function and a journal's on_end run in the simulator's own thread, which cannot wait for "
                "itself: let the test call this"
            )

    def _do(self, doing: Coroutine[Any, Any, T], *, is_quick: bool = True) -> T:
        """Do something in the server's thread, and wait for it."""
        try:
            if self._is_elsewhere:
                raise UsageError("this simulator runs in the process that this one was forked from")
            if self._loop is None or self._closed:
                raise UsageError("this simulator does not run: enter its block (`with`), or call start()")
            self._check_thread()
        except UsageError:
            doing.close()
            raise
        done = asyncio.run_coroutine_threadsafe(doing, self._loop)
        try:
            return done.result(_DEADLINE_S if is_quick else None)
        except concurrent.futures.TimeoutError:
            done.cancel()
            raise RuntimeError(self._what_hangs()) from None

    def _what_hangs(self) -> str:
        assert self._thread is not None
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        frame = frames.get(self._thread.ident or 0)
        places = [f"{at.name} ({Path(at.filename).name}, line {at.lineno})" for at in traceback.extract_stack(frame)]
        return (
            f"the simulator's thread does not answer: it has been within {' > '.join(places[-_MOST_PLACES:])} for "
            f"{_DEADLINE_S:g} s; a scenario's function must come to an end"
        )

    @staticmethod
    async def _in_loop(do: Callable[[], T]) -> T:
        return do()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _loaded(path: str | os.PathLike[str]) -> Any:
    from headrace.sim.scenarios.load import load_script

    return load_script(path)
