"""Several streams: labels keep their type, and a list's labels are its indices."""

from collections.abc import Mapping, Sequence
from typing import Literal, assert_type

import headrace
from headrace import AsyncMerge, AsyncRace, AsyncStream, HeadraceError, Merge, Message, Race, Stream

Language = Literal["PY", "JS"]


def merged(by_name: dict[str, Stream], listed: list[Stream], by_language: Mapping[Language, Stream]) -> None:
    with headrace.merge(by_name, max_concurrency=2) as m:
        assert_type(m, Merge[str])
        for label, event in m:
            assert_type(label, str)
            assert_type(event, headrace.Event)
        for label, text in m.text_stream:
            assert_type(label, str)
            assert_type(text, str)
        m.cancel("PY")
        m.cancel()
    assert_type(m.messages, dict[str, Message])
    assert_type(m.errors, dict[str, HeadraceError])
    assert_type(m.streams, dict[str, Stream])
    assert_type(headrace.merge(listed), Merge[int])
    assert_type(headrace.merge((listed[0], listed[1])), Merge[int])
    assert_type(headrace.merge(by_language), Merge[Language])
    assert_type(headrace.merge({"PY": headrace.stream(), "JS": headrace.stream()}), Merge[str])


async def merged_async(by_name: dict[str, AsyncStream], listed: Sequence[AsyncStream]) -> None:
    async with headrace.merge(by_name) as m:
        assert_type(m, AsyncMerge[str])
        async for label, event in m:
            assert_type(label, str)
            assert_type(event, headrace.Event)
        async for label, text in m.text_stream:
            assert_type(label, str)
            assert_type(text, str)
    assert_type(m.messages, dict[str, Message])
    assert_type(m.streams, dict[str, AsyncStream])
    assert_type(headrace.merge(listed), AsyncMerge[int])


def gathered(by_name: dict[str, Stream], listed: list[Stream]) -> None:
    assert_type(headrace.gather(by_name), dict[str, Message])
    assert_type(headrace.gather(listed, max_concurrency=3, raise_errors=False), dict[int, Message])


async def gathered_async(by_name: dict[str, AsyncStream], listed: list[AsyncStream]) -> None:
    assert_type(await headrace.gather(by_name), dict[str, Message])
    assert_type(await headrace.gather(listed), dict[int, Message])


def raced(by_name: dict[str, Stream], listed: list[Stream]) -> None:
    race = headrace.race(listed, stagger_s=0.5)
    assert_type(race, Race[int])
    with race as s:
        assert_type(s, Stream)
    assert_type(race.winner, int | None)
    assert_type(headrace.race(by_name), Race[str])


async def raced_async(by_name: dict[str, AsyncStream], listed: list[AsyncStream]) -> None:
    race = headrace.race(by_name)
    assert_type(race, AsyncRace[str])
    async with race as s:
        assert_type(s, AsyncStream)
    assert_type(race.winner, str | None)
    assert_type(headrace.race(listed), AsyncRace[int])
