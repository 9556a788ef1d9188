"""The simulator, for tests and programs: a server in a thread of its own.

    with Simulator(Scenario(answer="Hello")) as sim:
        client = openai.OpenAI(base_url=sim.openai_url, api_key="none")
        ...
        assert sim.journal.last.how == "complete"

Laws kept here: it has an event loop of its own, so that neither blocking nor asynchronous tests are in its way; when it
is closed, no thread, no task and no socket of it is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

from headrace.errors import UsageError
from headrace.sim.serving.clock import Clock
from headrace.sim.serving.journal import Journal
from headrace.sim.serving.server import Server

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine, Generator, Sequence

    from headrace.sim.faults.fault import Fault
    from headrace.sim.play import Source

T = TypeVar("T")

_KEY = "simulated"


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
            self._loop = asyncio.SelectorEventLoop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="headrace-sim", daemon=True)
            self._thread.start()
            try:
                self._do(self._server.start())
            except BaseException:
                self.close()
                raise
        return self

    def close(self) -> None:
        """Cut all connections and give up the port. The journal can still be read."""
        if self._closed:
            return
        if self._loop is not None and self._thread is not None:
            self._do(self._server.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
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
            if not self._closed:
                self._do(self._in_loop(self._server.accept))

    # -- within

    def _provider(self, scenarios: Any) -> Source:
        from headrace.sim.provider import SimulatedProvider

        return SimulatedProvider(scenarios, **self._options)

    def _check_started(self) -> None:
        if self._loop is None:
            raise UsageError("this simulator is nowhere yet: enter its block (`with`), or call start()")

    def _do(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do something in the server's thread, and wait for it, which takes no time worth a word."""
        if self._loop is None or self._closed:
            doing.close()
            raise UsageError("this simulator does not run: enter its block (`with`), or call start()")
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    @staticmethod
    async def _in_loop(do: Callable[[], T]) -> T:
        return do()


def _loaded(path: str | os.PathLike[str]) -> Any:
    from headrace.sim.scenarios.load import load_script

    return load_script(path)
