"""No secret gets through, however it is written and wherever the bytes are cut; and nothing else is lost."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given, strategies as st

from headrace.sim.cassettes.scrub import SCRUBBED, Search, StreamScrubber

KEY = "sk-proj-Ab3_x9/Zq+7w=="

KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+=%~", min_size=8, max_size=60)
ODD_KEYS = KEYS | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=8)


def as_it_is(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def in_json(key: str) -> bytes:
    return json.dumps(key)[1:-1].encode()


def slashed(key: str) -> bytes:
    return json.dumps(key, ensure_ascii=False)[1:-1].replace("/", "\\/").encode("utf-8", "surrogatepass")


def all_escaped(key: str) -> bytes:
    units = key.encode("utf-16-be", "surrogatepass")
    return b"".join(b"\\u%02X%02x" % (units[i], units[i + 1]) for i in range(0, len(units), 2))


def json_in_json(key: str) -> bytes:
    return json.dumps(json.dumps("<" + key + ">").replace("-", "\\u002d"))[4:-4].encode()


def quoted(key: str) -> bytes:
    return quote(as_it_is(key), safe="").encode()


def all_quoted(key: str) -> bytes:
    return b"".join(b"%%%02x" % byte for byte in as_it_is(key))


def quoted_twice(key: str) -> bytes:
    return quote(quoted(key).decode(), safe="").encode()


WRITTEN = (as_it_is, in_json, slashed, all_escaped, json_in_json, quoted, all_quoted, quoted_twice)


def streamed(search: Search, pieces: list[bytes]) -> list[tuple[float, bytes]]:
    scrubber = StreamScrubber(search)
    out: list[tuple[float, bytes]] = []
    for at, piece in enumerate(pieces):
        out += scrubber.feed(float(at), piece)
    return out + scrubber.finish()


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in cuts} - {0, len(data)})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)
AROUND = st.sampled_from(
    [b"", b"\n", b"data: ", b'"', b'\\"', b"x", b"\\n", b"5% ", b"\\u0009", b"%20", b"s", b"sk-", b"\xff\xc3", b"{}"]
)


@pytest.mark.parametrize("write", WRITTEN)
def test_a_value_is_found_however_it_is_written(write: object) -> None:
    search = Search([KEY])
    data = b"before " + write(KEY) + b" after"  # type: ignore[operator]
    assert search.replace(data) == b"before [redacted] after"


@given(key=ODD_KEYS, write=st.sampled_from(WRITTEN), before=AROUND, after=AROUND, cuts=CUTS)
@example(key="12345678", write=in_json, before=b"", after=b"", cuts=[1, 2, 3, 4, 5, 6, 7])
@example(key="12345678", write=all_escaped, before=b"\n", after=b"\n", cuts=list(range(50)))
@example(key="aaaaaaaaa", write=as_it_is, before=b"aaaa", after=b"aaaa", cuts=[6, 9])
def test_it_is_found_at_any_cutting(key: str, write: object, before: bytes, after: bytes, cuts: list[int]) -> None:
    written: bytes = write(key)  # type: ignore[operator]
    pieces = cut(before + written + after, cuts)
    out = streamed(Search([key]), pieces)
    joined = b"".join(data for _, data in out)
    assert written not in joined
    assert SCRUBBED.encode() in joined
    assert [at for at, _ in out] == [float(at) for at in range(len(pieces))]  # each chunk, at its time


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(ODD_KEYS, max_size=3))
def test_what_holds_no_secret_comes_out_as_it_was(pieces: list[bytes], keys: list[str]) -> None:
    search = Search(keys)
    data = b"".join(pieces)
    if search.spans(data) or search.broken_off_at(data) is not None:
        return
    assert streamed(search, pieces) == [(float(at), piece) for at, piece in enumerate(pieces)]


@given(cuts=CUTS, keys=st.lists(KEYS, min_size=1, max_size=3, unique=True), data=st.data())
def test_several_values_that_may_overlap(cuts: list[int], keys: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([*keys, keys[0][:5], "-", "\n", "\\"]), max_size=8))
    body = "".join(parts).encode()
    joined = b"".join(data for _, data in streamed(Search(keys), cut(body, cuts)))
    assert not [key for key in keys if key.encode() in joined]


@pytest.mark.parametrize("write", [as_it_is, in_json, slashed, all_escaped, json_in_json])
def test_a_percent_sign_before_it_changes_nothing(write: object) -> None:
    key = "00-abc/def-ghi"
    assert Search([key]).replace(b"100%" + write(key)) == b"100%[redacted]"  # type: ignore[operator]


@given(st.integers(8, len(KEY) - 1), st.sampled_from([as_it_is, all_escaped, quoted]), CUTS)
def test_a_value_that_the_end_cuts_short(known: int, write: object, cuts: list[int]) -> None:
    begun: bytes = write(KEY[:known])  # type: ignore[operator]
    out = streamed(Search([KEY]), cut(b"key: " + begun, cuts))
    assert b"".join(data for _, data in out) == b"key: [redacted]"


@pytest.mark.parametrize("half", [b"\\", b"\\u", b"\\u00", b"%", b"%2", b"\\\\\\u002"])
def test_an_escape_that_the_end_cuts_short(half: bytes) -> None:
    assert streamed(Search([KEY]), [b"x " + KEY[:10].encode() + half]) == [(0.0, b"x [redacted]")]


def test_a_few_letters_of_a_beginning_are_kept() -> None:
    assert streamed(Search([KEY]), [b"they begin with sk-proj"]) == [(0.0, b"they begin with sk-proj")]


def test_nothing_waits_that_cannot_be_a_beginning() -> None:
    scrubber = StreamScrubber(Search([KEY]))
    frame = b'data: {"text": "a word"}\n\n'
    assert scrubber.feed(0.1, frame) == [(0.1, frame)]
    assert scrubber.feed(0.2, b"data: sk-pr") == []
    assert scrubber.feed(0.3, b"oof\n") == [(0.2, b"data: sk-pr"), (0.3, b"oof\n")]
    assert scrubber.finish() == []


def test_without_values_nothing_waits() -> None:
    scrubber = StreamScrubber(Search(["short"]))
    assert scrubber.feed(0.1, b"abc") == [(0.1, b"abc")]
    assert scrubber.finish() == []


def test_bytes_without_an_end_of_a_word_do_not_pile_up() -> None:
    scrubber = StreamScrubber(Search([KEY]))
    out = 0
    for at in range(400):
        out += len(scrubber.feed(float(at), b"s" * 100))
    assert out > 380
    assert len(scrubber.finish()) == 400 - out


@pytest.mark.parametrize(
    "echo",
    [
        f"{KEY[:7]}*****************{KEY[-4:]}",
        f"{KEY[:3]}***{KEY[-2:]}",
        f"{KEY[:12]}...{KEY[-8:]}",
        f"{KEY[:8]}…{KEY[-4:]}",
        f"{KEY[:8]}••••{KEY[-4:]}",
    ],
)
def test_the_masked_echo_of_a_key(echo: str) -> None:
    search = Search([KEY])
    body = f"Incorrect API key provided: {echo}. You can find".encode()
    for pieces in ([body], [body[i : i + 1] for i in range(len(body))]):
        joined = b"".join(data for _, data in streamed(search, pieces))
        assert joined == b"Incorrect API key provided: [redacted]. You can find"


@pytest.mark.parametrize("text", ["sk-*****", "as we said... so", "sk-...zz", "********"])
def test_other_masks_are_left(text: str) -> None:
    assert Search([KEY]).replace(text.encode()) == text.encode()


def test_base64_of_a_chunk_holds_no_secret() -> None:
    (_, data), *_ = streamed(Search([KEY]), [b"\xff" + KEY.encode() + b"\xfe"])
    assert KEY.encode() not in base64.b64decode(base64.b64encode(data))
    assert data == b"\xff[redacted]\xfe"


def test_many_backslashes_and_percents_take_no_time() -> None:
    data = b"\\" * 20_000 + b"%25" * 20_000
    assert Search([KEY]).replace(data) == data
