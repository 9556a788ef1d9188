"""Holds and endings, at their places."""

import pytest

from headrace.sim.play import Act, Piece
from headrace.wire.providers import WireName
from tests.sim.faults.spoiling import HEAD, MOST, TEXT, TOKENS, WIRES, plain, seen

every_wire = pytest.mark.parametrize("wire", WIRES)

ENDINGS = ["eof", "close", "reset", "stall"]


@every_wire
@pytest.mark.parametrize("kind", ENDINGS)
def test_an_ending_at_each_place(wire: WireName, kind: str) -> None:
    outcome = None if kind == "stall" else "truncated"
    play = seen(wire, f"{kind}@token:5")
    assert (play.outcome, play.text) == (outcome, "".join(TOKENS[:5]))
    assert play.acts == [Act(2.0, kind)]  # at once, not when the next token would be due
    play = seen(wire, f"{kind}@event:4")
    assert len(play.steps) == 5
    play = seen(wire, f"{kind}@time:2.1")
    assert (play.text, play.acts) == ("".join(TOKENS[:5]), [Act(2.1, kind)])
    play = seen(wire, f"{kind}@time:2.0")  # what is due then, comes no more
    assert (play.text, play.acts) == ("".join(TOKENS[:4]), [Act(2.0, kind)])
    play = seen(wire, f"{kind}@time:0")
    assert play.steps == [Act(HEAD.at_s, kind)]


@every_wire
@pytest.mark.parametrize("kind", ENDINGS)
def test_a_place_in_bytes_is_exact(wire: WireName, kind: str) -> None:
    whole = plain(wire)
    for at in (0, 1, 100, 577, len(whole) - 1, len(whole)):
        play = seen(wire, f"{kind}@byte:{at}")
        assert play.body == whole[:at]
        assert [act.kind for act in play.acts] == [kind]
        cut = seen(wire, f"{kind}@byte:{at}", "cut:7")
        assert cut.body == whole[:at]
    assert seen(wire, f"{kind}@byte:{len(whole) + 1}").acts == []


@every_wire
@pytest.mark.parametrize("place", ["token:999", "event:999", "byte:99999", "time:999"])
def test_a_place_that_is_not_reached(wire: WireName, place: str) -> None:
    for kind in [*ENDINGS, "hold", "keepalives", "truncate-frame"]:
        assert seen(wire, f"{kind}@{place}").body == plain(wire)
        assert seen(wire, f"{kind}@{place}").acts == []


@every_wire
def test_a_frame_that_is_cut(wire: WireName) -> None:
    play = seen(wire, "truncate-frame@token:5")
    assert (play.outcome, play.text, play.acts) == ("truncated", "".join(TOKENS[:5]), [Act(2.25, "eof")])
    assert plain(wire).startswith(play.body)
    assert not play.body.endswith(b"\n\n")
    end = len(plain(wire))
    assert seen(wire, f"truncate-frame@byte:{end}").steps[-1].at_s == 4.0  # there is no next one


@every_wire
def test_a_hold(wire: WireName) -> None:
    play = seen(wire, "hold:gate@token:3", "hold@event:9")
    assert (play.outcome, play.text, play.body) == ("complete", TEXT, plain(wire))
    assert play.acts[0] == Act(1.5, "hold", "gate")
    assert play.acts[1].name == ""
    before = play.steps[: play.steps.index(play.acts[0])]
    assert sum(step.tokens for step in before if isinstance(step, Piece)) == 3


@every_wire
def test_holds_at_every_kind_of_place(wire: WireName) -> None:
    places = ["byte:0", "byte:700", "time:2.2", "time:2.3", "token:4", "event:6"]
    play = seen(wire, *[f"hold:h{n}@{place}" for n, place in enumerate(places)], "reset@byte:1700")
    assert sorted(act.name for act in play.acts[:-1]) == [f"h{n}" for n in range(len(places))]
    assert play.acts[-1].kind == "reset"
    assert play.body == plain(wire)[:1700]
    tokens = [step.tokens for step in play.steps if isinstance(step, Piece)]
    assert sum(tokens) <= len(TOKENS)


@every_wire
def test_keepalives_for_ever(wire: WireName) -> None:
    play = seen(wire, "keepalives:15@token:3", "crlf")
    assert len(play.steps) == MOST
    assert (play.outcome, play.text) == (None, "".join(TOKENS[:3]))
    comment = play.steps[-1]
    assert isinstance(comment, Piece)
    wanted = b": keep-alive\n\n" if wire == "openai-chat" else b'event: ping\ndata: {"type": "ping"}\n\n'
    assert comment.data == wanted.replace(b"\n", b"\r\n")
    assert comment.at_s - play.steps[-2].at_s == 15
    late = seen(wire, "keepalives@time:2.1").steps
    assert late[-1].at_s == pytest.approx(2.1 + sum(1 for step in late if step.at_s > 2.1))


@every_wire
def test_keepalives_break_no_frame(wire: WireName) -> None:
    play = seen(wire, "keepalives@time:2.1", "cut:9")
    assert (play.error, play.text) == (None, "".join(TOKENS[:5]))


@every_wire
def test_an_ending_within_a_drip(wire: WireName) -> None:
    play = seen(wire, "drip:1", "reset@time:11")
    assert play.acts == [Act(11.0, "reset")]
    assert play.body == plain(wire)[:10]
