"""How frames are written, and how their bytes are cut."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from headrace.sim.dice import Dice
from headrace.sim.faults.cutting import recut
from headrace.sim.faults.frame import Frame
from headrace.sim.faults.parse import parse_fault
from headrace.sim.faults.style import Style, restyled, write_frames
from headrace.sim.play import Act, Piece, Step
from headrace.wire.framing import SSEFramer
from headrace.wire.providers import WireName
from tests.sim.faults.spoiling import TEXT, TOKENS, WIRES, Seen, answer, plain, seen

every_wire = pytest.mark.parametrize("wire", WIRES)

STYLES = ["escapes", "multiline", "no-space", "comments", "crlf", "cr", "bom"]
CUTS = ["cut:utf8", "cut:crlf", "cut:escape", "cut:random", "cut:1", "cut:7", "cut:100000", "drip", "drip:0.01"]


def good(play: Seen) -> None:
    assert (play.outcome, play.text, play.error, play.warnings) == ("complete", TEXT, None, [])
    assert sum(step.tokens for step in play.steps if isinstance(step, Piece)) == len(TOKENS)


@every_wire
@pytest.mark.parametrize("style", STYLES)
def test_a_style_changes_nothing_but_bytes(wire: WireName, style: str) -> None:
    play = seen(wire, style)
    good(play)
    assert play.body != plain(wire)
    for other in STYLES:
        if {style, other} != {"crlf", "cr"} and style != other:
            good(seen(wire, style, other))


@every_wire
def test_what_the_styles_look_like(wire: WireName) -> None:
    assert seen(wire, "crlf").body == plain(wire).replace(b"\n", b"\r\n")
    assert seen(wire, "cr").body == plain(wire).replace(b"\n", b"\r")
    assert seen(wire, "bom").body == b"\xef\xbb\xbf" + plain(wire)
    assert seen(wire, "no-space").body == plain(wire).replace(b"data: ", b"data:")
    assert seen(wire, "escapes").body.isascii()
    assert b"\\ud83d\\ude00" in seen(wire, "escapes").body
    assert not plain(wire).isascii()
    comments = seen(wire, "comments")
    assert comments.body.startswith(b": ping\n\n")
    assert re.sub(rb"^:.*\n\n?", b"", comments.body, flags=re.MULTILINE) == plain(wire)
    lines = seen(wire, "multiline").body.splitlines()
    assert max(lines.count(b'data: "') for lines in [b"".join(lines)]) > 40
    assert b"data: [DONE]" in lines or wire == "anthropic"
    assert b"\r" not in seen(wire, "comments", "multiline", "no-space").body
    assert b"\n" not in seen(wire, "comments", "multiline", "cr").body


def test_a_bad_byte_is_left_by_the_escapes() -> None:
    body = seen("openai-chat", "escapes", "bad-utf8@token:2").body
    assert b'"\xff \\u4e16' in body


def test_an_event_of_several_lines_is_one() -> None:
    data = b'data: {"a":"x,{[\\"","b":[1,{"c":[]}],"d":2}\n\n'
    wide = restyled(data, Style(multiline=True), Dice(1, "x"))
    assert wide.count(b"data: ") == 8
    (frame,) = SSEFramer().feed(wide)
    assert frame.data.replace(b"\n", b"") == data[6:-2]
    broken = restyled(b'data: {"a":"x\n\n', Style(multiline=True), Dice(1, "x"))
    assert broken == b'data: {\ndata: "a":"x\n\n'


def test_names_and_padding() -> None:
    data = b'event: a\n: b\nid: 1\ndata: {"c":1}\n\n'
    assert restyled(data, Style(names=False), Dice(1, "x")) == b': b\nid: 1\ndata: {"c":1}\n\n'
    padded = {restyled(data, Style(padding=3), Dice(seed, "x")) for seed in range(99)}
    assert padded == {data.replace(b"1}", b"1" + b" " * n + b"}") for n in range(4)}


def test_comments_of_one_kind() -> None:
    style = Style(comments=(b": a\n\n",), comment_share=0.0, newline=b"\r\n")
    frames = [Frame(at_s=0.0, data="x"), Frame(at_s=0.0, data="y")]
    written = [piece.data for piece in write_frames(iter(frames), style, Dice(1, "x"))]
    assert written == [b": a\r\n\r\ndata: x\r\n\r\n", b"data: y\r\n\r\n"]


# -- cutting


@every_wire
@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_changes_nothing_but_the_pieces(wire: WireName, cut: str) -> None:
    play = seen(wire, cut)
    good(play)
    assert all(step.alone for step in play.steps if isinstance(step, Piece))
    style = {"cut:crlf": "crlf", "cut:escape": "escapes"}.get(cut)
    assert play.body == (seen(wire, style).body if style else plain(wire))
    assert seen(wire, cut).steps == play.steps


def pieces(play: Seen) -> list[bytes]:
    return [step.data for step in play.steps if isinstance(step, Piece)]


@every_wire
def test_the_cuts_are_where_they_should_be(wire: WireName) -> None:
    cut = [piece for piece in pieces(seen(wire, "cut:utf8")) if piece[0] & 0xC0 == 0x80]
    assert len(cut) == sum(not char.isascii() for char in TEXT)
    borders = list(zip(pieces(seen(wire, "cut:crlf")), pieces(seen(wire, "cut:crlf"))[1:], strict=False))
    assert sum(left.endswith(b"\r") and right.startswith(b"\n") for left, right in borders) == plain(wire).count(b"\n")
    escapes = re.compile(rb"\\(u[0-9a-f]{0,3})?\Z")
    halves = [left for left in pieces(seen(wire, "cut:escape")) if escapes.search(left)]
    assert len(halves) == len(re.findall(rb"\\", seen(wire, "escapes").body))
    assert {len(piece) for piece in pieces(seen(wire, "drip"))} == {1}


@every_wire
def test_what_is_due_together_is_cut_across_frames(wire: WireName) -> None:
    sizes = [len(piece) for piece in pieces(seen(wire, "cut:100", gap_s=0.0))]
    assert set(sizes[:-1]) == {100}
    assert seen(wire, "cut:1000000", gap_s=0.0).steps == [Piece(1.0, plain(wire), len(TOKENS), True)]
    apart = seen(wire, "cut:1000000", gap_s=1.0).steps  # nothing waits for bytes that are not due
    assert [step.at_s for step in apart] == sorted({step.at_s for step in seen(wire, gap_s=1.0).steps})


@every_wire
def test_a_drip_takes_its_time(wire: WireName) -> None:
    play = seen(wire, "drip:0.5")
    assert play.steps[-1].at_s >= 0.5 * (len(plain(wire)) - 1)
    good(play)
    play = seen(wire, "drip:0.5", "hold:x@token:3", "stall@time:900")
    hold = next(step for step in play.steps if isinstance(step, Act))
    assert (hold.kind, hold.name) == ("hold", "x")
    assert play.steps[-1] == Act(900.0, "stall")
    assert len(play.body) in range(1790, 1800)


def test_a_bad_byte_is_cut_like_others() -> None:
    assert "\ufffd" in seen("openai-chat", "bad-utf8", "cut:utf8").text


TIMES = st.lists(st.integers(0, 3), max_size=12).map(sorted)


@given(st.data(), st.sampled_from(CUTS), st.integers(0, 9))
def test_no_byte_is_lost(data: st.DataObject, cut: str, seed: int) -> None:
    steps: list[Step] = []
    for time in data.draw(TIMES):
        if data.draw(st.integers(0, 5)):
            text = data.draw(st.text("aé世\U0001f600\\n\r\n", min_size=1)).encode()
            steps.append(Piece(float(time), text, data.draw(st.integers(0, 3))))
        else:
            steps.append(Act(float(time), "hold", "x"))
    got = list(recut(iter(steps), parse_fault(cut), Dice(seed, "cut")))

    def parts(of: list[Step]) -> Iterator[tuple[bytes, int] | str]:
        body, tokens = b"", 0
        for step in of:
            if isinstance(step, Piece):
                body, tokens = body + step.data, tokens + step.tokens
            else:
                yield body, tokens
                yield step.name
                body, tokens = b"", 0
        yield body, tokens

    assert list(parts(got)) == list(parts(steps))
    assert all(step.data for step in got if isinstance(step, Piece))
    assert [step.at_s for step in got] == sorted(step.at_s for step in got)


def test_answers_of_other_kinds() -> None:
    for wire in WIRES:
        play = seen(wire, "escapes", "multiline", "crlf", "comments", "cut:random", events=answer(tools=2))
        assert [call.arguments for call in play.message.tool_calls] == ['{"city": "Zürich"}'] * 2
