"""A recording's file: named, numbered and written as it happens, and nothing that is secret in it."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from headrace.sim.cassettes import tape as tape_module
from headrace.sim.cassettes.cassette import RecordedRequest, body_of
from headrace.sim.cassettes.credentials import Secrets
from headrace.sim.cassettes.likeness import scrubbed_body
from headrace.sim.cassettes.memory import Memory
from headrace.sim.cassettes.reading import read_cassette, read_cassettes
from headrace.sim.cassettes.tape import Tape

KEY = "sk-test-0123456789abcdef"


def asked(path: str = "/v1/chat/completions", body: Any = None) -> RecordedRequest:
    data = b"" if body is None else json.dumps(body).encode()
    return RecordedRequest(method="POST", path=path, body=body_of(data))


def recording(folder: Path, request: RecordedRequest | None = None, *known: str, provider: str | None = None) -> Tape:
    return Tape(folder, request or asked(), secrets=Secrets(known), provider=provider)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/chat/completions", {"model": "gpt-4o-mini"}, "0001-chat-completions-gpt-4o-mini.jsonl"),
        ("/v1/messages", {"model": "claude-sonnet-4-5"}, "0001-messages-claude-sonnet-4-5.jsonl"),
        ("/v1/models?limit=2", None, "0001-models.jsonl"),
        ("/chat/completions", {"model": "deepseek/../../chat"}, "0001-chat-completions-deepseek-..-..-chat.jsonl"),
        ("/", None, "0001-root.jsonl"),
        ("/v1/\x00ä", {"model": 3}, "0001.jsonl"),
        ("/v1/x", {"model": "m" * 300}, f"0001-x-{'m' * 78}.jsonl"),
    ],
)
def test_names(tmp_path: Path, path: str, body: Any, name: str) -> None:
    tape = recording(tmp_path, asked(path, body))
    tape.end(0.1, "close")
    assert tape.path == tmp_path / name.replace("0001.jsonl", "0001-exchange.jsonl")


def test_numbers_go_on_and_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "0007-kept.jsonl").write_text("kept")
    (tmp_path / "12-notes.txt").write_text("no cassette")
    first, second = recording(tmp_path), recording(tmp_path)
    assert [tape.path.name[:5] for tape in (first, second)] == ["0008-", "0009-"]
    first.end(0.0, None)
    second.discard()
    assert not second.path.exists()
    assert (tmp_path / "0007-kept.jsonl").read_text() == "kept"
    assert read_cassette(first.path).ending is None


def test_two_recorders_that_take_a_number_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open, others = os.open, ["0001-other.jsonl", "0002-chat-completions.jsonl"]

    def open_late(path: Any, *args: Any) -> int:
        if others:  # just before, and in the end of the same name
            (tmp_path / others.pop(0)).write_text("another's")
        return really_open(path, *args)

    monkeypatch.setattr(tape_module.os, "open", open_late)
    tape = recording(tmp_path)
    tape.discard()
    assert tape.path.name == "0003-chat-completions.jsonl"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001-other.jsonl", "0002-chat-completions.jsonl"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        recording(tmp_path / "none")


def test_it_is_written_as_it_happens(tmp_path: Path) -> None:
    tape = recording(tmp_path, provider="openai")
    assert read_cassette(tape.path).head is None
    tape.head(
        0.1, status=200, headers=(("content-type", "text/event-stream"), ("set-cookie", "a=b")), framing="chunked"
    )
    tape.chunk(0.2, b"data: 1\n\n")
    so_far = read_cassette(tape.path)
    assert (so_far.chunks, so_far.ending, so_far.provider) == (((0.2, b"data: 1\n\n"),), None, "openai")
    tape.chunk(0.3, b"data: \xff")
    tape.end(0.4, "reset")
    (cassette,) = read_cassettes(tmp_path)
    assert cassette.chunks == ((0.2, b"data: 1\n\n"), (0.3, b"data: \xff"))
    assert (cassette.ending, cassette.ended_s) == ("reset", 0.4)
    assert cassette.head is not None
    assert cassette.head.headers == (("content-type", "text/event-stream"), ("set-cookie", "[redacted]"))
    assert cassette.recorded.endswith("Z")


def test_a_compressed_body_is_kept_as_it_came_and_that_is_said(tmp_path: Path) -> None:
    tape = recording(tmp_path)
    tape.head(0.1, status=200, headers=(("content-encoding", "gzip"),), framing="length")
    tape.chunk(0.2, b"looks like text")
    tape.end(0.3, "end")
    cassette = read_cassette(tape.path)
    assert cassette.head is not None
    assert "compressed (gzip)" in (cassette.head.note or "")
    assert cassette.chunks == ((0.2, b"looks like text"),)
    assert b'"base64"' in tape.path.read_bytes()


def everything_in(file: Path) -> bytes:
    """Give all that can be made of a cassette: its bytes, its texts, its chunks on end."""
    cassette = read_cassette(file)

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in texts(part)]
        return [text for part in value for text in texts(part)] if isinstance(value, list) else [str(value)]

    lines = [text for line in file.read_bytes().splitlines() for text in texts(json.loads(line))]
    coded = [base64.b64decode(text) for text in lines if text.endswith("=") and len(text) % 4 == 0 and text.isascii()]
    chunks = b"".join(data for _, data in cassette.chunks)
    return b"\n".join([file.read_bytes(), *(text.encode() for text in lines), *coded, chunks, file.name.encode()])


KEYS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+", min_size=8, max_size=50)
PLACES = st.sampled_from(
    ["model", "path", "query", "text", "field", "header", "number", "form", "parts", "lines", "broken", "bytes"]
)
NAMES = st.sampled_from(
    ["authorization", "x-api-key", "cookie", "x-auth-token", "helicone-auth", "private-token", "x-acme-session-token"]
)
CUTS = st.lists(st.integers(1, 9), max_size=12)


def written(key: str, place: str, others: int) -> bytes:
    """Write a request's body with a key and other secrets."""
    urls = [f"https://s3/x?X-Amz-Credential=AKIA{n:06}&X-Amz-Signature={n:032x}" for n in range(others)]
    body: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "urls": urls}
    if place == "model":
        body["model"] = f"x-{key}"
    elif place == "text":
        body["messages"][0]["content"] = f"my key is {key}!"
    elif place == "field":
        body[key] = {"deep": [key, key]}
    elif place == "number" and key.isdecimal():
        body["seed"] = int(key)
    data = json.dumps(body).encode()
    wrapped = {
        "form": f"a=b&note={key}&password=other&x={key}".encode(),
        "parts": b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n' + f"{key}\r\n--b--\r\n{key}".encode(),
        "lines": data + b"\n" + json.dumps({"x": key}).encode() + b"\n",
        "broken": data[:-1] + b', "x": "' + key.encode(),
        "bytes": b"\xff" + key.encode() + b"\xfe" + data,
    }
    return wrapped.get(place, data)


@given(
    key=KEYS,
    place=PLACES,
    before=st.binary(max_size=12),
    after=st.binary(max_size=12),
    cuts=CUTS,
    ending=st.sampled_from(["end", "reset", None]),
    name=NAMES,
    others=st.sampled_from([0, 3, 80]),
)
@example(key="12345678", place="number", before=b"", after=b"", cuts=[3], ending="end", name="x-api-key", others=0)
@example(key="12345678", place="field", before=b"", after=b"", cuts=[3], ending="end", name="private-token", others=200)
def test_a_key_leaks_nowhere(
    tmp_path_factory: pytest.TempPathFactory,
    key: str,
    place: str,
    before: bytes,
    after: bytes,
    cuts: list[int],
    ending: Any,
    name: str,
    others: int,
) -> None:
    folder = tmp_path_factory.mktemp("tape")
    path, headers = "/v1/chat/completions", ((name, f"a={key}" if name == "cookie" else f"Bearer {key}"),)
    path += {"path": f"/{key}", "query": f"?page={key}&key={key}"}.get(place, "")
    headers += (("x-more", key), ("x-more", "kept")) if place == "header" else ()
    secrets = Secrets(memory=Memory())
    secrets.learn_headers(headers)
    secrets.learn_address(path)
    asked_with = written(key, place, others)
    kept = scrubbed_body(body_of(asked_with), asked_with, secrets)
    request = RecordedRequest(method="POST", path=secrets.address(path), headers=secrets.headers(headers), body=kept)
    tape = Tape(folder, request, secrets=secrets)
    cookies = tuple(("set-cookie", f"c=a-cookie-{n:04}") for n in range(others))
    tape.head(0.1, status=401, headers=(*cookies, ("x-echo", f"<{key}>")), framing="chunked")
    put(tape, before + key.encode() + after, cuts, ending)
    assert key.encode() not in everything_in(tape.path)
    assert b"[redacted]" in everything_in(tape.path)


def put(tape: Tape, data: bytes, cuts: list[int], ending: Any) -> None:
    at_s = 0.1
    for size in [*cuts, len(data)]:
        at_s += 0.1
        if data[:size]:
            tape.chunk(at_s, data[:size])
        data = data[size:]
    tape.end(at_s, ending)


@given(
    secret=st.from_regex(r"[a-zA-Z0-9_.+/-]{8,40}[0-9][a-z]", fullmatch=True),
    name=st.sampled_from(["access_token", "refresh_token", "client_secret", "password", "openaiApiKey"]),
    wrap=st.sampled_from(
        ['{"%s": "%s", "expires_in": 5}', 'data: {"a": {"%s": {"value": "%s"}}}\n\n', '[{"%s": ["%s"']
    ),
    escaped=st.booleans(),
    cuts=CUTS,
    ending=st.sampled_from(["end", "reset", None]),
)
def test_what_an_answer_gives_leaks_nowhere(
    tmp_path_factory: pytest.TempPathFactory,
    secret: str,
    name: str,
    wrap: str,
    escaped: bool,
    cuts: list[int],
    ending: Any,
) -> None:
    tape = recording(tmp_path_factory.mktemp("tape"))
    tape.head(0.1, status=200, headers=(("content-type", "application/json"),), framing="chunked")
    put(tape, (wrap % (name, secret.replace("/", "\\/") if escaped else secret)).encode(), cuts, ending)
    kept = everything_in(tape.path)
    assert secret.encode() not in kept.replace(b"\\/", b"/")
    assert (wrap % (name, "[redacted]")).encode() in kept
