"""JSON as it is really sent: nothing odd raises, and what was repaired can be written and read back."""

import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from headrace.errors import WireError
from headrace.wire.lenient_json import (
    as_count,
    as_dict,
    as_list,
    as_text,
    compact,
    has_surrogates,
    loads_frame,
    loads_leniently,
    repaired,
    repaired_deep,
)

ODD = {
    "bad UTF-8": (b'"a\xffb"', "a�b"),
    "a character cut in half": (b'"\xe2\x82"', "�"),
    "control characters": (b'"a\x00\x01\tb\nc"', "a\x00\x01\tb\nc"),
    "NaN": (b"[NaN, Infinity, -Infinity, 1e999]", [None, None, None, None]),
    "a pair in halves": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "a first half": (b'"x\\ud83dy"', "x�y"),
    "a second half": (b'"\\ude00"', "�"),
    "halves the wrong way round": (b'"\\ude00\\ud83d"', "��"),
    "a half in a key": (b'{"\\ud83d": 1}', {"�": 1}),
    "fractions": (b"[1.5, -0.25, 1e300]", [1.5, -0.25, 1e300]),
    "a large number": (b"123456789012345678901234567890", 123456789012345678901234567890),
    "the same key twice": (b'{"a": 1, "a": 2}', {"a": 2}),
    "white space around": (b" \n {} \t ", {}),
}


@pytest.mark.parametrize(("data", "value"), ODD.values(), ids=ODD)
def test_odd_json_is_read(data: bytes, value: object) -> None:
    read = repaired_deep(loads_leniently(data))
    assert read == value
    assert msgspec.json.decode(msgspec.json.encode(read)) == value


NO_JSON = [b"", b"{", b"<html>", b"{'a': 1}", b"[DONE]", b'{"a": 1}}', b"1" * 5000, b"[" * 100_000]


@pytest.mark.parametrize("data", NO_JSON, ids=lambda d: d[:10].decode())
def test_what_is_no_json_is_a_wire_error_that_quotes_it(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        loads_leniently(data)
    with pytest.raises(WireError, match="not JSON") as caught:
        loads_frame(data)
    assert repr(data[:80].decode()) in str(caught.value)


def test_a_quoted_frame_holds_no_key() -> None:
    data = b"x" * 70 + b" sk-very-secret-key and so on"
    with pytest.raises(WireError) as caught:
        loads_frame(data, ["sk-very-secret-key"])
    assert "sk-" not in str(caught.value)
    assert "[redacted]"[:9] in str(caught.value)


def test_what_is_nested_past_reason_is_a_wire_error() -> None:
    deep = b"[" * 201 + b"]" * 201
    assert compact(loads_leniently(deep)) == deep.decode()
    with pytest.raises(WireError):
        compact([loads_leniently(deep)])
    for value in (loads_leniently(b"[" * 300 + b"]" * 300), loads_leniently(b'{"a":' * 300 + b"1" + b"}" * 300)):
        with pytest.raises(WireError, match="nested deeper than 200 levels"):
            repaired_deep(value)
        with pytest.raises(WireError, match="nested deeper than 200 levels"):
            compact(value)


@given(
    st.text(
        st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010, categories=["Cs", "Co", "Cn", "Lo"])
        | st.characters(),
        max_size=8,
    )
)
def test_any_text_is_fit_after_repair(text: str) -> None:
    fit = repaired(text)
    assert not has_surrogates(fit)
    assert fit.encode().decode() == fit
    if not has_surrogates(text):
        assert fit == text


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(codec=None, exclude_categories=[])),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
        max_leaves=10,
    )
)
def test_any_value_can_be_written_after_repair(value: object) -> None:
    fit = repaired_deep(value)
    assert json.loads(compact(value)) == fit
    assert msgspec.json.decode(msgspec.json.encode(fit)) == fit


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3, 3),
        (0, 0),
        (3.0, 3),
        (3.5, None),
        (True, None),
        ("3", None),
        (None, None),
        ([], None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_counts(value: object, count: int | None) -> None:
    assert as_count(value) == count


def test_types() -> None:
    assert (as_dict({"a": 1}), as_dict([]), as_dict(None)) == ({"a": 1}, None, None)
    assert (as_list([1]), as_list({}), as_list("a")) == ([1], None, None)
    assert (as_text("a"), as_text(1), as_text(None)) == ("a", "", "")
