"""Faults of the frames, through the real framer and decoder: a table of what a client makes of each."""

import json
from typing import Any

import pytest

from headrace.sim.faults.frame import Frame, changed, cut_frames, dump, opened, written
from headrace.sim.faults.kinds import ANTHROPIC_USAGE, KINDS, OPENAI_USAGE, USAGES
from headrace.sim.faults.oddities import splice
from headrace.sim.faults.place import Place
from headrace.sim.faults.stream_ends import marker_only
from headrace.sim.faults.usage_places import place_usage
from headrace.sim.play import Act, Piece
from headrace.wire.providers import WireName
from tests.sim.faults.spoiling import TEXT, TOKENS, WIRES, answer, plain, seen

every_wire = pytest.mark.parametrize("wire", WIRES)

ALL, PART, NONE, MORE = "all", "part", "none", "more"
GOOD = ("complete", ALL, None)
BROKEN = ("failed", PART, "wire")
CUT = ("truncated", ALL, "truncated")


def amount(text: str) -> str:
    if text in ("", TEXT):
        return ALL if text else NONE
    return PART if TEXT.startswith(text) else MORE


TABLE: dict[str, tuple[Any, Any]] = {
    "": (GOOD, GOOD),
    **{f"usage:{where}": (GOOD, GOOD) for where in USAGES},
    "finish:novel": (GOOD, GOOD),
    "no-finish": (CUT, CUT),
    "done-only": (CUT, CUT),
    "double-finish": (GOOD, GOOD),
    "no-done": (GOOD, GOOD),
    "unknown": (GOOD, GOOD),
    "huge": (GOOD, GOOD),
    "huge:17000000": (("failed", PART, "frame_too_large"), ("failed", PART, "frame_too_large")),
    "splice": (("complete", MORE, None), GOOD),  # only Anthropic's start of a message says that it begins anew
    "splice@token:0": (GOOD, GOOD),
    "duplicate": (("complete", MORE, None), ("complete", MORE, None)),
    "duplicate:start": (GOOD, GOOD),
    "surrogates": (GOOD, GOOD),
    "error": (("failed", PART, "server"), ("failed", PART, "overloaded")),
    "error:overloaded": (("failed", PART, "overloaded"), ("failed", PART, "overloaded")),
    "error:rate_limit": (("failed", PART, "rate_limit"), ("failed", PART, "rate_limit")),
    "error:server": (("failed", PART, "server"), ("failed", PART, "server")),
    "error:invalid": (("failed", PART, "invalid_request"), ("failed", PART, "invalid_request")),
    "error:timeout": (("failed", PART, "server"), ("failed", PART, "server")),
    "error:string": (("failed", PART, "provider"), ("failed", PART, "provider")),
    "error:openrouter": (("failed", PART, "server"), ("failed", PART, "overloaded")),
    "error:groq": (("failed", PART, "invalid_request"), ("failed", PART, "overloaded")),
    "error:vllm": (("failed", PART, "server"), ("failed", PART, "overloaded")),
    "error@token:0": (("failed", NONE, "server"), ("failed", NONE, "overloaded")),
    "error@time:900": (GOOD, GOOD),  # it is over by then
    "malformed": (BROKEN, BROKEN),
    "malformed:cut": (BROKEN, BROKEN),
    "malformed:garbage": (BROKEN, BROKEN),
    "malformed:unquoted": (BROKEN, BROKEN),
    "malformed:nan": (GOOD, GOOD),
    "malformed@time:2.6": (BROKEN, BROKEN),
    "malformed@byte:1000": (BROKEN, BROKEN),
    "malformed@event:6": (BROKEN, BROKEN),
    "bad-utf8": (("complete", MORE, None), ("complete", MORE, None)),
}


@every_wire
@pytest.mark.parametrize("fault", TABLE)
def test_what_a_client_gets(fault: str, wire: WireName) -> None:
    play = seen(wire, *filter(None, [fault]))
    assert (play.outcome, amount(play.text), play.error) == TABLE[fault][WIRES.index(wire)]
    again = seen(wire, *filter(None, [fault]))
    assert again.steps == play.steps


def test_the_table_is_whole() -> None:
    frames = list(KINDS)[list(KINDS).index("usage") : list(KINDS).index("escapes")]
    assert {fault.partition(":")[0].partition("@")[0] for fault in TABLE if fault} == set(frames)


# -- what is special about each


def chunks(body: bytes) -> list[Any]:
    frames = [opened(Frame(at_s=0, raw=raw)) for raw in cut_frames(body)]
    return [frame.data for frame in frames]


@every_wire
def test_usage_is_read_wherever_it_stands(wire: WireName) -> None:
    for where in OPENAI_USAGE if wire == "openai-chat" else ANTHROPIC_USAGE:
        used = seen(wire, f"usage:{where}").message.usage
        told = (used.input_tokens, used.output_tokens)
        assert told == ((None, None) if where in ("none", "x_groq") else (9, len(TOKENS))), where


def test_where_the_usage_stands() -> None:
    def places(where: str, **options: Any) -> list[str]:
        out: list[str] = []
        for chunk in chunks(seen("openai-chat", f"usage:{where}", **options).body)[:-1]:
            listed = chunk["choices"]
            finish = "F" if listed and listed[0].get("finish_reason") else "C" if listed else "E"
            told = "u" if chunk.get("usage") else "x" if chunk.get("x_groq") else "n" if "usage" in chunk else ""
            if told or finish == "F":
                out.append(finish + told)
        return out

    for options in ({}, {"include_usage": False}):  # also if the client did not ask for it
        assert places("none", **options) == ["F"]
        assert places("separate", **options) == ["F", "Eu"]
        assert places("finish", **options) == ["Fu"]
        assert places("delta", **options) == ["Fu"]
        assert places("after-finish", **options) == ["F", "Cu"]
        assert places("both", **options) == ["Fu", "Eu"]
        assert places("first", **options) == ["Cu", "F"]
        assert places("start", **options) == ["Cu", "F"]
        assert places("null-after", **options) == ["F", "Eu", "En"]
        assert places("x_groq", **options) == ["Fx"]
        every = places("every", **options)
        assert every == ["Cu"] * (len(every) - 1) + ["Fu"]


def test_usage_that_grows() -> None:
    told = [chunk["usage"]["completion_tokens"] for chunk in chunks(seen("openai-chat", "usage:every").body)[:-1]]
    assert told == [*range(len(TOKENS) + 1), len(TOKENS)]


def test_where_the_usage_stands_with_anthropic() -> None:
    def places(where: str, **options: Any) -> list[Any]:
        told = chunks(seen("anthropic", f"usage:{where}", **options).body)
        start = told[0]["message"].get("usage")
        deltas = [chunk.get("usage") for chunk in told if chunk["type"] == "message_delta"]
        return [start and start.get("output_tokens"), *[used and used.get("output_tokens") for used in deltas]]

    n = len(TOKENS)
    assert places("none") == [None, None]
    assert places("start") == [n, None]
    assert places("start", total=None) == [0, None]
    assert places("delta") == [None, n]
    assert places("both") == [0, n]
    assert places("every") == [0, n]
    assert places("after-finish") == [0, None, n]
    assert places("null-after") == [0, n, None]


def test_usage_of_an_answer_without_an_end() -> None:
    play = seen("openai-chat", "usage:finish", "no-finish", "eof@token:3")
    assert b'"usage"' not in play.body


def test_usage_of_several_choices() -> None:
    first = {"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    second = {"id": "a", "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}
    frames = [Frame(at_s=1.0, data=data) for data in (first, second, "[DONE]")]
    got = place_usage(iter(frames), "finish", "openai-chat", total_tokens=None, prompt_tokens=None)
    assert ["usage" in (frame.data or "") for frame in got] == [False, True, False]


@every_wire
def test_finishes_and_markers(wire: WireName) -> None:
    marker = b"[DONE]" if wire == "openai-chat" else b"event: message_stop"
    finish = b'"finish_reason":"stop"' if wire == "openai-chat" else b'"stop_reason":"end_turn"'

    def counts(fault: str) -> tuple[int, int]:
        body = seen(wire, fault).body
        return body.count(finish), body.count(marker)

    assert counts("crlf") == (1, 1)
    assert counts("no-finish") == (0, 0)
    assert counts("done-only") == (0, 1)
    assert counts("double-finish") == (2, 1)
    assert counts("no-done") == (1, 0)
    assert seen(wire, "finish:novel").message.native_stop_reason == "novel"
    assert seen(wire, "no-done").warnings == ["no_terminal_marker"]


def test_a_finish_that_stands_with_text() -> None:
    data = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    frame = next(marker_only(iter([Frame(at_s=0, data=data)]), "openai-chat"))
    assert frame.data == {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}


@every_wire
def test_unknown_things_are_kept_raw(wire: WireName) -> None:
    play = seen(wire, "unknown@token:2")
    assert play.body.count(b"something new") == 2
    assert sum(b"something new" in step.data for step in play.steps if isinstance(step, Piece)) == 2


@every_wire
@pytest.mark.parametrize("size", [1, 5000, 2 * 1024 * 1024])
def test_huge_lines(wire: WireName, size: int) -> None:
    play = seen(wire, f"huge:{size}")
    longest = max(len(line) for line in play.body.split(b"\n"))
    assert longest == max(size + len(b"data: "), longest if size == 1 else 0)


@every_wire
def test_a_splice(wire: WireName) -> None:
    play = seen(wire, "splice@token:3")
    assert play.body.count(b'msg_0123"') == (4 if wire == "openai-chat" else 1)
    assert b'msg_0120"' in play.body
    assert play.message.id == ("msg_0123" if wire == "openai-chat" else "msg_0120")
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == len(TOKENS) + 3
    assert seen(wire, "splice@token:999").body == plain(wire)
    events = 16 if wire == "openai-chat" else 17
    assert seen(wire, f"splice@event:{events - 1}").body == plain(wire)  # after all was said there is no middle


def test_another_name() -> None:
    frames = [Frame(at_s=0.0, data={"id": "a0", "choices": []}), Frame(at_s=0.0, data={"choices": []})]
    got = [frame.data for frame in splice(iter(frames), Place("event", 1), "openai-chat")]
    assert got == [{"id": "a0", "choices": []}, {"id": "a1", "choices": []}, {"choices": []}]


@every_wire
def test_what_comes_twice(wire: WireName) -> None:
    first = next(cut_frames(plain(wire)))
    assert seen(wire, "duplicate:start").body == first + plain(wire)
    twice = seen(wire, "duplicate@event:5", "duplicate@event:9").text
    assert len(twice) > len(TEXT)
    warnings = seen(wire, "duplicate:start").warnings
    assert warnings == (["duplicate_message_start"] if wire == "anthropic" else [])


@every_wire
def test_halves(wire: WireName) -> None:
    play = seen(wire, "surrogates")
    assert b'\\ud83d"' in play.body
    assert b'"\\ude00' in play.body
    assert play.text == TEXT
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == len(TOKENS)
    thought = seen(wire, "surrogates", events=answer(thinking="\U0001f914 \U0001f914\U0001f914"))
    assert thought.message.thinking == "\U0001f914 \U0001f914\U0001f914"
    assert seen(wire, "surrogates", events=answer(tools=1)).message.tool_calls[0].arguments == '{"city": "Zürich"}'


@every_wire
def test_errors_in_band(wire: WireName) -> None:
    play = seen(wire, "error:overloaded@token:5")
    assert play.text == "".join(TOKENS[:5])
    play = seen(wire, "error:overloaded@time:2.3")
    last = play.steps[-1]
    assert (last.at_s, play.text) == (2.3, "".join(TOKENS[:6]))
    assert seen(wire, "error@time:0").steps[0].at_s == 0.5  # not before the head
    if wire == "anthropic":
        assert json.loads(play.body.rpartition(b"data: ")[2])["request_id"] == "req_1"
        assert b"message_stop" not in play.body


def test_errors_have_their_servers_ends() -> None:
    def end(shape: str) -> bytes:
        return seen("openai-chat", f"error:{shape}").body

    assert end("openrouter").endswith(b"[DONE]\n\n")
    assert end("vllm").endswith(b"[DONE]\n\n")
    assert b"event: error\n" in end("groq")
    assert not end("groq").endswith(b"[DONE]\n\n")
    assert not end("server").endswith(b"[DONE]\n\n")
    assert b'"finish_reason":"error"' in end("openrouter")
    assert seen("openai-chat", "error", dialect="groq").body.count(b"tool_use_failed") == 1


@every_wire
def test_a_bad_byte_stands_in_a_text(wire: WireName) -> None:
    play = seen(wire, "bad-utf8@token:2")
    assert play.text == "".join([*TOKENS[:2], "\ufffd", *TOKENS[2:]])
    assert seen(wire, "bad-utf8@token:999").text == TEXT


def test_every_place_of_a_fault_lies_in_the_middle() -> None:
    for seed in range(50):
        play = seen("openai-chat", "reset", seed=seed)
        tokens = sum(step.tokens for step in play.steps if isinstance(step, Piece))
        assert len(TOKENS) / 3 - 1 <= tokens <= len(TOKENS) * 2 / 3 + 1
    play = seen("openai-chat", "reset", total=None)
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == 8
    assert seen("openai-chat", "reset", total=0).steps == [Act(0.5, "reset")]


# -- frames themselves


def test_frames_that_are_opened() -> None:
    raw = b': hi\nevent: x\ndata: {"a":"\xc3\xbc"}\n\n'
    frame = opened(Frame(at_s=1.0, raw=raw, tokens=2))
    assert (frame.event, frame.data, frame.raw, frame.tokens) == ("x", {"a": "ü"}, raw, 2)
    assert opened(frame) is frame
    assert written(frame) == raw
    assert written(changed(frame, {"b": "\ud83d"})) == b'event: x\ndata: {"b":"\\ud83d"}\n\n'
    assert opened(Frame(at_s=0, raw=b"data: [DONE]\n\n")).data == "[DONE]"
    assert opened(Frame(at_s=0, raw=b"data: 7\n\n")).data == "7"
    assert written(Frame(at_s=0, data="[DONE]")) == b"data: [DONE]\n\n"
    assert dump({"a": [1, None]}) == b'{"a":[1,null]}'
    assert list(cut_frames(b"a\n\nb\n\n")) == [b"a\n\n", b"b\n\n"]
    assert list(cut_frames(b"")) == []
