"""Faults in one line, read and written."""

import itertools

import pytest
from hypothesis import given, strategies as st

from headrace.errors import UsageError
from headrace.sim.faults.fault import Fault
from headrace.sim.faults.kinds import ANYWHERE, BREAKS, ERRORS, KINDS, USAGES
from headrace.sim.faults.parse import check_faults, format_fault, parse_fault

SECONDS = st.floats(0, 1e6).map(repr)
WORDS = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
COUNTS = st.integers(1, 10**6).map(str)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "refuse": SECONDS,
    "status": st.builds("{}{}".format, st.integers(400, 599), st.sampled_from(["", ":date"])),
    "html": st.integers(200, 599).map(str),
    "content-type": st.from_regex(r"[a-z]+/[a-z]+(; charset=[a-z0-9-]+)?", fullmatch=True),
    "slow-headers": SECONDS,
    "usage": st.sampled_from(USAGES),
    "finish": WORDS,
    "huge": COUNTS,
    "duplicate": st.just("start"),
    "error": st.sampled_from(ERRORS),
    "malformed": st.sampled_from(BREAKS),
    "hold": WORDS,
    "keepalives": st.floats(0.001, 100).map(repr),
    "cut": st.one_of(COUNTS, st.sampled_from(["utf8", "crlf", "escape", "random"])),
    "drip": SECONDS,
}


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    name = draw(st.sampled_from(list(KINDS)))
    kind = KINDS[name]
    value = draw(VALUES[name]) if kind.value and (kind.needed or draw(st.booleans())) else None
    place = draw(st.sampled_from([None, *kind.places]))
    at = None
    if place is not None:
        at = float(draw(st.floats(0, 1e9))) if place == "time" else float(draw(st.integers(0, 10**9)))
    wait = draw(st.one_of(st.none(), st.floats(0, 1e9))) if name == "status" else None
    return Fault(name, value, place, at, wait)


@given(faults())
def test_what_is_written_is_read_back(fault: Fault) -> None:
    assert parse_fault(format_fault(fault)) == fault
    check_faults([fault])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault("reset")),
        (" reset@token:5 ", Fault("reset", None, "token", 5.0)),
        ("status:429", Fault("status", "429")),
        ("status:429:2", Fault("status", "429", retry_after_s=2.0)),
        ("status:503:0.5@time:1.5", Fault("status", "503", "time", 1.5, 0.5)),
        ("status:429:date", Fault("status", "429:date")),
        ("status:429:date:9", Fault("status", "429:date", retry_after_s=9.0)),
        ("content-type:text/plain; charset=utf-8", Fault("content-type", "text/plain; charset=utf-8")),
        ("error:overloaded@event:3", Fault("error", "overloaded", "event", 3.0)),
        ("eof@byte:0", Fault("eof", None, "byte", 0.0)),
    ],
)
def test_a_line(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no fault ''; there are: refuse, drop"),
        ("resett", "there is no fault 'resett'"),
        ("status", "needs a value: status:VALUE, with a status from 400 to 599"),
        ("status:200", "its value is a status"),
        ("status:429:", "its value is a status"),
        ("status:429:x", "its value is a status"),
        ("status:429:-1", "its value is a status"),
        ("status:4290", "its value is a status"),
        ("html:abc", "its value is a status from 200"),
        ("refuse:soon", "its value is seconds"),
        ("refuse:1_0", "its value is seconds"),
        ("refuse:inf", "its value is seconds"),
        ("keepalives:0", "its value is seconds"),
        ("content-type: a", "its value is the header's value"),
        ("finish:a b", "its value is the word"),
        ("huge:0", "its value is bytes"),
        ("huge:99999999999999", "its value is bytes"),
        ("cut:7.5", "its value is utf8"),
        ("usage:nowhere", "its value is one of none, separate"),
        ("drop:1", "it takes no value"),
        ("drop:", "it takes no value"),
        ("reset@", "no place that is known"),
        ("reset@token", "no place that is known"),
        ("reset@page:1", "no place that is known"),
        ("reset@token:-1", "no place that is known"),
        ("reset@token:1.5", "a token's number is whole"),
        ("crlf@token:1", "takes no place"),
        ("status:429@token:1", "can only be at @time:N"),
    ],
)
def test_what_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_fault(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("reset", place="token"), "both a place and how far"),
        (Fault("reset", at=1.0), "both a place and how far"),
        (Fault("reset", place="byte", at=-1.0), "whole, and not negative"),
        (Fault("reset", place="time", at=float("nan")), "not negative"),
        (Fault("reset", retry_after_s=1.0), "only a status has a time to wait"),
        (Fault("status", "429", retry_after_s=-1.0), "only a status has a time to wait"),
        (Fault("content-type", "a@b"), "its value is the header's value"),
        (Fault("content-type", "a\r\nx: y"), "its value is the header's value"),
    ],
)
def test_what_a_script_cannot_ask_for(fault: Fault, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_faults([fault])
    assert said in str(raised.value)


def test_whole_numbers_of_a_script() -> None:
    assert format_fault(Fault("reset", place="token", at=5)) == "reset@token:5"
    check_faults([Fault("reset", place="token", at=5)])


@pytest.mark.parametrize(
    "both",
    [
        *[
            "drop status:500",
            "eof reset@token:1",
            "error stall",
            "no-finish double-finish",
            "done-only no-done",
            "crlf cr",
        ],
        *["cut:3 drip", "crlf crlf", "splice splice", "usage:none usage:both", "html empty"],
    ],
)
def test_contradictions(both: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_faults([parse_fault(text) for text in both.split()])
    first, second = both.split()
    assert f"{first!r} and {second!r} contradict each other" in str(raised.value)


def test_what_goes_together() -> None:
    texts = (
        "hold:a@token:1 hold:b@token:2 malformed unknown unknown huge:9 duplicate bad-utf8 crlf bom cut:random reset"
    )
    check_faults([parse_fault(text) for text in texts.split()])


def test_every_kind_has_help() -> None:
    for name, kind in KINDS.items():
        assert kind.help, name
        assert kind.value or not kind.needed
        assert (kind.usual == "half-way") is (kind.places == ANYWHERE)
    excluded = [kind.excludes for kind in KINDS.values() if kind.repeats]
    assert not any(itertools.chain(*excluded))
