"""The views of a stream, the same in both faces: events, text, frames; and where they may be read."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import (
    ChoiceFinish,
    End,
    PartDelta,
    PartEnd,
    PartStart,
    RetractedError,
    StepStart,
    TruncatedError,
    UsageError,
    UsageUpdate,
)
from tests.faces import FACES, Face, ask, read, stream_of
from tests.servers import CLOSE, LAST, STALL, Gate, Server, chunked, head, whole
from tests.wire.streams import DONE, block, choice, chunk, message_delta, message_start, messages, say, sse, usage

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)


def make(face: Face, server: Server, wire: str = "openai", **options: Any) -> Any:
    return stream_of(face, **ask(server, wire, **options))


def within(face: Face, s: Any, view: Callable[[Any], Any]) -> Any:
    """Enter a stream, and give what a view of it gives: a list of an iterator's items, or the value."""

    def blocking() -> Any:
        with s:
            given = view(s)
            return list(given) if hasattr(given, "__iter__") and not isinstance(given, str) else given

    async def asynchronous() -> Any:
        async with s:
            given = view(s)
            if hasattr(given, "__aiter__"):
                return [item async for item in given]
            return await given if asyncio.iscoroutine(given) else given

    return blocking() if face == "sync" else asyncio.run(asynchronous())


# -- views


@pytest.mark.parametrize("face", FACES)
def test_events(face: Face, serve: Serve) -> None:
    events = within(face, make(face, serve(whole(HELLO))), lambda s: s)
    assert [type(e) for e in events] == [
        StepStart,
        PartStart,
        PartDelta,
        PartDelta,
        PartEnd,
        ChoiceFinish,
        UsageUpdate,
        End,
    ]


@pytest.mark.parametrize("face", FACES)
def test_text_stream(face: Face, serve: Serve) -> None:
    body = sse(
        chunk(choice({"reasoning_content": "hm"})),
        say("Hel"),
        chunk(choice({"content": "other"}, index=1)),
        say("lo", "stop"),
        DONE,
    )
    assert within(face, make(face, serve(whole(body))), lambda s: s.text_stream) == ["Hel", "lo"]


@pytest.mark.parametrize("face", FACES)
def test_text_comes_before_the_answer_is_complete(face: Face, serve: Serve) -> None:
    gate = Gate()
    server = serve([head() + chunked(sse(say("Hel"))), gate, chunked(sse(say("lo", "stop"), DONE)) + LAST])
    s = make(face, server)
    texts: list[str] = []

    def blocking() -> None:
        with s:
            for text in s.text_stream:
                texts.append(text)
                gate.open()

    async def asynchronous() -> None:
        async with s:
            async for text in s.text_stream:
                texts.append(text)
                gate.open()

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert texts == ["Hel", "lo"]


@pytest.mark.parametrize("face", FACES)
def test_raw_stream_gives_each_event_with_its_frame(face: Face, serve: Serve) -> None:
    pairs = within(face, make(face, serve(whole(HELLO))), lambda s: s.raw_stream)
    said = [
        (event.text, json.loads(frame.data)["choices"][0]["delta"]["content"])
        for event, frame in pairs
        if isinstance(event, PartDelta)
    ]
    assert said == [("Hel", "Hel"), ("lo", "lo")]
    event, frame = pairs[-1]
    assert isinstance(event, End)
    assert frame.data == b"[DONE]"


@pytest.mark.parametrize("face", FACES)
def test_batches_give_what_is_there_at_once(face: Face, serve: Serve) -> None:
    first, second = sse(say("a"), say("b")), sse(say("c", "stop"), DONE)
    gate = Gate()
    server = serve([head() + chunked(first), gate, chunked(second) + LAST])
    s = make(face, server)
    batches: list[list[str]] = []

    def said(batch: Any) -> None:
        batches.append([event.text for event, frame in batch if isinstance(event, PartDelta) and frame])
        gate.open()

    def blocking() -> None:
        with s:
            for batch in s.batches():
                said(batch)

    async def asynchronous() -> None:
        async with s:
            async for batch in s.batches():
                said(batch)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert batches == [["a", "b"], ["c"]]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("cut", ["failure", "cancel"])
def test_batches_end_as_the_stream_does(face: Face, cut: str, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("a"))), CLOSE if cut == "failure" else STALL])
    s = make(face, server)
    ends: list[Any] = []

    def said(batch: Any) -> None:
        ends.append(batch[-1][0])
        if cut == "cancel":
            s.cancel()

    def blocking() -> None:
        with s:
            for batch in s.batches():
                said(batch)

    async def asynchronous() -> None:
        async with s:
            async for batch in s.batches():
                said(batch)

    if cut == "failure":
        with pytest.raises(TruncatedError):
            blocking() if face == "sync" else asyncio.run(asynchronous())
    else:
        blocking() if face == "sync" else asyncio.run(asynchronous())
    assert isinstance(ends[-1], End)
    assert s.message.outcome == ("truncated" if cut == "failure" else "cancelled")


@pytest.mark.parametrize("face", FACES)
def test_an_event_of_our_own_has_no_frame(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL])
    pairs = within(face, make(face, server).limit(chars=3), lambda s: s.raw_stream)
    event, frame = pairs[-1]
    assert (event, frame) == (End(outcome="stopped"), None)


@pytest.mark.parametrize("face", FACES)
def test_the_final_text_and_message(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    assert within(face, make(face, server), lambda s: s.get_final_text()) == "Hello"
    s = make(face, server)
    message = within(face, s, lambda s: s.get_final_message())
    assert (message.text, message.outcome, message.usage.output_tokens) == ("Hello", "complete", 2)
    assert s.message is message


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("view", [lambda s: s.get_final_text(), lambda s: s.get_final_message()])
def test_the_final_view_of_a_failure_raises(face: Face, view: Any, serve: Serve) -> None:
    s = make(face, serve(whole(sse(say("Hel")))))
    with pytest.raises(TruncatedError) as caught:
        within(face, s, view)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"


@pytest.mark.parametrize("face", FACES)
def test_the_message_grows(face: Face, serve: Serve) -> None:
    s = make(face, serve(whole(HELLO)))
    assert (s.message.text, s.message.outcome) == ("", None)
    within(face, s, lambda s: s)
    assert (s.message.text, s.message.outcome) == ("Hello", "complete")
    assert s.message is s.message


@pytest.mark.parametrize("face", FACES)
def test_timing(face: Face, serve: Serve) -> None:
    s = make(face, serve(whole(HELLO)))
    assert s.timing == headrace.Timing()
    within(face, s, lambda s: s)
    timing = s.timing
    assert 0 < timing.head_s <= timing.first_token_s <= timing.last_token_s <= timing.total_s


# -- a second look


@pytest.mark.parametrize("face", FACES)
def test_a_second_iterator_goes_on_where_the_first_stopped(face: Face, serve: Serve) -> None:
    s = make(face, serve(whole(HELLO)))
    texts: list[str] = []

    def blocking() -> None:
        with s:
            for event in s:
                if isinstance(event, PartDelta):
                    texts.append(event.text)
                    break
            texts.extend(s.text_stream)
            assert list(s) == []
            assert s.get_final_text() == "Hello"

    async def asynchronous() -> None:
        async with s:
            async for event in s:
                if isinstance(event, PartDelta):
                    texts.append(event.text)
                    break
            texts.extend([text async for text in s.text_stream])
            assert [event async for event in s] == []
            assert await s.get_final_text() == "Hello"

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert texts == ["Hel", "lo"]


@pytest.mark.parametrize("face", FACES)
def test_the_error_comes_again(face: Face, serve: Serve) -> None:
    s = make(face, serve(whole(sse(say("Hel")))))

    def blocking() -> None:
        with s:
            for _ in range(2):
                with pytest.raises(TruncatedError):
                    s.get_final_text()

    async def asynchronous() -> None:
        async with s:
            for _ in range(2):
                with pytest.raises(TruncatedError):
                    await s.get_final_text()

    blocking() if face == "sync" else asyncio.run(asynchronous())


# -- where it may be read

VIEWS: dict[str, Callable[[Any], Any]] = {
    "events": lambda s: s,
    "text": lambda s: s.text_stream,
    "raw": lambda s: s.raw_stream,
    "batches": lambda s: s.batches(),
    "final text": lambda s: s.get_final_text(),
    "final message": lambda s: s.get_final_message(),
}


def look(face: Face, s: Any, view: Callable[[Any], Any]) -> None:
    """Take one look at a view, without entering the stream."""

    async def asynchronous() -> None:
        given = view(s)
        if hasattr(given, "__aiter__"):
            await anext(aiter(given))
        else:
            await given

    if face == "async":
        asyncio.run(asynchronous())
    else:
        given = view(s)
        next(iter(given))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("view", VIEWS)
def test_read_outside_its_block(face: Face, view: str, serve: Serve) -> None:
    s = make(face, serve(whole(HELLO)))
    with pytest.raises(UsageError, match=r"read a stream inside its block: 'with … as s:' \(async: 'async with"):
        look(face, s, VIEWS[view])


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("whole_read", [True, False])
def test_read_after_its_block(face: Face, view: str, whole_read: bool, serve: Serve) -> None:
    s = make(face, serve(whole(HELLO)))
    within(face, s, (lambda s: s) if whole_read else (lambda s: ""))
    with pytest.raises(UsageError, match="this stream's block was left, and its connection closed; its message is"):
        look(face, s, VIEWS[view])
    assert s.message.outcome == ("complete" if whole_read else "cancelled")


@pytest.mark.parametrize("face", FACES)
def test_an_iterator_does_not_outlive_the_block(face: Face, serve: Serve) -> None:
    # else it would end as if the answer had
    s = make(face, serve(whole(HELLO)))

    def blocking() -> None:
        with s:
            events = iter(s)
            next(events)
        next(events)

    async def asynchronous() -> None:
        async with s:
            events = aiter(s)
            await anext(events)
        await anext(events)

    with pytest.raises(UsageError, match="this stream's block was left"):
        blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_entered_twice(face: Face, serve: Serve) -> None:
    server = serve(whole(HELLO))
    s = make(face, server)
    within(face, s, lambda s: s)
    with pytest.raises(UsageError, match="a stream can be entered once: make another for another request"):
        within(face, s, lambda s: s)
    assert len(server.requests) == 1


def test_two_threads_read_at_once(serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL])
    s = make("sync", server)
    reads = threading.Event()
    read_one = s._connection.read  # to know that the first reader has begun to wait

    def reading(wait_s: float | None) -> bytes:
        reads.set()
        data: bytes = read_one(wait_s)
        return data

    with s:
        next(s.text_stream)
        s._connection.read = reading
        first = threading.Thread(target=lambda: list(s))
        first.start()
        assert reads.wait(10)
        with pytest.raises(UsageError, match="this stream is being read elsewhere: one reader at a time"):
            next(iter(s))
        s.cancel()
        first.join()


async def test_two_tasks_read_at_once(serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL])
    async with make("async", server) as s:
        await anext(s.text_stream)

        async def reading() -> list[Any]:
            return [event async for event in s]

        first = asyncio.create_task(reading())
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="this stream is being read elsewhere: one reader at a time"):
            await anext(aiter(s))
        s.cancel()
        assert isinstance((await first)[-1], End)


@pytest.mark.parametrize("face", FACES)
def test_an_answer_that_begins_anew(face: Face, serve: Serve) -> None:
    # a router spliced a second answer into the first one's stream
    body = messages(
        message_start("msg_1"),
        *block(0, "Wrong"),
        message_start("msg_2"),
        *block(0, "Right"),
        message_delta(),
        {"type": "message_stop"},
    )
    s = make(face, serve(whole(body)), "anthropic")
    with pytest.raises(RetractedError, match="the answer began anew after text was given out") as caught:
        within(face, s, lambda s: s.text_stream)
    assert caught.value.partial is not None
    reading = read(face, **ask(serve(whole(body)), "anthropic"))
    assert (reading.message.text, reading.message.outcome) == ("Right", "complete")
    assert within(face, make(face, serve(whole(body)), "anthropic"), lambda s: s.get_final_text()) == "Right"


@pytest.mark.parametrize("face", FACES)
def test_an_answer_that_begins_anew_before_it_said_anything(face: Face, serve: Serve) -> None:
    body = messages(
        message_start("msg_1"), message_start("msg_2"), *block(0, "Right"), message_delta(), {"type": "message_stop"}
    )
    s = make(face, serve(whole(body)), "anthropic")
    assert within(face, s, lambda s: s.text_stream) == ["Right"]
