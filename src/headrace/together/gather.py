"""Several streams, and only their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from headrace.together.base import K, labelled
from headrace.together.merge import AsyncMerge, Merge

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from headrace.message import Message
    from headrace.stream import AsyncStream, Stream


@overload
def gather(
    streams: Mapping[K, Stream], *, max_concurrency: int | None = None, raise_errors: bool = True
) -> dict[K, Message]: ...
@overload
def gather(
    streams: Sequence[Stream], *, max_concurrency: int | None = None, raise_errors: bool = True
) -> dict[int, Message]: ...
@overload
def gather(
    streams: Mapping[K, AsyncStream], *, max_concurrency: int | None = None, raise_errors: bool = True
) -> Coroutine[Any, Any, dict[K, Message]]: ...
@overload
def gather(
    streams: Sequence[AsyncStream], *, max_concurrency: int | None = None, raise_errors: bool = True
) -> Coroutine[Any, Any, dict[int, Message]]: ...
def gather(streams: Any, *, max_concurrency: int | None = None, raise_errors: bool = True) -> Any:
    """Read several streams side by side to their ends, and give their messages by label; of async ones, await it.

    Args:
        streams: as `headrace.merge` takes them.
        max_concurrency: how many may run at once. None: all.
        raise_errors: raise the first label's failure, once all have ended; its note names the label. False: a message
            says by its outcome whether it is whole.

    Raises:
        HeadraceError: if a stream failed; what the others said is in their `message`.
        UsageError: if the streams are none, of both kinds, or entered already.
    """
    by_label, asynchronous = labelled(streams, "gather")
    if asynchronous:
        return _gathered(AsyncMerge(by_label, max_concurrency=max_concurrency), raise_errors)
    with Merge(by_label, max_concurrency=max_concurrency) as merged:
        for _ in merged:
            pass
    return _result(merged, raise_errors)


async def _gathered(merged: AsyncMerge[K], raise_errors: bool) -> dict[K, Message]:
    async with merged:
        async for _ in merged:
            pass
    return _result(merged, raise_errors)


def _result(merged: Merge[K] | AsyncMerge[K], raise_errors: bool) -> dict[K, Message]:
    if raise_errors:
        for label in merged.streams:
            if label in merged.errors:
                raise merged.errors[label]
    return merged.messages
