"""Conditions and limits on a stream; what is said of it, and checked, on the way."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from headrace import (
    ChoiceFinish,
    End,
    HeadraceError,
    StepStart,
    UsageError,
    has_complete_code_block,
)
from headrace.grammar import GrammarError
from tests.faces import FACES, KEY, Face, ask, read, stream_of
from tests.servers import STALL, Server, chunked, head, whole
from tests.wire.streams import DONE, choice, chunk, say, sse, usage

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


# -- conditions and limits

CODE = "Here:\n```python\nprint()\n```\nThat was it."


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "until", "kept"),
    [
        ("one STOP two", "STOP", "one STOP"),
        ("one STOP two", re.compile(r"ST.P\b"), "one STOP"),
        ("abcdefgh", lambda so_far: len(so_far) >= 3, None),
        (CODE, has_complete_code_block, CODE[: CODE.rindex("```") + 3]),
        ("nothing of it", "STOP", "nothing of it"),
    ],
    ids=["text", "regex", "predicate", "code block", "never"],
)
def test_until(face: Face, size: int, text: str, until: Any, kept: str | None, serve: Serve) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    server = serve(whole(sse(*map(say, pieces), chunk(choice(finish="stop")), DONE)))
    reading = read(face, until=until, **ask(server))
    if kept is None:  # a predicate is asked after each piece
        kept = next(text[:n] for n in range(size, len(text) + size, size) if n >= 3)
    assert reading.text == reading.message.text == kept
    assert reading.message.outcome == ("complete" if text == "nothing of it" else "stopped")
    assert reading.error is None


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("chars", [1, 2, 3, 4, 5])
def test_a_limit_of_characters_is_exact(face: Face, chars: int, serve: Serve) -> None:
    reading = read(face, limit={"chars": chars}, **ask(serve(whole(HELLO))))
    assert reading.text == reading.message.text == "Hello"[:chars]
    assert reading.message.outcome == "stopped"


@pytest.mark.parametrize("face", FACES)
def test_a_limit_that_is_not_reached(face: Face, serve: Serve) -> None:
    limit = {"chars": 6, "tokens": 100, "seconds": 60.0}
    reading = read(face, limit=limit, **ask(serve(whole(HELLO))))
    assert (reading.text, reading.message.outcome) == ("Hello", "complete")


@pytest.mark.parametrize("face", FACES)
def test_a_limit_of_tokens(face: Face, serve: Serve) -> None:
    body = sse(*[say("four") for _ in range(50)], DONE)
    reading = read(face, limit={"tokens": 10}, **ask(serve(whole(body))))
    assert reading.text == "four" * 10
    assert reading.message.outcome == "stopped"
    assert reading.message.usage.output_tokens == 10
    assert reading.message.usage.estimated


@pytest.mark.parametrize("face", FACES)
def test_a_limit_of_tokens_that_the_provider_counts(face: Face, serve: Serve) -> None:
    body = sse(*[say("four", usage=usage(3, 3 * n)) for n in range(1, 50)], DONE)
    reading = read(face, limit={"tokens": 9}, **ask(serve(whole(body))))
    assert reading.text == "four" * 3
    assert reading.message.usage.output_tokens == 9
    assert not reading.message.usage.estimated


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("method", "words"),
    [
        (lambda s: s.until(""), "the text to wait for is empty"),
        (lambda s: s.until(5), "takes a text, a compiled regex or a predicate"),
        (lambda s: s.limit(tokens=0), "limit(tokens=…) must be at least 1, not 0"),
        (lambda s: s.limit(chars=-1), "limit(chars=…) must be at least 1, not -1"),
        (lambda s: s.limit(seconds=0), "limit(seconds=…) must be above 0, not 0"),
    ],
)
def test_a_condition_that_makes_no_sense(face: Face, method: Any, words: str, serve: Serve) -> None:
    with pytest.raises(UsageError) as caught:
        method(make(face, serve()))
    assert words in str(caught.value)


@pytest.mark.parametrize("face", FACES)
def test_a_predicate_that_raises(face: Face, serve: Serve) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL])
    s = make(face, server).until(lambda text: len(text) < 1 / 0)
    with pytest.raises(ZeroDivisionError):
        within(face, s, lambda s: s)
    assert server.peers[0].wait_gone()


# -- what is said and checked on the way


@pytest.mark.parametrize("face", FACES)
def test_what_was_chosen_is_said_on_stderr(
    face: Face, serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(whole(HELLO))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert read(face, None, "Hi").text == "Hello"
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "headrace: no model was named; asking openai/gpt-4o-mini (openai's key was found)\n"
    assert json.loads(server.requests[0].body)["model"] == "gpt-4o-mini"
    assert read(face, "openai/gpt-4o", "Hi").text == "Hello"
    assert capsys.readouterr().err == ""


class FinishesTwice:
    """A decoder with a bug, which no bytes can bring about in ours."""

    done = False
    finished = True

    def feed(self, frame: Any) -> list[Any]:
        self.done = True
        finish = ChoiceFinish(0, "complete")
        return [StepStart(v=1), finish, finish, End(outcome="complete")]

    def finish(self) -> list[Any]:
        return []


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("variable", "option", "checked"),
    [("", None, False), ("0", None, False), ("1", None, True), ("1", False, False), ("", True, True)],
)
def test_debug_puts_the_grammar_behind_the_decoder(
    face: Face, variable: str, option: bool | None, checked: bool, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_DEBUG", variable)
    monkeypatch.setattr("headrace.client.make_decoder", lambda *_, **__: FinishesTwice())
    options = ask(serve(whole(HELLO)), debug=option)
    if checked:
        with pytest.raises(GrammarError, match="choice 0 finishes twice"):
            read(face, **options)
    else:
        assert read(face, **options).message.outcome == "complete"


@pytest.mark.parametrize("face", FACES)
def test_debug_finds_nothing_wrong_with_ours(face: Face, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DEBUG", "1")
    assert read(face, **ask(serve(whole(HELLO)))).message.outcome == "complete"
    assert read(face, limit={"chars": 2}, **ask(serve(whole(HELLO)))).message.outcome == "stopped"


@pytest.mark.parametrize("face", FACES)
def test_an_error_of_a_refused_stream_is_raised_on_entering(face: Face, serve: Serve) -> None:
    s = make(face, serve([head(401, "text/plain", framing="2") + b"no"]))
    with pytest.raises(HeadraceError):
        within(face, s, lambda s: pytest.fail("the block was entered"))
