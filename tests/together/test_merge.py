"""Streams side by side: order, failures that stay their own, bounds, and sockets that close."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace import AuthenticationError, End, PartDelta, TruncatedError, UsageError
from headrace.together.mailbox import Mailbox
from tests.faces import FACES, Face, ask, stream_of
from tests.servers import GONE_S, LAST, RESET, STALL, Gate, Server, open_sockets
from tests.together.joined import begun, ended, good, read_merge, refused, streams

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]


@pytest.mark.parametrize("face", FACES)
def test_labels_and_events(face: Face, serve: Serve) -> None:
    servers = {"PY": serve(good("def ", "f(): ", "...")), "JS": serve(good("function ", "f() {}"))}
    seen = read_merge(face, streams(face, servers))
    assert {label: message.text for label, message in seen.merged.messages.items()} == {
        "PY": "def f(): ...",
        "JS": "function f() {}",
    }
    for label in servers:  # in order within a label
        assert "".join(e.text for e in seen.of(label) if isinstance(e, PartDelta)) == seen.merged.messages[label].text
        assert isinstance(seen.of(label)[-1], End)
    assert seen.merged.errors == {}


@pytest.mark.parametrize("face", FACES)
def test_a_list_s_labels_are_its_indices(face: Face, serve: Serve) -> None:
    given = list(streams(face, {0: serve(good("a")), 1: serve(good("b"))}).values())
    assert read_merge(face, given).ends() == {0: "complete", 1: "complete"}


@pytest.mark.parametrize("face", FACES)
def test_they_run_side_by_side(face: Face, serve: Serve) -> None:
    """Each waits for the other's first word: one after the other, neither would end."""
    gates = {"a": Gate(), "b": Gate()}
    servers = {label: serve([begun("1"), gate, ended("2")]) for label, gate in gates.items()}
    merged = headrace.merge(streams(face, servers))
    heard: set[Any] = set()

    def take(label: Any, event: Any) -> None:
        if isinstance(event, PartDelta):
            heard.add(label)
        if len(heard) == 2:
            for gate in gates.values():
                gate.open()

    def blocking() -> None:
        with merged as m:
            for pair in m:
                take(*pair)

    async def asynchronous() -> None:
        async with merged as m:
            async for pair in m:
                take(*pair)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert [m.text for m in merged.messages.values()] == ["12", "12"]


@pytest.mark.parametrize("face", FACES)
def test_a_failure_stays_its_own(face: Face, serve: Serve) -> None:
    servers = {
        "good": serve(good("Hello")),
        "refused": serve(refused()),
        "cut": serve([begun("Hel"), RESET]),
        "short": serve([begun("Hel"), LAST]),
    }
    seen = read_merge(face, streams(face, servers))
    assert seen.ends() == {"good": "complete", "refused": "failed", "cut": "truncated", "short": "truncated"}
    errors = seen.merged.errors
    assert {label: type(error) for label, error in errors.items()} == {
        "refused": AuthenticationError,
        "cut": TruncatedError,
        "short": TruncatedError,
    }
    assert errors["short"].partial.text == seen.merged.messages["short"].text == "Hel"
    assert errors["refused"].__notes__ == ["in the stream 'refused'"]
    for server in servers.values():
        assert open_sockets(server.port) == 0


@pytest.mark.parametrize("face", FACES)
def test_as_many_at_once_as_wanted(face: Face, serve: Serve) -> None:
    servers = {n: serve(good(str(n))) for n in range(5)}
    seen = read_merge(face, streams(face, servers), max_concurrency=1)
    assert [label for label, event in seen.pairs if isinstance(event, End)] == [0, 1, 2, 3, 4]
    order = [label for label, _ in seen.pairs]
    assert order == sorted(order)  # nobody began before the one before had ended


@pytest.mark.parametrize("face", FACES)
def test_leaving_stops_them_all(face: Face, serve: Serve, no_collector: None) -> None:
    servers = {label: serve([begun("Hi"), STALL]) for label in "abc"}
    waiting = serve(good("never"))
    given = streams(face, {**servers, "d": waiting})
    merged = headrace.merge(given, max_concurrency=3)

    def blocking() -> None:
        with merged as m:
            for _ in m:
                break

    async def asynchronous() -> None:
        async with merged as m:
            async for _ in m:
                break

    blocking() if face == "sync" else asyncio.run(asynchronous())
    for server in servers.values():
        if server.peers:  # it may have been too early to ask
            assert server.peers[0].wait_gone()
        assert open_sockets(server.port) == 0
    assert waiting.peers == []
    assert {m.outcome for m in merged.messages.values()} == {"cancelled"}
    assert [t for t in threading.enumerate() if t.name.startswith("headrace-merge")] == []


@pytest.mark.parametrize("face", FACES)
def test_one_may_be_cancelled_alone(face: Face, serve: Serve) -> None:
    gate = Gate()
    servers = {"silent": serve([begun("Hi"), STALL]), "other": serve([begun("1"), gate, ended("2")])}
    merged = headrace.merge(streams(face, servers))
    outcomes: list[tuple[Any, str]] = []

    def take(label: Any, event: Any) -> None:
        if label == "silent" and isinstance(event, PartDelta):
            merged.cancel("silent")
        if isinstance(event, End):
            outcomes.append((label, event.outcome))
            gate.open()

    def blocking() -> None:
        with merged as m:
            for pair in m:
                take(*pair)

    async def asynchronous() -> None:
        async with merged as m:
            async for pair in m:
                take(*pair)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    assert outcomes == [("silent", "cancelled"), ("other", "complete")]
    assert servers["silent"].peers[0].wait_gone()


@pytest.mark.parametrize("face", FACES)
def test_cancelling_all_from_another_thread(face: Face, serve: Serve) -> None:
    servers = {label: serve([begun("Hi"), STALL]) for label in "ab"}
    merged = headrace.merge(streams(face, servers))

    def stop() -> None:
        for server in servers.values():
            server.wait_asked()
        merged.cancel()

    thread = threading.Thread(target=stop)
    thread.start()

    def blocking() -> dict[Any, str]:
        with merged as m:
            return {label: event.outcome for label, event in m if isinstance(event, End)}

    async def asynchronous() -> dict[Any, str]:
        async with merged as m:
            return {label: event.outcome async for label, event in m if isinstance(event, End)}

    ends = blocking() if face == "sync" else asyncio.run(asynchronous())
    thread.join(GONE_S)
    assert ends == {"a": "cancelled", "b": "cancelled"}


@pytest.mark.parametrize("face", FACES)
def test_a_slow_reader_holds_them_back(face: Face, serve: Serve) -> None:
    """Far more is said than a reader that does not read may have waiting."""
    word = "x" * 1000
    many = [begun(*[word] * 100)] * 1000  # about 100 MB
    servers = {label: serve([*many, STALL]) for label in "ab"}
    merged = headrace.merge(streams(face, servers))
    total = sum(len(step) for step in many)

    def blocking() -> None:
        with merged as m:
            next(iter(m))
            for thread in threading.enumerate():
                if thread.name.startswith("headrace-merge"):
                    thread.join(0.3)  # a moment in which they could read on, if they did

    async def asynchronous() -> None:
        async with merged as m:
            async for _ in m:
                break
            await asyncio.sleep(0.3)

    blocking() if face == "sync" else asyncio.run(asynchronous())
    for server in servers.values():
        assert all(peer.written < total / 2 for peer in server.peers)


@pytest.mark.parametrize("face", FACES)
def test_text_by_label(face: Face, serve: Serve) -> None:
    merged = headrace.merge(streams(face, {"a": serve(good("x", "y")), "b": serve(refused())}))

    def blocking() -> list[Any]:
        with merged as m:
            return list(m.text_stream)

    async def asynchronous() -> list[Any]:
        async with merged as m:
            return [pair async for pair in m.text_stream]

    assert (blocking() if face == "sync" else asyncio.run(asynchronous())) == [("a", "x"), ("a", "y")]


@pytest.mark.parametrize("face", FACES)
def test_a_condition_that_raises_is_the_reader_s(face: Face, serve: Serve) -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    given = streams(face, {"a": serve(good("x")), "b": serve([begun("y"), STALL])})
    given["a"].until(broken)
    with pytest.raises(ZeroDivisionError):
        read_merge(face, given)


@pytest.mark.parametrize("face", FACES)
def test_a_second_iterator_goes_on(face: Face, serve: Serve) -> None:
    merged = headrace.merge(streams(face, {"a": serve(good("x", "y"))}))

    def blocking() -> list[Any]:
        with merged as m:
            next(iter(m))
            return [event for _, event in m]

    async def asynchronous() -> list[Any]:
        async with merged as m:
            async for _ in m:
                break
            return [event async for _, event in m]

    rest = blocking() if face == "sync" else asyncio.run(asynchronous())
    assert [e.text for e in rest if isinstance(e, PartDelta)] == ["x", "y"]


@pytest.mark.parametrize("face", FACES)
def test_outside_its_block(face: Face, serve: Serve) -> None:
    merged = headrace.merge(streams(face, {"a": serve(good("x"))}))

    def blocking() -> None:
        with pytest.raises(UsageError, match="inside its block"):
            next(iter(merged))
        with merged as m:
            pairs = iter(m)
            next(pairs)
        for _ in range(2):
            merged.close()
        with pytest.raises(UsageError, match="was left"):
            next(pairs)
        with pytest.raises(UsageError, match="entered once"), merged:
            pass

    async def asynchronous() -> None:
        with pytest.raises(UsageError, match="inside its block"):
            await anext(aiter(merged))
        async with merged as m:
            pairs = aiter(m)
            await anext(pairs)
        for _ in range(2):
            await merged.aclose()
        with pytest.raises(UsageError, match="was left"):
            await anext(pairs)
        with pytest.raises(UsageError, match="entered once"):
            async with merged:
                pass

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_what_makes_no_sense(face: Face, serve: Serve) -> None:
    one = stream_of(face, **ask(serve(good("x"))))
    other = stream_of("async" if face == "sync" else "sync", **ask(serve(good("x"))))
    cases: list[tuple[Any, str]] = [
        ({}, "at least one"),
        (None, "a dict by label, or a list"),
        (one, "a dict by label, or a list"),
        ({"a": "text"}, "'a' is a str"),
        ([one, one], "two labels"),
        ([one, other], "not both at once"),
    ]
    for given, text in cases:
        for make in (headrace.merge, headrace.gather, headrace.race):
            with pytest.raises(UsageError, match=text):
                make(given)
    for most in (0, "2", 2.5):
        with pytest.raises(UsageError, match="a whole number of at least 1, not"):
            headrace.merge([one], max_concurrency=most)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="typo"):  # it is the caller's own, and says so
        headrace.merge(stream_of(face, **ask(serve(good("x"))), typo=1) for _ in range(2))
    with pytest.raises(UsageError, match="no stream has the label 'b'; there are 'a'"):
        headrace.merge({"a": one}).cancel("b")

    def blocking() -> None:
        with one, pytest.raises(UsageError, match="'a' was entered already"):
            headrace.merge({"a": one})

    async def asynchronous() -> None:
        async with one:
            with pytest.raises(UsageError, match="'a' was entered already"):
                headrace.merge({"a": one})

    blocking() if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_closing_it_elsewhere_wakes_its_reader(face: Face, serve: Serve) -> None:
    server = serve([begun("Hi"), STALL])
    merged: Any = headrace.merge(streams(face, {"a": server}))

    def blocking() -> None:
        with merged as m:
            for _, event in m:
                if isinstance(event, PartDelta):
                    threading.Thread(target=merged.close).start()

    async def asynchronous() -> None:
        closing: set[asyncio.Task[None]] = set()
        async with merged as m:
            async for _, event in m:
                if isinstance(event, PartDelta):
                    closing.add(asyncio.create_task(merged.aclose()))
        await asyncio.gather(*closing)

    with pytest.raises(UsageError, match="was left"):
        blocking() if face == "sync" else asyncio.run(asynchronous())
    assert server.peers[0].wait_gone()


def test_a_thread_that_cannot_be_had(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = {label: serve([begun("Hi"), STALL]) for label in "abc"}
    start, started = threading.Thread.start, list[threading.Thread]()

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("headrace-merge") and len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    given = streams("sync", servers)
    monkeypatch.setattr(threading.Thread, "start", scarce)
    with pytest.raises(RuntimeError, match="new thread"):
        headrace.merge(given).__enter__()
    assert not any(thread.is_alive() for thread in started if thread.name.startswith("headrace-merge"))
    for server in servers.values():
        assert open_sockets(server.port) == 0


async def test_a_source_that_somebody_else_cancelled(serve: Serve) -> None:
    async def source() -> Any:
        yield chunked_text("Hi")
        task = asyncio.create_task(asyncio.sleep(GONE_S))
        task.cancel()
        await task

    def chunked_text(text: str) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"content": text}}]}

    async with headrace.merge({"a": headrace.adopt(source())}) as merged:
        async for _ in merged:
            pass
    assert isinstance(merged.errors["a"], TruncatedError)
    good_one = stream_of("async", **ask(serve(good("x"))))
    async with headrace.race([headrace.adopt(source_of_nothing()), good_one]) as s:
        assert await s.get_final_text() == "x"


async def source_of_nothing() -> Any:
    task = asyncio.create_task(asyncio.sleep(GONE_S))
    task.cancel()
    await task
    yield {}


# -- gather


def gathered(face: Face, given: Any, **options: Any) -> Any:
    async def asynchronous() -> Any:
        return await headrace.gather(given, **options)

    return headrace.gather(given, **options) if face == "sync" else asyncio.run(asynchronous())


@pytest.mark.parametrize("face", FACES)
def test_just_the_messages(face: Face, serve: Serve) -> None:
    given = streams(face, {"a": serve(good("x")), "b": serve(good("y"))})
    assert {k: m.text for k, m in gathered(face, given).items()} == {"a": "x", "b": "y"}


@pytest.mark.parametrize("face", FACES)
def test_gathering_raises_what_failed(face: Face, serve: Serve) -> None:
    given = streams(face, {"a": serve(good("x")), "b": serve([begun("y"), LAST]), "c": serve(refused())})
    with pytest.raises(TruncatedError) as caught:
        gathered(face, given)
    assert caught.value.__notes__ == ["in the stream 'b'"]
    assert given["a"].message.outcome == "complete"  # nothing that others said is lost


@pytest.mark.parametrize("face", FACES)
def test_gathering_without_raising(face: Face, serve: Serve) -> None:
    given = streams(face, {"a": serve(good("x")), "c": serve(refused())})
    messages = gathered(face, given, raise_errors=False, max_concurrency=1)
    assert {k: m.outcome for k, m in messages.items()} == {"a": "complete", "c": "failed"}


# -- the box between threads


def test_a_full_box_holds_its_sender_back() -> None:
    box: Mailbox[int] = Mailbox(1)
    assert box.put(1)
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(box.put(2)))
    thread.start()
    assert box.get() == 1
    thread.join(GONE_S)
    assert (done, box.get()) == ([True], 2)


def test_closing_a_box_wakes_its_senders() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.put(1)
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(box.put(2)))
    thread.start()
    box.close()
    thread.join(GONE_S)
    assert done == [False]
