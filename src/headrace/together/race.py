"""Several streams of which one is wanted: whichever gives a token first.

Laws kept here: who has given the first token has won, and at that moment the others' sockets are cut; what the winner
had said by then is still to be read; who fails before its first token is out, and the next one starts at once.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from typing import TYPE_CHECKING, Any, Generic, overload

from headrace.errors import HeadraceError, UsageError
from headrace.stream import AsyncStream, Stream
from headrace.together.base import K, S, Together, labelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


class _Raced(Together[K, S], Generic[K, S]):
    """What both races share.

    Attributes:
        winner: the label of the stream that won.
    """

    def __init__(self, streams: dict[K, S], stagger_s: float) -> None:
        super().__init__(streams)
        if not stagger_s >= 0:  # nor what is no number
            raise UsageError(f"stagger_s must not be below 0, it is {stagger_s}")
        self.winner: K | None = None
        self._decided = False
        self._wait_s = stagger_s if stagger_s < math.inf else None

    def _win(self, label: K) -> None:
        self.winner, self._decided = label, True
        for other, stream in self.streams.items():
            if other != label:
                stream.cancel()

    def _won(self) -> S:
        return next(stream for label, stream in self.streams.items() if label == self.winner)

    def _all_failed(self) -> HeadraceError:
        """Give the first label's error, with a note on each of the others'."""
        first, *others = [self.errors[label] for label in self.streams]
        for error in others:
            first.add_note(f"and {error.__notes__[-1]}: {error}")
        return first


class Race(_Raced[K, Stream]):
    """A race of blocking streams. Entering it gives the stream that won; leaving it closes that, too."""

    def __init__(self, streams: dict[K, Stream], *, stagger_s: float = 0.0) -> None:
        super().__init__(streams, stagger_s)
        self._deciding = threading.Lock()
        self._results: queue.SimpleQueue[tuple[K, bool] | BaseException] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Stream:
        """Start the streams, each `stagger_s` after the one before it, and wait for the first token.

        Raises:
            HeadraceError: if all of them fail: the first one's error, with a note on each other.
        """
        self._enter()
        try:
            self._run()
        except BaseException:
            self.close()
            raise
        return self._won()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the winner; the others are closed."""
        self.close()

    def close(self) -> None:
        """Stop and close all streams; a second call does nothing."""
        self._state = "closed"
        for stream in self.streams.values():
            stream.cancel()
        for thread in self._threads:
            thread.join()
        for stream in self.streams.values():
            stream.close()

    def _run(self) -> None:
        waiting = list(self.streams.items())
        running = 0
        reserve: list[K] = []
        while waiting or running:
            if waiting:
                label, stream = waiting.pop(0)
                name = f"headrace-race-{len(self._threads)}"
                thread = threading.Thread(target=self._contest, args=(label, stream), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
                running += 1
            try:
                result = self._results.get(timeout=self._wait_s if waiting else None)
            except queue.Empty:
                continue
            running -= 1
            if isinstance(result, BaseException):
                raise result
            if self._decided:
                return
            if result[1]:
                reserve.append(result[0])
        if not reserve:
            raise self._all_failed()
        self._win(reserve[0])  # nobody said a word, but this one ended well

    def _contest(self, label: K, stream: Stream) -> None:
        try:
            stream.__enter__()
            token = stream.wait_first_token()
            with self._deciding:
                if token and not self._decided:
                    self._win(label)
                lost = self._decided and self.winner != label
            if lost:
                stream.close()
            self._results.put((label, True))
        except HeadraceError as error:
            stream.close()
            self._failed(label, error, None)
            self._results.put((label, False))
        except BaseException as error:  # noqa: BLE001 - a condition of the caller's own that raised: it is the caller's
            stream.close()
            self._results.put(error)


class AsyncRace(_Raced[K, AsyncStream]):
    """A race of async streams. Entering it gives the stream that won; leaving it closes that, too."""

    def __init__(self, streams: dict[K, AsyncStream], *, stagger_s: float = 0.0) -> None:
        super().__init__(streams, stagger_s)

    async def __aenter__(self) -> AsyncStream:
        """Start the streams, each `stagger_s` after the one before it, and wait for the first token.

        Raises:
            HeadraceError: if all of them fail: the first one's error, with a note on each other.
        """
        self._enter()
        tasks: dict[asyncio.Task[bool], K] = {}
        try:
            await self._run(tasks)
        except BaseException:
            await self._end(tasks)
            await self.aclose()
            raise
        await self._end(tasks)
        return self._won()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the winner; the others are closed."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop and close all streams; a second call does nothing."""
        self._state = "closed"
        for stream in self.streams.values():
            await stream.aclose()

    async def _run(self, tasks: dict[asyncio.Task[bool], K]) -> None:
        waiting = list(self.streams.items())
        running: set[asyncio.Task[bool]] = set()
        reserve: list[K] = []
        while waiting or running:
            if waiting:
                label, stream = waiting.pop(0)
                task = asyncio.create_task(self._contest(label, stream), name=f"headrace-race-{len(tasks)}")
                tasks[task] = label
                running.add(task)
            done, running = await asyncio.wait(
                running, timeout=self._wait_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            ended = [tasks[task] for task in done if task.result()]
            if self._decided:
                return
            reserve += ended
        if not reserve:
            raise self._all_failed()
        self._win(reserve[0])  # nobody said a word, but this one ended well

    async def _end(self, tasks: dict[asyncio.Task[bool], K]) -> None:
        """Have the losers closed before the winner is read."""
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for label, stream in self.streams.items():
            if not (self._decided and label == self.winner):
                await stream.aclose()

    async def _contest(self, label: K, stream: AsyncStream) -> bool:
        """Give whether it is still a good answer: it gave a token, or ended well without."""
        try:
            await stream.__aenter__()
            if await stream.wait_first_token() and not self._decided:
                self._win(label)
        except HeadraceError as error:
            self._failed(label, error, None)
            return False
        return True


@overload
def race(streams: Mapping[K, Stream], *, stagger_s: float = 0.0) -> Race[K]: ...
@overload
def race(streams: Sequence[Stream], *, stagger_s: float = 0.0) -> Race[int]: ...
@overload
def race(streams: Mapping[K, AsyncStream], *, stagger_s: float = 0.0) -> AsyncRace[K]: ...
@overload
def race(streams: Sequence[AsyncStream], *, stagger_s: float = 0.0) -> AsyncRace[int]: ...
def race(streams: Any, *, stagger_s: float = 0.0) -> Race[Any] | AsyncRace[Any]:
    """Ask several, and take whoever gives a token first; the others are stopped at that moment.

        with headrace.race([headrace.stream(…), headrace.stream(…)], stagger_s=0.5) as s:
            for text in s.text_stream: …

    Args:
        streams: in a list, or by label; not entered yet, all blocking or all async.
        stagger_s: how long each waits for the one before it, in seconds; 0: all start at once. One that fails lets
            the next one start at once.

    Raises:
        UsageError: if the streams are none, of both kinds, or entered already.
    """
    by_label, asynchronous = labelled(streams, "race")
    kind: Any = AsyncRace if asynchronous else Race
    made: Race[Any] | AsyncRace[Any] = kind(by_label, stagger_s=stagger_s)
    return made
