"""The recorder: what passes is unchanged, what is kept is what passed, and each side's end is the other side's."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import headrace
from headrace.errors import UsageError
from headrace.sim.cassettes import record as record_module
from headrace.sim.cassettes.cassette import Body, Cassette, body_of
from headrace.sim.cassettes.reading import read_cassettes
from headrace.sim.cassettes.record import Recorder, joined
from headrace.sim.cassettes.replay import CassetteSource
from headrace.sim.cassettes.tape import Tape
from headrace.sim.play import Act, Head, Piece
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.server import CannotListen
from headrace.sim.serving.simulator import Simulator
from headrace.wire.providers import PROVIDERS, Provider
from tests.faces import FACES, KEY, Face, read
from tests.servers import CLOSE, LAST, RESET, STALL, Drip, Gate, Script, Server, chunked, head, open_sockets, whole
from tests.sim.cassettes.recording import BOUND_S, Client, chat, get, post
from tests.sim.serving.raw import Source, dechunk, play
from tests.wire.streams import DONE, answer, block, choice, chunk, message_start, messages, say, sse, usage

if TYPE_CHECKING:
    from headrace.sim.cassettes.relay import Exchange

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]


class Recording:
    """Recorders over a folder, and what they said of each exchange."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exchanges: list[Exchange] = []
        self._open: list[Recorder] = []

    def start(self, server: Server | None = None, **options: Any) -> Recorder:
        if server is not None:
            row = {"base_url": server.url, "name": "openai"}
            anthropic = {"base_url": server.url.removesuffix("/v1"), "name": "anthropic", "wire": "anthropic"}
            options["providers"] = {**PROVIDERS, "openai": Provider(**row), "anthropic": Provider(**anthropic)}  # type: ignore[arg-type]
        recorder = Recorder(self.folder, on_exchange=self.exchanges.append, **options)
        self._open.append(recorder.__enter__())
        return recorder

    def close(self) -> None:
        while self._open:
            self._open.pop().__exit__()

    def cassettes(self) -> list[Cassette]:
        """Give what was recorded, after all of it has ended."""
        self.close()
        return read_cassettes(self.folder)

    def cassette(self) -> Cassette:
        (cassette,) = self.cassettes()
        return cassette


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path / "cassettes")
    yield made
    made.close()


HELLO = sse(say("Hel"), say("lo"), chunk(choice(finish="stop")), chunk(usage=usage(3, 2)), DONE)
HELLO_ANTHROPIC = answer(*block(0, "Hello"))
SPLIT = HELLO.index(b"lo") + 1
ERROR = json.dumps(
    {"error": {"message": f"Incorrect API key provided: {KEY}.", "type": "invalid_request_error"}}
).encode()
IN_BAND = sse(say("Hel"), {"error": {"message": "The server had an error", "type": "server_error"}})
UMLAUTS = sse(json.dumps(say("Mühle — 水"), ensure_ascii=False).join(["data: ", ""]), say("", "stop"), DONE)


def in_pieces(data: bytes, size: int) -> Script:
    return [head(), *(chunked(data[i : i + size]) for i in range(0, len(data), size)), LAST]


SESSIONS: dict[str, tuple[str, Script]] = {
    "openai": ("openai", whole(HELLO)),
    "openai in bytes": ("openai", in_pieces(UMLAUTS, 1)),
    "openai in sevens": ("openai", in_pieces(HELLO, 7)),
    "openai with a length": ("openai", [head(framing=str(len(HELLO))) + HELLO]),
    "openai until the end": ("openai", [head(framing="close") + HELLO, CLOSE]),
    "anthropic": ("anthropic", whole(HELLO_ANTHROPIC)),
    "anthropic cut": ("anthropic", [head() + chunked(messages(message_start(), *block(0, "Hel")[:-1])), CLOSE]),
    "openai reset": ("openai", [head() + chunked(sse(say("Hel"))), RESET]),
    "openai reset in a length": ("openai", [head(framing="999") + sse(say("Hel")), RESET]),
    "openai cut in a length": ("openai", [head(framing="999") + sse(say("Hel")), CLOSE]),
    "openai cut in a frame": ("openai", [head() + chunked(HELLO[:SPLIT]), CLOSE]),
    "an error": ("openai", whole(ERROR, "x-request-id: req_1", status=401, kind="application/json")),
    "an error at anthropic's": ("anthropic", whole(b'{"type": "error"}', status=529, kind="application/json")),
    "an error in band": ("openai", [head() + chunked(IN_BAND), CLOSE]),
    "no answer": ("openai", [CLOSE]),
    "no answer but a reset": ("openai", [RESET]),
    "nothing": ("openai", whole(b"")),
    "HTML": ("openai", whole(b"<html>", kind="text/html")),
}


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("face", FACES)
def test_a_session_is_the_same_recorded_and_replayed(face: Face, name: str, serve: Serve, recording: Recording) -> None:
    provider, script = SESSIONS[name]
    options: dict[str, Any] = {"model": f"{provider}/test-model", "prompt": "Hi", "api_key": KEY}
    server = serve(script)
    recorder = recording.start(server)
    direct = read(face, base_url=server.url, **options)
    recorded = read(face, base_url=f"{recorder.url}/{provider}", **options)
    assert (recorded.events, type(recorded.error)) == (direct.events, type(direct.error))
    cassette = recording.cassette()
    assert KEY.encode() not in (recording.folder / cassette.name).read_bytes()
    for match in ("strict", "best"):
        with Simulator(source=CassetteSource(recording.folder, match=match)) as sim:  # type: ignore[arg-type]
            for base_url in (sim.openai_url, f"{sim.url}/{provider}"):
                replayed = read(face, base_url=base_url, **{**options, "api_key": "another-key"})
                assert replayed.events == recorded.events
                assert str(replayed.error) == str(recorded.error).replace(KEY, "[redacted]")


def test_what_is_kept(serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO, "x-request-id: req_1", "X-Request-Id: req_2", "openai-organization: acme-corporation"))
    recorder = recording.start(server)
    read("sync", "openai/gpt-4o-mini", "Hi", base_url=f"{recorder.url}/openai", api_key=KEY)
    cassette = recording.cassette()
    assert cassette.name == "0001-chat-completions-gpt-4o-mini.jsonl"
    assert cassette.provider == "openai"
    assert (cassette.request.method, cassette.request.path) == ("POST", "/v1/chat/completions")
    assert cassette.request.body.value["messages"] == [{"role": "user", "content": "Hi"}]
    names = dict(cassette.request.headers)
    assert names["authorization"] == "[redacted]"
    assert not {"host", "content-length", "connection"} & names.keys()
    assert cassette.head is not None
    assert cassette.head.headers == (
        ("content-type", "text/event-stream"),
        ("x-request-id", "req_1"),
        ("x-request-id", "req_2"),
        ("openai-organization", "[redacted]"),
    )
    assert b"".join(data for _, data in cassette.chunks) == HELLO
    assert 0.0 <= cassette.head.at_s <= cassette.chunks[0][0] <= cassette.ended_s
    (exchange,) = recording.exchanges
    assert (exchange.cassette, exchange.provider) == (cassette.name, "openai")
    assert (exchange.status, exchange.ending, exchange.problem) == (200, "end", None)


def test_what_passes_is_unchanged(serve: Serve, recording: Recording) -> None:
    body = b'{"b":  1, "a": "\xc3\xa4"}'
    server = serve(
        [head(201, "text/odd", "X-Odd: \xe4", "keep-alive: 1").replace(b"\xc3\xa4", b"\xe4") + chunked(b"a") + LAST]
    )
    recorder = recording.start(server)
    sent = post(
        body,
        "X-Mine: one",
        "x-mine: two",
        "accept-encoding: gzip",
        "authorization: Bearer " + KEY,
        "connection: close, x-hop",
        "x-hop: 1",
        "te: trailers",
        path="/openai/v1/odd%2Fpath?q=%20&r",
    )
    with Client(recorder.port, sent) as client:
        answer, how = client.rest()
    start, _, rest = answer.partition(b"\r\n\r\n")
    assert how == "fin"
    assert dechunk(rest) == b"a"
    assert start.split(b"\r\n") == [
        b"HTTP/1.1 201 Word",
        b"content-type: text/odd",
        "X-Odd: \ufffd".encode(),
        b"Transfer-Encoding: chunked",
        b"Connection: close",
    ]
    (request,) = server.requests
    assert request.line == "POST /v1/odd%2Fpath?q=%20&r HTTP/1.1"
    assert request.body == body
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert not {"x-hop", "te", "user-agent", "accept"} & request.headers.keys()
    assert recording.cassette().request.path == "/v1/odd%2Fpath?q=%20&r"


def test_requests_without_a_body(serve: Serve, recording: Recording) -> None:
    server = serve([head(framing="2") + b"[]"], [head(framing="999")], [head(204, framing="0")])
    recorder = recording.start(server)
    with Client(recorder.port, get("/openai/models?key=0123456789")) as client:
        assert client.until(b"[]").endswith(b"\r\n\r\n[]")
        client.socket.sendall(get("/openai/models", method="HEAD"))
        assert b"999" in client.until(b"\r\n\r\n")
        client.socket.sendall(get("/openai/models", method="DELETE"))
        assert b" 204 " in client.until(b"\r\n\r\n")
    assert server.requests[0].line == "GET /v1/models?key=0123456789 HTTP/1.1"
    kept = recording.cassettes()
    assert kept[0].request.path == "/v1/models?key=[redacted]"
    assert [c.head and (c.head.status, c.head.framing, c.ending) for c in kept] == [
        (200, "length", "end"),
        (200, "length", "end"),
        (204, "length", "end"),
    ]


def test_old_clients_and_those_who_ask_before_they_send(serve: Serve, recording: Recording) -> None:
    recorder = recording.start(serve(whole(HELLO)))
    old = post().replace(b"HTTP/1.1", b"HTTP/1.0")
    with Client(recorder.port, old) as client:
        answer, how = client.rest()
        assert (answer.endswith(HELLO), how) == (True, "fin")
    start, _, body = post(None, "expect: 100-continue").partition(b"\r\n\r\n")
    with Client(recorder.port, start + b"\r\n\r\n") as client:
        client.until(b"100 Continue\r\n\r\n")
        client.socket.sendall(body)
        client.until(LAST)


def test_a_compressed_answer_passes_as_it_is(serve: Serve, recording: Recording) -> None:
    packed = gzip.compress(HELLO)
    recorder = recording.start(serve(whole(packed, "content-encoding: gzip")))
    with Client(recorder.port, post(gzip.compress(b"{}"), "content-encoding: gzip")) as client:
        assert b"content-encoding: gzip" in client.until(b"\r\n\r\n")
        assert dechunk(client.until(LAST)) == packed
    cassette = recording.cassette()
    assert b"".join(data for _, data in cassette.chunks) == packed
    assert cassette.request.body.kind == "base64"
    assert cassette.head is not None
    assert "compressed (gzip)" in (cassette.head.note or "")


def test_a_chunk_passes_at_once(serve: Serve, recording: Recording) -> None:
    gates = [Gate(), Gate(), Gate()]
    server = serve([gates[0], head(), gates[1], chunked(b"a"), gates[2], chunked(b"b"), LAST])
    recorder = recording.start(server)
    with Client(recorder.port, post()) as client:
        assert server.wait_asked()
        gates[0].open()
        client.until(b"\r\n\r\n")
        gates[1].open()
        client.until(b"a\r\n")
        gates[2].open()
        client.until(LAST)
    cassette = recording.cassette()
    assert [data for _, data in cassette.chunks] == [b"a", b"b"]


@pytest.mark.parametrize("where", ["before the head", "after the head", "in the stream", "while it drips"])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_stops_the_provider(where: str, how: str, serve: Serve, recording: Recording) -> None:
    scripts: dict[str, Script] = {
        "before the head": [STALL],
        "after the head": [head(), STALL],
        "in the stream": [head(), chunked(b"a"), STALL],
        "while it drips": [head(), Drip(chunked(b"a"), every_s=0.001)],
    }
    server = serve(scripts[where])
    recorder = recording.start(server)
    with Client(recorder.port, post()) as client:
        assert server.wait_asked()
        if where != "before the head":
            client.until(b"\r\n\r\n")
        if where in ("in the stream", "while it drips"):
            client.until(b"a")
        if how == "reset":
            client.reset()
    assert server.peers[0].wait_gone()
    cassette = recording.cassette()
    assert cassette.ending == "client_left"
    assert (cassette.head is None) == (where == "before the head")
    assert open_sockets(server.port) == 0


def test_a_slow_client_slows_the_provider(serve: Serve, recording: Recording) -> None:
    size = 64 * 1024 * 1024
    server = serve([head(framing=str(size)), *[b"x" * 65536] * (size // 65536)])
    recorder = recording.start(server)
    with Client(recorder.port, post(), small=True) as client:
        client.until(b"\r\n\r\n")
        peer = server.peers[0]
        before = -1
        while before != peer.written or not peer.written:  # until it stands still
            before = peer.written
            assert not peer.gone.wait(0.2)
        assert peer.written < size // 2
    assert peer.wait_gone()
    assert recording.cassette().ending == "client_left"


@pytest.mark.parametrize("ending", ["reset", "close"])
@pytest.mark.parametrize("framing", ["chunked", "999", "close"])
def test_a_provider_that_goes_is_gone_for_the_client_too(
    ending: Any, framing: str, serve: Serve, recording: Recording
) -> None:
    body = chunked(b"a") if framing == "chunked" else b"a"
    server = serve([head(framing=framing) + body, RESET if ending == "reset" else CLOSE])
    recorder = recording.start(server)
    with Client(recorder.port, post(None, "connection: close")) as client:
        data, how = client.rest()
    whole = ending == "close" and framing == "close"
    assert data.endswith(b"a\r\n0\r\n\r\n" if whole else b"a" if framing == "999" else b"a\r\n")
    assert how == ("reset" if ending == "reset" else "fin")
    assert recording.cassette().ending == ("end" if whole else ending)


@pytest.mark.parametrize("ending", ["reset", "close"])
def test_no_answer(ending: Any, serve: Serve, recording: Recording) -> None:
    recorder = recording.start(serve([RESET if ending == "reset" else CLOSE]))
    with Client(recorder.port, post()) as client:
        assert client.rest() == (b"", "reset" if ending == "reset" else "fin")
    cassette = recording.cassette()
    assert (cassette.head, cassette.ending) == (None, ending)


def refused(recorder: Recorder, request: bytes) -> tuple[int, str]:
    with Client(recorder.port, request) as client:
        start = client.until(b"\r\n\r\n")
        status = int(start.split()[1])
        return status, json.loads(client.until(b"}}"))["error"]["message"]


def test_whom_nobody_reaches(recording: Recording, serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        recorder = recording.start(upstream=f"http://127.0.0.1:{port}")
        status, said = refused(recorder, post())
    assert (status, said.startswith("no connection to the provider: ")) == (502, True)
    assert list(recording.folder.iterdir()) == []
    (exchange,) = recording.exchanges
    assert (exchange.cassette, exchange.status, exchange.ending) == (None, None, None)
    assert exchange.problem == said
    odd = recording.start(serve([b"SMTP ready\r\n\r\n", CLOSE]))
    status, said = refused(odd, post())
    assert (status, said.startswith("the provider could not be asked: ")) == (502, True)


def test_certificates_that_cannot_be_read(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/none")
    recorder = recording.start(upstream="https://127.0.0.1:1")
    status, said = refused(recorder, post())
    assert (status, "SSL_CERT_FILE" in said) == (502, True)


def test_tls(recording: Recording) -> None:
    recorder = recording.start(upstream="https://127.0.0.1:1/v1")
    for _ in range(2):
        assert refused(recorder, post())[0] == 502


@pytest.mark.parametrize(
    ("request_", "status", "what"),
    [
        (post(None, "origin: http://127.0.0.1:4749"), 403, "for programs"),
        (post(None, "sec-fetch-site: cross-site"), 403, "for programs"),
        (post(host="evil.example:4749"), 403, "must name this machine"),
        (get("/openai/models", "origin: null", method="OPTIONS"), 403, "for programs"),
        (post(path="/"), 404, "the path begins with no provider's name"),
        (post(path="/acme/v1/chat/completions"), 404, "known: openai, anthropic"),
        (post(path="/sim/chat/completions"), 404, "sim has no address"),
        (post(path="/snowflake/chat/completions"), 404, "as base_url"),
        (post(path="http://127.0.0.1/openai/x"), 404, "ask for a path"),
    ],
)
def test_what_is_refused(request_: bytes, status: int, what: str, serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO))
    got, said = refused(recording.start(server), request_)
    assert (got, what in said) == (status, True), said
    assert server.requests == []
    assert list(recording.folder.iterdir()) == []


@pytest.mark.parametrize("protocol", ["websocket", "WebSocket", "spdy/3"])
def test_what_wants_to_leave_http_is_told_so(protocol: str, serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO))
    asked = get(
        "/openai/realtime",
        "connection: Upgrade",
        f"upgrade: {protocol}",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    status, said = refused(recording.start(server), asked)
    assert (status, f"keeps no {protocol}" in said) == (501, True)
    assert server.requests == []
    assert list(recording.folder.iterdir()) == []


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "HTTP/2.0", ""])
def test_what_is_but_offered_is_passed_over(protocol: str, serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO))
    recorder = recording.start(server)
    with Client(recorder.port, post(None, "connection: Upgrade", f"upgrade: {protocol}")) as client:
        assert b" 200 " in client.until(LAST)
    assert "upgrade" not in server.requests[0].headers


def test_a_provider_that_leaves_http(serve: Serve, recording: Recording) -> None:
    server = serve([b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: odd\r\n\r\n", STALL])
    status, said = refused(recording.start(server), post())
    assert (status, "leaves HTTP with status 101" in said) == (502, True)
    assert list(recording.folder.iterdir()) == []
    assert server.peers[0].wait_gone()


def test_it_does_not_ask_itself(recording: Recording) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    recorder = recording.start(port=port, upstream=f"http://localhost:{port}/v1")
    status, said = refused(recorder, post())
    assert (status, said) == (404, f"the provider's address, http://localhost:{port}/v1, is this recorder itself")


def test_everything_goes_to_the_one_upstream(serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO))
    recorder = recording.start(upstream=server.url)
    assert recorder.env() == {"OPENAI_BASE_URL": f"{recorder.url}/v1", "ANTHROPIC_BASE_URL": recorder.url}
    read("sync", "openai/m", "Hi", base_url=recorder.env()["OPENAI_BASE_URL"], api_key=KEY)
    read("sync", "anthropic/m", "Hi", base_url=recorder.env()["ANTHROPIC_BASE_URL"], api_key=KEY)
    assert [r.line.split()[1] for r in server.requests] == ["/v1/chat/completions", "/v1/messages"]
    assert [c.provider for c in recording.cassettes()] == [None, None]


def test_variables_that_lead_here(recording: Recording) -> None:
    recorder = recording.start()
    assert recorder.env() == {
        "OPENAI_BASE_URL": f"{recorder.url}/openai",
        "ANTHROPIC_BASE_URL": f"{recorder.url}/anthropic",
    }


@pytest.mark.parametrize(
    ("base", "rest", "url"),
    [
        ("https://a/v1", "/chat/completions", "https://a/v1/chat/completions"),
        ("https://a/v1/", "/v1/chat/completions", "https://a/v1/chat/completions"),
        ("https://a", "/v1/messages", "https://a/v1/messages"),
        ("https://a/openai/v1", "/openai/v1/x", "https://a/openai/v1/x"),
        ("https://a/openai/v1", "/v1/x?y=/v1", "https://a/openai/v1/x?y=/v1"),
        ("https://a/v1", "/x/v1", "https://a/v1/x/v1"),
        ("https://a/v1", "", "https://a/v1"),
        ("https://a", "/", "https://a/"),
        ("https://a/v1", "?x", "https://a/v1?x"),
    ],
)
def test_addresses(base: str, rest: str, url: str) -> None:
    assert joined(base, rest) == url


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"upstream": "localhost:80"}, "is not one of http"),
        ({"upstream": "http://user:pass@host/"}, "without a user and without a query"),
        ({"upstream": "http://host/?x"}, "without a user and without a query"),
        ({"host": "no host"}, "has no address"),
        ({"host": "0.0.0.0"}, "will not listen on '0.0.0.0'"),
    ],
)
def test_what_cannot_work(options: dict[str, Any], what: str, recording: Recording) -> None:
    with pytest.raises(UsageError, match=what):
        recording.start(**options)


def test_ports_and_folders_that_cannot_be_had(recording: Recording, tmp_path: Path) -> None:
    recorder = recording.start()
    with pytest.raises(CannotListen, match=f"port {recorder.port}: Address already in use; give another port"):
        recording.start(port=recorder.port)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="no folder can be made there: Not a directory"):
        Recorder(file / "folder").__enter__()


def test_ipv6(recording: Recording, serve: Serve) -> None:
    try:
        recorder = recording.start(serve(whole(HELLO)), host="::1")
    except UsageError:
        pytest.skip("this machine has no IPv6")
    assert recorder.url.startswith("http://[::1]:")


def test_a_folder_that_vanishes(serve: Serve, recording: Recording) -> None:
    server = serve(whole(HELLO))
    recorder = recording.start(server)
    recording.folder.rmdir()
    status, said = refused(recorder, post())
    assert (status, "no cassette can be written there" in said) == (500, True)
    assert server.requests == []


def test_a_full_disk_harms_the_recording_alone(
    serve: Serve, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tape: Tape, *args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Tape, "chunk", full)
    recorder = recording.start(serve(in_pieces(HELLO, 50)))
    reading = read("sync", "openai/m", "Hi", base_url=f"{recorder.url}/openai", api_key=KEY)
    assert reading.message.text == "Hello"
    assert recording.cassette().ending is None
    assert (recording.exchanges[0].problem or "").endswith("cannot be written any more: No space left on device")


def test_a_recorder_that_is_stopped_leaves_what_had_come(serve: Serve, recording: Recording) -> None:
    server = serve([head(), chunked(b"a"), STALL])
    recorder = recording.start(server)
    with Client(recorder.port, post()) as client:
        client.until(b"a\r\n")
        cassette = recording.cassette()
        assert client.rest()[0] == b""
    assert (cassette.ending, [data for _, data in cassette.chunks]) == (None, [b"a"])
    assert server.peers[0].wait_gone()
    assert recording.exchanges[0].ending is None


async def test_in_an_event_loop(serve: Serve, tmp_path: Path) -> None:
    server = serve(whole(HELLO))
    async with Recorder(tmp_path, upstream=server.url) as recorder:
        async with headrace.astream("openai/m", "Hi", base_url=recorder.url, api_key=KEY) as stream:
            assert await asyncio.wait_for(stream.get_final_text(), BOUND_S) == "Hello"
    assert len(read_cassettes(tmp_path)) == 1
    await Recorder(tmp_path).stop()


def test_keys_that_are_known_beforehand(serve: Serve, recording: Recording) -> None:
    recorder = recording.start(serve(whole(sse(say(f"it is {KEY}"), say("", "stop"), DONE))), secrets=[KEY])
    with Client(recorder.port, post(chat(f"is it {KEY}?"))) as client:
        assert KEY.encode() in client.until(LAST)
    assert KEY.encode() not in (recording.folder / recording.cassette().name).read_bytes()


def images(count: int) -> dict[str, Any]:
    urls = [f"https://s3/{n}.png?X-Amz-Credential=AKIA{n:06}&X-Amz-Signature={n:064x}" for n in range(count)]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"model": "m", "messages": [{"role": "user", "content": parts}]}


def test_many_other_secrets_push_out_no_key(serve: Serve, recording: Recording) -> None:
    cookies = [f"set-cookie: c{n}=a-cookie-{n:04}" for n in range(70)]
    echo = f"{KEY} a-cookie-0000 AKIA000000 {0:064x}".encode()
    server = serve(whole(echo, *cookies), whole(echo))
    recorder = recording.start(server)
    for body in (images(40), chat()):
        with Client(recorder.port, post(body, f"authorization: Bearer {KEY}")) as client:
            assert echo in dechunk(client.until(b"\r\n\r\n") and client.until(LAST))
    first, second = recording.cassettes()
    assert b"".join(data for _, data in first.chunks) == b"[redacted] [redacted] [redacted] [redacted]"
    assert KEY.encode() not in (recording.folder / second.name).read_bytes()
    with Simulator(source=CassetteSource(recording.folder, match="strict")) as sim:
        with Client(sim.port, post(images(40), "authorization: Bearer another-key")) as client:
            assert b"[redacted] [redacted]" in client.until(LAST)


SECRET_HEADERS = (
    "x-auth-token", "x-portkey-api-key", "x-litellm-api-key", "helicone-auth", "cf-aig-authorization", "private-token",
    "ocp-apim-subscription-key", "x-session-token", "cf-access-client-secret", "sec-websocket-protocol", "api-key",
)  # fmt: skip


@pytest.mark.parametrize("name", SECRET_HEADERS)
def test_keys_in_any_header(name: str, serve: Serve, recording: Recording) -> None:
    server = serve(whole(ERROR, f"{name}: {KEY[::-1]}"), whole(KEY[::-1].encode()))
    recorder = recording.start(server)
    for _ in range(2):
        with Client(recorder.port, post(None, f"{name}: {KEY}")) as client:
            client.until(LAST)
    for cassette in recording.cassettes():
        kept = (recording.folder / cassette.name).read_bytes()
        assert KEY.encode() not in kept
        assert KEY[::-1].encode() not in kept


def test_a_secret_that_an_answer_gives(serve: Serve, recording: Recording) -> None:
    given = json.dumps({"id": "sess_1", "client_secret": {"value": "ek_4fd0c1ab", "expires_at": 9}}).encode()
    server = serve(in_pieces(given, 3), whole(b"it was ek_4fd0c1ab"))
    recorder = recording.start(server)
    for _ in range(2):
        with Client(recorder.port, post()) as client:
            client.until(LAST)
    first, second = recording.cassettes()
    assert b"".join(data for _, data in first.chunks) == given.replace(b"ek_4fd0c1ab", b"[redacted]")
    assert second.chunks == ((second.chunks[0][0], b"it was [redacted]"),)


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_a_secret_that_an_answer_gives_half(ending: Any, serve: Serve, recording: Recording) -> None:
    recorder = recording.start(serve([head(framing="999") + b'{"access_token": "abcdefgh', ending]))
    with Client(recorder.port, post()) as client:
        client.rest()
    assert b"".join(data for _, data in recording.cassette().chunks) == b'{"access_token": "[redacted]'


def test_forms_and_parts(serve: Serve, recording: Recording) -> None:
    bodies = [
        b"grant_type=client_credentials&client_secret=abcdefgh1&password=pw",
        b'--b\r\ncontent-disposition: form-data; name="api_key"\r\n\r\nabcdefgh1\r\n--b--\r\n\xff',
    ]
    recorder = recording.start(serve(*[whole(b"abcdefgh1")] * 2))
    for body in bodies:
        with Client(recorder.port, post(body)) as client:
            client.until(LAST)
    first, second = recording.cassettes()
    assert first.request.body.value == "grant_type=client_credentials&client_secret=[redacted]&password=[redacted]"
    assert second.request.body.value == bodies[1].replace(b"abcdefgh1", b"[redacted]")
    source = CassetteSource(recording.folder, match="strict")
    with Simulator(source=source) as sim:
        for at, body in enumerate(bodies):
            with Client(sim.port, post(body.replace(b"abcdefgh1", b"another-one"))) as client:
                client.until(b"[redacted]")
            assert sim.journal.last.label == source.cassettes[at].name


def test_a_large_body_is_scrubbed_while_others_are_served(
    serve: Serve, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, may_end = threading.Event(), threading.Event()

    def slow(data: bytes, *, coded: bool) -> Body:
        if len(data) > 100_000:
            going_on.set()
            assert may_end.wait(BOUND_S)
        return body_of(data, coded=coded)

    monkeypatch.setattr(record_module, "body_of", slow)
    recorder = recording.start(serve(*[whole(HELLO)] * 2))
    large = chat("\\n" * 50_000 + KEY)
    with Client(recorder.port, post(large, f"authorization: Bearer {KEY}")) as waiting:
        assert going_on.wait(BOUND_S)
        with Client(recorder.port, post()) as client:
            client.until(LAST)
        may_end.set()
        waiting.until(LAST)
    small, kept = recording.cassettes()
    assert small.request.body.value == chat()
    assert kept.request.body.value == chat("\\n" * 50_000 + "[redacted]")


def test_times_come_out_as_they_went_in(recording: Recording) -> None:
    steps = [Piece(0.3, b"a", alone=True), Piece(0.7, b"b", alone=True), Act(0.9, "reset")]
    upstream = Simulator(source=Source(play(*steps, head=Head(at_s=0.1))), clock=VirtualClock())
    with upstream:
        recorder = recording.start(upstream=upstream.url)
        with Client(recorder.port, post()) as client:
            assert client.rest()[1] == "reset"
    cassette = recording.cassette()
    assert b"".join(data for _, data in cassette.chunks) == b"ab"
    replayed = CassetteSource(recording.folder, pace="original")
    with Simulator(source=replayed, clock=VirtualClock()) as sim, Client(sim.port, post()) as client:
        assert client.rest()[1] == "reset"
        last = sim.journal.last
        assert last.ended_s is not None
        assert last.ended_s - last.asked_s == pytest.approx(cassette.ended_s, abs=1e-9)


@pytest.mark.parametrize("face", FACES)
def test_a_session_with_the_simulator(face: Face, recording: Recording) -> None:
    asked = [
        ("openai", "sim/prose;seed=3"),
        ("anthropic", "sim/code"),
        ("openai", "sim/tools"),
        ("anthropic", "sim/json"),
    ]

    def ask(provider: str, model: str, env: dict[str, str]) -> Any:
        base_url = env[f"{provider.upper()}_BASE_URL"]
        return read(face, f"{provider}/{model}", "Hi", base_url=base_url, api_key=KEY).events

    with Simulator() as sim:
        recorder = recording.start(upstream=sim.url)
        recorded = [ask(*each, recorder.env()) for each in asked]
        recording.close()
    with Simulator(source=CassetteSource(recording.folder, match="strict")) as sim:
        assert [ask(*each, sim.env()) for each in asked] == recorded
    assert all(len(events) > 3 for events in recorded)
