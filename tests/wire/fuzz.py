"""Damage streams and see that nothing but `WireError` escapes.

The short form is a test; the long one runs for as long as is wished, and every case can be had again by its number:

    python -m tests.wire.fuzz --wire anthropic --minutes 10 --seed 1
    python -m tests.wire.fuzz --wire anthropic --seed 1 --case 4711
"""

import argparse
import json
import sys
import time
from random import Random
from typing import Any

import msgspec

from headrace.errors import WireError
from headrace.events import End, Event, decode_event, encode_event
from headrace.grammar import Grammar
from headrace.message import Fold
from headrace.request import assistant_turn
from headrace.wire.failures import error_from_response
from headrace.wire.framing import SSEFramer
from tests.wire.samples import SAMPLES
from tests.wire.streams import WIRES, cut, new_decoder

# -- damage


def odd_value(rng: Random, depth: int = 0) -> Any:
    """Make a JSON value of whatever type; some that JSON does not even have."""
    match rng.randrange(13 if depth < 3 else 10):
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2:
            return rng.choice([0, 1, -1, 2, 7, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40])
        case 3:
            return rng.choice([0.0, -0.5, 1.0, 1e308, 1e-320, float("nan"), float("inf"), float("-inf")])
        case 4 | 5:
            return rng.choice(["", " ", "a", "stop", "error", "text", "tool_use", "0", "[DONE]", "<think>", "</think>"])
        case 6:
            return rng.choice(
                ["\ud83d", "\ude00", "a\ud83d", "\ude00b", "\udfff\ud800", "\x00\x1f\x7f", "é\u2028", "\U0001f600"]
            )
        case 7:
            return "".join(
                chr(rng.choice([rng.randrange(128), rng.randrange(0xD7F0, 0xE010), 0x1F600]))
                for _ in range(rng.randrange(9))
            )
        case 8:
            return []
        case 9:
            return {}
        case 10:
            return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case 11:
            return {rng.choice(KEYS): odd_value(rng, depth + 1) for _ in range(rng.randrange(4))}
        case _:
            value: Any = odd_value(rng, 3)
            for n in range(rng.choice([3, 50, 199, 201, 300, 900])):
                value = [value] if n % 2 else {rng.choice(KEYS): value}
            return value


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the ways to every value inside a value."""
    out = [path]
    if len(path) < 20:
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, inner in inside:
            out += paths(inner, (*path, step))
    return out


def keys_of(value: Any) -> set[str]:
    return {key for path in paths(value) for key in path if isinstance(key, str)}


def frames_of(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")


def _keys() -> list[str]:
    found: set[str] = set()
    for streams in SAMPLES.values():
        for data in streams.values():
            for frame in frames_of(data):
                _, _, text = frame.partition(b"data: ")
                try:
                    found |= keys_of(json.loads(text))
                except ValueError:
                    continue
    return sorted(found)


KEYS = _keys()


def damage_json(rng: Random, frame: bytes) -> bytes:
    """Change the frame's object somewhere: another value, a key more, a key less, a value elsewhere."""
    head, data, text = frame.partition(b"data: ")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return frame
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        way = rng.choice(paths(value))
        if not way:
            if rng.random() < 0.1:
                value = odd_value(rng)
            elif isinstance(value, dict):
                value[rng.choice(KEYS)] = odd_value(rng)
            continue
        at = value
        for step in way[:-1]:
            at = at[step]
        what = rng.randrange(6)
        if what == 0:
            del at[way[-1]]
        elif what == 1 and isinstance(at, dict):
            at[rng.choice(KEYS)] = at[way[-1]]
        elif what == 2 and isinstance(at, list):
            at.append(at[way[-1]])
        elif what == 3 and isinstance(at[way[-1]], dict):
            at[way[-1]][rng.choice(KEYS)] = odd_value(rng)
        else:
            at[way[-1]] = odd_value(rng)
    try:
        return head + data + json.dumps(value, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    except RecursionError:
        return frame


BITS = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"data: ",
    b"data:",
    b"data",
    b"event: error\n",
    b"id: 1\n",
    b":\n",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\\ud83d",
    b"null",
    b"data: [DONE]\n\n",
    b"1" * 5000,
]


def damage_bytes(rng: Random, data: bytes) -> bytes:
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    to = min(to, at + rng.choice([1, 2, 10, 1000]))
    match rng.randrange(7):
        case 0 if data:
            flipped = bytearray(data)
            for _ in range(rng.choice([1, 1, 3, 20])):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:at] + data[at:to] * 2 + data[to:]
        case 4:
            return data[:at] + rng.choice(BITS) + data[at:]
        case 5:
            return data[:at] + rng.randbytes(rng.randrange(9)) + data[at:]
        case _:
            other = rng.choice(list(rng.choice(list(SAMPLES.values())).values()))
            return data[:at] + other[rng.randrange(len(other) + 1) :]


def damage_frames(rng: Random, wire: str, data: bytes) -> bytes:
    frames = frames_of(data)
    at = rng.randrange(len(frames))
    match rng.randrange(6):
        case 0:
            frames[at : at + 1] = [frames[at]] * 2
        case 1:
            del frames[at]
        case 2:
            rng.shuffle(frames)
        case 3:
            other = frames_of(rng.choice(list(SAMPLES[wire].values())))
            frames.insert(at, rng.choice(other))
        case _:
            frames[at] = damage_json(rng, frames[at])
    return b"\n\n".join(frames)


def damaged(rng: Random, wire: str) -> bytes:
    """Make a stream of a wire, and damage it once or a few times."""
    data = rng.choice(list(SAMPLES[wire].values()))
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        data = damage_bytes(rng, data) if rng.random() < 0.3 else damage_frames(rng, wire, data)
    return data


# -- what must hold all the same


def events_of(wire: str, data: bytes, cuts: Any, limit: int, habits: dict[str, Any]) -> tuple[list[Event], bool]:
    """Decode as far as it goes; whether a WireError ended it."""
    framer, decoder = SSEFramer(max_frame=limit), new_decoder(wire, **habits)
    events: list[Event] = []
    try:
        for piece in cut(data, cuts):
            for frame in framer.feed(piece):
                events += decoder.feed(frame)
        for frame in framer.finish():
            events += decoder.feed(frame)
        events += decoder.finish()
    except WireError:
        return events, True
    assert decoder.done
    assert decoder.finished
    return events, False


def hold(events: list[Event], *, broken: bool) -> None:
    """Hold events against all that must be true of them."""
    grammar, fold = Grammar(), Fold()
    for event in events:
        grammar.feed(event)
        fold.feed(event)
        assert decode_event(encode_event(event)) == event, event
    assert sum(isinstance(event, End) for event in events) == (0 if broken and grammar.state != "ended" else 1)
    message = fold.message()
    msgspec.json.encode(message)
    json.dumps(assistant_turn(message))
    if not broken:
        assert fold.open_parts() == []
        assert message.outcome is not None
        assert (message.error is not None) == (message.outcome in ("failed", "truncated"))


def case(wire: str, seed: int, number: int) -> bytes:
    """Try one case; what it made of the stream is given back for the record."""
    rng = Random(f"{wire}:{seed}:{number}")
    data = damaged(rng, wire)
    habits: dict[str, Any] = {"secrets": ("call_a", "")}
    if wire == "openai-chat":
        habits |= {name: rng.random() < 0.5 for name in ("think_tags", "extension_usage", "marker_ends", "marker")}
    limit = rng.choice([1 << 24, 1 << 24, 200, 1000])
    whole = events_of(wire, data, None, limit, habits)
    hold(whole[0], broken=whole[1])
    cuts = rng.choice([1, 2, [rng.randrange(len(data) + 1) for _ in range(8)]])
    assert events_of(wire, data, cuts, limit, habits) == whole
    frame = rng.choice(frames_of(data)).partition(b"data: ")[2]
    try:
        hold(new_decoder(wire, **habits).whole(frame), broken=False)
    except WireError:
        pass
    msgspec.json.encode(error_from_response(rng.choice([200, 302, 400, 500]), {}, frame, secrets=("call_a",)))
    return data


def main() -> int:
    """Run for a while, or one case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wire", choices=WIRES, default=WIRES[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int)
    given = parser.parse_args()
    if given.case is not None:
        print(case(given.wire, given.seed, given.case))
        return 0
    until = time.monotonic() + given.minutes * 60
    number, failed = 0, 0
    while time.monotonic() < until and failed < 20:
        try:
            case(given.wire, given.seed, number)
        except Exception as error:  # noqa: BLE001 - whatever escapes is a find
            failed += 1
            print(f"case {number}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        number += 1
    print(f"{given.wire}: {number} cases with seed {given.seed}, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
