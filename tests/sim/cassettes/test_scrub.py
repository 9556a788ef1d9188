"""No secret gets through, however it is written and wherever the bytes are cut; and nothing else is lost."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import example, given, strategies as st

from headrace.sim.cassettes import scrub as scrub_module
from headrace.sim.cassettes.scrub import Search, StreamScrubber
from headrace.sim.secrets import SCRUBBED

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


@given(
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from([b"\\", b"u0041", b"n", b"%", b"41", b"\\ud83d", b"\\ude00", b"\\u005c", b"\xff", b'"', b"25"])
    ).map(b"".join)
)
def test_escapes_are_undone_quickly_as_they_are_with_their_places(data: bytes) -> None:
    for escape, _ in scrub_module._ESCAPES:
        assert scrub_module._without(data, escape) == scrub_module._undone_by(data, (escape,)).data


@given(
    lead=st.lists(st.sampled_from([b"x", b"\\", b"\\\\", b"%25", b"\\u00", b"\n", b"data "]), max_size=30).map(
        b"".join
    ),
    write=st.sampled_from(WRITTEN),
    size=st.sampled_from([1, 50, 1000]),
)
def test_a_value_anywhere_in_much_data(lead: bytes, write: object, size: int) -> None:
    part, scrub_module._PART = scrub_module._PART, 256
    try:
        search = Search([KEY])
        for end in (b"", b"\n" * size * 50):
            data = b" " * size + lead + b" " + write(KEY) + b" " + end  # type: ignore[operator]
            assert search.replace(data * 3) == (b" " * size + lead + b" [redacted] " + end) * 3
        run = b"\\\\" * 3000
        assert search.replace(run + b" " + KEY.encode()) == run + b" [redacted]"
        assert search.replace(run + all_escaped(KEY)) == run + b"[redacted]"
    finally:
        scrub_module._PART = part


@pytest.mark.parametrize("write", WRITTEN)
def test_many_values(write: object) -> None:
    others = [f"cookie-{number:05}" for number in range(5000)]
    search = Search([KEY], others)
    data = b"before " + write(KEY) + b" " + write(others[77]) + b" after cookie-"  # type: ignore[operator]
    assert search.replace(data) == b"before [redacted] [redacted] after cookie-"
    assert streamed(search, [b"x " + write(KEY[:15])]) == [(0.0, b"x [redacted]")]  # type: ignore[operator]
    assert search.finds(json.dumps(data.decode()).encode())


def test_only_keys_are_echoed_masked() -> None:
    search = Search([KEY], ["a-cookie-of-theirs"])
    assert search.replace(b"a-cook***theirs " + KEY[:5].encode() + b"***==") == b"a-cook***theirs [redacted]"
    assert search.finds(json.dumps(f"{KEY[:5]}\u2022\u2022\u2022==").encode())


def test_json_is_read_an_escape_deeper() -> None:
    written = KEY.replace("-", "\\u002d")
    for _ in range(4):
        assert Search([KEY]).finds(written.encode())
        written = json.dumps(written)[1:-1]
    assert not Search([KEY]).finds(json.dumps(written).encode())


def test_what_waits_waits() -> None:
    scrubber = StreamScrubber(Search([]))
    assert scrubber.feed(0.1, b"abc: ") == [(0.1, b"abc: ")]
    assert scrubber.feed(0.2, b"x de", waiting=2) == []
    scrubber.search = Search(["defghijk"])
    assert scrubber.feed(0.3, b"fghijk\n") == [(0.2, b"x [redacted]"), (0.3, b"\n")]
    assert scrubber.feed(0.4, b"\nabc", waiting=3) == []
    assert scrubber.finish(waiting=3) == [(0.4, b"\n[redacted]")]
