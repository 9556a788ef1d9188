"""Labelled streams side by side: ``(label, event)`` as they come.

Laws kept here: one stream's failure stays its own; the order within a label is kept; each label's last event is an
`End`; a slow reader holds all of them back, within a bound; leaving the block stops every model that still writes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, overload

from headrace.errors import HeadraceError, UsageError
from headrace.stream import AsyncStream, Stream
from headrace.together.base import K, S, Together, labelled
from headrace.together.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from headrace.events import Event
    from headrace.flow.exchange import Batch

_WAITING = 16  # reads of a socket that may wait for the reader, of all streams together


class _Merged(Together[K, S]):
    def __init__(self, streams: dict[K, S], max_concurrency: int | None) -> None:
        super().__init__(streams)
        self._width = _width(max_concurrency, len(streams))
        self._waiting = iter(list(streams.items()))
        self._pending: deque[tuple[K, Event]] = deque()

    def cancel(self, label: K | None = None) -> None:
        """End one stream, or all of them, from any thread or task; their outcome is ``cancelled``.

        Raises:
            UsageError: if there is no stream of that label.
        """
        if label is None:
            for stream in reversed(self.streams.values()):  # first those whose turn has not come: it comes now
                stream.cancel()
        elif label in self.streams:
            self.streams[label].cancel()
        else:
            raise UsageError(f"no stream has the label {label!r}; there are {', '.join(map(repr, self.streams))}")

    def _check(self) -> None:
        if self._state == "new":
            raise UsageError("read a merge inside its block: 'with … as m:' (async: 'async with … as m:')")
        if self._state == "closed":
            raise UsageError("this merge's block was left, and its connections closed; the messages are still there")

    def _take(self, label: K, batch: Batch) -> None:
        self._pending.extend([(label, event) for event, _ in batch])

    def _text(self, label: K, event: Event) -> str | None:
        return self.streams[label].text_of(event)


def _width(most: Any, count: int) -> int:
    if most is not None and not (isinstance(most, int) and most >= 1):
        raise UsageError(f"max_concurrency must be a whole number of at least 1, not {most!r}")
    return min(most or count, count)


class Merge(_Merged[K, Stream]):
    """Blocking streams side by side, each read by a thread. Use it in a ``with`` block; read it by one thread.

    Iterating gives ``(label, event)``. A stream that fails ends with its `End`; its error stands in `errors`, and
    nothing is raised for it.
    """

    def __init__(self, streams: dict[K, Stream], *, max_concurrency: int | None = None) -> None:
        super().__init__(streams, max_concurrency)
        self._box: Mailbox[tuple[K, Batch] | BaseException | None] = Mailbox(_WAITING)
        self._picking = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._working = 0

    def __enter__(self) -> Self:
        """Start the first streams: all, or as many as may run at once."""
        self._enter()
        for number in range(self._width):
            name = f"headrace-merge-{number}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
        self._working = len(self._threads)
        try:
            for thread in self._threads:
                thread.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what still runs, and close all sockets."""
        self.close()

    def close(self) -> None:
        """Stop what still runs, and close all sockets; a second call does nothing."""
        if self._state == "closed":
            return
        self._state = "closed"
        self._box.close()
        self.cancel()
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join()
        for stream in self.streams.values():  # those whose turn had not come
            stream.close()

    def __iter__(self) -> Iterator[tuple[K, Event]]:
        """Give labels and events."""
        self._check()
        while True:
            while self._pending:
                yield self._pending.popleft()
                self._check()
            if not self._working:
                return
            item = self._box.get()
            if item is None:
                self._check()  # it may have been closed, from another thread
                self._working -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                self._take(*item)

    @property
    def text_stream(self) -> Iterator[tuple[K, str]]:
        """Labels and pieces of text (of choice 0)."""
        for label, event in self:
            if text := self._text(label, event):
                yield label, text

    def _work(self) -> None:
        while self._state == "open":
            with self._picking:
                turn = next(self._waiting, None)
            if turn is None:
                break
            self._read(*turn)
        self._box.put(None)

    def _read(self, label: K, stream: Stream) -> None:
        last: Event | None = None
        try:
            with stream:
                for batch in stream.batches():
                    last = batch[-1][0]
                    if not self._box.put((label, batch)):
                        return
        except HeadraceError as error:
            end = self._failed(label, error, last)
            if end is not None:
                self._box.put((label, [(end, None)]))
        except BaseException as error:  # noqa: BLE001 - a condition of the caller's own that raised: it is the reader's
            self._box.put(error)


class AsyncMerge(_Merged[K, AsyncStream]):
    """Async streams side by side, each read by a task. Use it in an ``async with`` block; read it by one task.

    Iterating gives ``(label, event)``. A stream that fails ends with its `End`; its error stands in `errors`, and
    nothing is raised for it.
    """

    def __init__(self, streams: dict[K, AsyncStream], *, max_concurrency: int | None = None) -> None:
        super().__init__(streams, max_concurrency)
        self._queue: asyncio.Queue[tuple[K, Batch] | Exception | None] = asyncio.Queue(_WAITING)
        self._tasks: list[asyncio.Task[None]] = []
        self._working = 0

    async def __aenter__(self) -> Self:
        """Start the first streams: all, or as many as may run at once."""
        self._enter()
        self._tasks = [asyncio.create_task(self._work(), name=f"headrace-merge-{n}") for n in range(self._width)]
        self._working = len(self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what still runs, and close all sockets."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop what still runs, and close all sockets; a second call does nothing."""
        if self._state == "closed":
            return
        self._state = "closed"
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(None)  # who still waits for more learns that there is none
        for stream in self.streams.values():  # those whose turn had not come
            await stream.aclose()

    async def __aiter__(self) -> AsyncIterator[tuple[K, Event]]:
        """Give labels and events."""
        self._check()
        while True:
            while self._pending:
                yield self._pending.popleft()
                self._check()
            if not self._working:
                return
            item = await self._queue.get()
            if item is None:
                self._check()  # it may have been closed, by another task
                self._working -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                self._take(*item)

    @property
    async def text_stream(self) -> AsyncIterator[tuple[K, str]]:
        """Labels and pieces of text (of choice 0)."""
        async for label, event in self:
            if text := self._text(label, event):
                yield label, text

    async def _work(self) -> None:
        try:
            for label, stream in self._waiting:
                await self._read(label, stream)
        finally:
            if self._state == "open":  # however it ends, the reader learns of it
                await self._queue.put(None)

    async def _read(self, label: K, stream: AsyncStream) -> None:
        last: Event | None = None
        try:
            async with stream:
                async for batch in stream.batches():
                    last = batch[-1][0]
                    await self._queue.put((label, batch))
        except HeadraceError as error:
            end = self._failed(label, error, last)
            if end is not None:
                await self._queue.put((label, [(end, None)]))
        except Exception as error:  # noqa: BLE001 - a condition of the caller's own that raised: it is the reader's
            await self._queue.put(error)


@overload
def merge(streams: Mapping[K, Stream], *, max_concurrency: int | None = None) -> Merge[K]: ...
@overload
def merge(streams: Sequence[Stream], *, max_concurrency: int | None = None) -> Merge[int]: ...
@overload
def merge(streams: Mapping[K, AsyncStream], *, max_concurrency: int | None = None) -> AsyncMerge[K]: ...
@overload
def merge(streams: Sequence[AsyncStream], *, max_concurrency: int | None = None) -> AsyncMerge[int]: ...
def merge(streams: Any, *, max_concurrency: int | None = None) -> Merge[Any] | AsyncMerge[Any]:
    """Read several streams side by side.

        with headrace.merge({"PY": headrace.stream(…), "JS": headrace.stream(…)}) as merged:
            for label, event in merged: …
            merged.messages["PY"].text

    Args:
        streams: by label, or in a list (whose labels are its indices); not entered yet, all blocking or all async.
        max_concurrency: how many may run at once; the others wait for their turn, in order. None: all.

    Raises:
        UsageError: if the streams are none, of both kinds, or entered already.
    """
    by_label, asynchronous = labelled(streams, "merge")
    kind: Any = AsyncMerge if asynchronous else Merge
    made: Merge[Any] | AsyncMerge[Any] = kind(by_label, max_concurrency=max_concurrency)
    return made
