"""Engines on this machine: known by their own answers, and by nothing else."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace.config import Config, read_config
from headrace.local_engines import Engine, find_engines, is_wanted, search
from headrace.wire.providers import PROVIDERS
from tests.servers import CLOSE, RESET, STALL, Drip, Gate, Request, Script, Server

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]
AMPLE_S = 20.0
"""Bounds a hang where an answer is to come; where none is, a test gives less."""


def says(body: Any, *headers: str, status: int = 200) -> Script:
    text = body if isinstance(body, str) else json.dumps(body)
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(text.encode())}", *headers, "", text]
    return ["\r\n".join(lines).encode(), CLOSE]


def models(*names: str, owner: str = "me", **more: Any) -> Script:
    return says({"object": "list", "data": [{"id": name, "owned_by": owner, **more} for name in names]})


NOTHING = says({"error": "not found"}, status=404)
LLAMA = "Server: llama.cpp"

OLLAMA = {
    "/": says("Ollama is running"),
    "/api/tags": says({"models": [{"name": "nomic-embed-text:latest"}, {"name": "llama3:8b"}, {"name": "qwen3:4b"}]}),
}
LM_STUDIO = {
    "/api/v0/models": says(
        {
            "object": "list",
            "data": [
                {"id": "e5", "type": "embeddings", "state": "not-loaded"},
                {"id": "qwen/qwen3-8b", "type": "llm", "state": "loaded"},
            ],
        }
    )
}
LLAMA_CPP = {
    "/v1/models": says({"object": "list", "data": [{"id": "/m/gemma.gguf"}]}, LLAMA),
    "/props": says({"default_generation_settings": {}}, LLAMA),
}
VLLM = {"/version": says({"version": "0.11.0"}), "/v1/models": models("meta/llama", owner="vllm")}


def look(name: str, server: Server, within_s: float = AMPLE_S) -> Engine:
    (engine,) = search({name: ("127.0.0.1", server.port)}, within_s=within_s)
    assert engine.place == f"127.0.0.1:{server.port}"
    return engine


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of this machine at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


# -- each by its own answers


@pytest.mark.parametrize(
    ("name", "title", "routes", "found"),
    [
        ("ollama", "Ollama", OLLAMA, ("llama3:8b", "qwen3:4b", "nomic-embed-text:latest")),
        ("lmstudio", "LM Studio", LM_STUDIO, ("qwen/qwen3-8b", "e5")),
        ("llamacpp", "llama.cpp", LLAMA_CPP, ("/m/gemma.gguf",)),
        ("llamacpp", "llama.cpp", {"/v1/models": LLAMA_CPP["/v1/models"]}, ("/m/gemma.gguf",)),
        ("llamacpp", "llama.cpp", {**LLAMA_CPP, "/v1/models": models("a")}, ("a",)),
        (
            "llamacpp",
            "llama.cpp",
            {"/v1/models": models("a"), "/props": says({"default_generation_settings": {}})},
            ("a",),
        ),
        ("vllm", "vLLM", VLLM, ("meta/llama",)),
    ],
)
def test_an_engine(name: str, title: str, routes: dict[str, Script], found: tuple[str, ...], serve: Serve) -> None:
    engine = look(name, serve(NOTHING, routes=routes))
    assert (engine.provider, engine.title, engine.state, engine.models) == (name, title, "found", found)


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        ("ollama", {**OLLAMA, "/api/tags": says({"models": []})}),
        ("ollama", {**OLLAMA, "/api/tags": NOTHING}),
        ("ollama", {**OLLAMA, "/api/tags": says("[]")}),
        ("ollama", {**OLLAMA, "/api/tags": says({"models": [7, {"name": 7}, {}]})}),
        ("lmstudio", {"/api/v0/models": says({"object": "list", "data": []})}),
        ("llamacpp", {"/props": says({}, LLAMA, status=503)}),
    ],
)
def test_an_engine_without_models(name: str, routes: dict[str, Script], serve: Serve) -> None:
    engine = look(name, serve(NOTHING, routes=routes))
    assert (engine.state, engine.models) == ("empty", ())


OURS = "Headrace-Run: 7"


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        ("ollama", {}),
        ("ollama", VLLM),
        ("ollama", {**OLLAMA, "/": says("<html>Ollama is running</html>")}),
        ("ollama", {**OLLAMA, "/": says("Ollama is running", status=404)}),
        ("ollama", {**OLLAMA, "/": says("Ollama is running", OURS)}),
        ("ollama", {"/api/tags": OLLAMA["/api/tags"]}),
        ("lmstudio", {}),
        ("lmstudio", {"/api/v0/models": models("a")}),
        ("lmstudio", {"/api/v0/models": says({"object": "list", "data": [7]})}),
        ("lmstudio", {"/api/v0/models": says({"data": [{"id": "a", "state": "loaded"}]})}),
        ("lmstudio", {"/api/v0/models": says('{"object": "list", "data": ')}),
        ("lmstudio", {"/api/v0/models": says("[" * 5000)}),
        ("lmstudio", {"/api/v0/models": says([1])}),
        ("llamacpp", {}),
        ("llamacpp", {"/v1/models": models("a"), "/props": says({"a": 1})}),
        ("llamacpp", VLLM),
        ("vllm", {}),
        ("vllm", {**VLLM, "/version": NOTHING}),
        ("vllm", {**VLLM, "/version": says({"version": 7})}),
        ("vllm", {"/version": VLLM["/version"]}),
        ("vllm", {**VLLM, "/v1/models": models("a", owner="me")}),
        ("vllm", {**VLLM, "/v1/models": models()}),
        ("vllm", {**VLLM, "/version": says({"version": "1"}, "Server: Headrace/1")}),
    ],
)
def test_another_server_is_none(name: str, routes: dict[str, Script], serve: Serve) -> None:
    assert look(name, serve(NOTHING, routes=routes)).state == "other"


# -- whatever a server does


@pytest.mark.parametrize(
    "script",
    [
        [CLOSE],
        [RESET],
        [b"SSH-2.0-OpenSSH\r\n", CLOSE],
        [b"HTTP/1.1 two hundred\r\n\r\n", CLOSE],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", CLOSE],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}", STALL],
        [b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n", CLOSE],
        [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000, STALL],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", Drip(b"x" * 4096, 0.0)],
    ],
)
def test_what_is_no_answer(script: Script, serve: Serve) -> None:
    server = serve(script)
    assert look("lmstudio", server).state == "silent"
    assert server.peers[0].wait_gone()


@pytest.mark.parametrize(
    "script",
    [
        [STALL],
        [b"HTTP/1.1 200 OK\r\n", STALL],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nOllama", STALL],
        [Drip(b"HTTP/1.1 200 OK\r\n", 0.005)],
    ],
)
def test_who_is_silent_is_not_waited_for(script: Script, serve: Serve) -> None:
    server = serve(script)
    assert look("ollama", server, within_s=0.1).state == "silent"
    assert all(peer.wait_gone() for peer in server.peers)


@pytest.mark.parametrize(
    "script",
    [
        [*says("Ollama is running")[:1], STALL],  # its length is enough
        [b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nOllama ", b"is running", CLOSE],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11\r\nOllama is running\r\n0\r\n\r\n", CLOSE],
    ],
)
def test_how_an_answer_may_end(script: Script, serve: Serve) -> None:
    assert look("ollama", serve(NOTHING, routes={**OLLAMA, "/": script})).state == "found"


def test_a_length_that_is_no_number_of_anybody_s(serve: Serve) -> None:
    server = serve([b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}", STALL])
    assert look("lmstudio", server).state == "other"


def test_nobody_listens(free_port: int) -> None:
    (engine,) = search({"ollama": ("127.0.0.1", free_port)}, within_s=AMPLE_S)
    assert (engine.state, engine.place) == ("down", f"127.0.0.1:{free_port}")


def test_no_socket_is_to_be_had(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    # a process without descriptors left cannot be had here: only the call that would fail is told otherwise
    def fail(*_: Any) -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", fail)
    (engine,) = search({"ollama": ("127.0.0.1", free_port)}, within_s=AMPLE_S)
    assert engine.state == "down"


def test_a_full_queue_is_silent() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        place = busy.getsockname()
        waiting = [socket.socket() for _ in range(3)]  # which nobody will accept
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(place)
            (engine,) = search({"ollama": place}, within_s=0.1)
        finally:
            for sock in waiting:
                sock.close()
    assert engine.state == "silent"


def test_all_are_asked_side_by_side(serve: Serve, free_port: int) -> None:
    # each answers only once all of them were asked
    servers: dict[str, Server] = {}
    asked: set[str] = set()
    gates = [Gate() for _ in range(3)]  # a request each

    class Meeting(Server):
        def next_script(self, request: Request) -> Script:
            gate = gates[len(asked)]
            asked.add(f"{self.port}{request.line}")
            if len(asked) == len(gates):
                for other in gates:
                    other.open()
            return [gate, *super().next_script(request)]

    routes = {"lmstudio": LM_STUDIO, "vllm": VLLM}
    try:
        for name, answers in routes.items():
            servers[name] = Meeting(NOTHING, routes=answers)
        places: dict[str, tuple[str, int] | None] = {n: ("127.0.0.1", s.port) for n, s in servers.items()}
        engines = search({**places, "ollama": ("127.0.0.1", free_port), "llamacpp": None}, within_s=AMPLE_S)
    finally:
        for server in servers.values():
            server.close()
    assert [(e.provider, e.state) for e in engines] == [
        ("lmstudio", "found"),
        ("vllm", "found"),
        ("ollama", "down"),
        ("llamacpp", "elsewhere"),
    ]


def test_how_it_asks(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody there
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server = serve(NOTHING, routes=OLLAMA)
    assert look("ollama", server).state == "found"
    assert sorted(r.line for r in server.requests) == ["GET / HTTP/1.0", "GET /api/tags HTTP/1.0"]
    assert all(r.headers["host"] == f"127.0.0.1:{server.port}" for r in server.requests)
    assert not any("sk-secret" in str(r) for r in server.requests)


def test_over_the_newer_protocol() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 loopback here")

    def serve() -> None:
        for _ in range(2):
            with listener.accept()[0] as sock:
                path = sock.recv(4096).split()[1].decode()
                sock.sendall(b"".join(step for step in OLLAMA[path] if isinstance(step, bytes)))

    with listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        (engine,) = search({"ollama": ("::1", port)}, within_s=AMPLE_S)
        thread.join()
    assert (engine.state, engine.place) == ("found", f"[::1]:{port}")


# -- where they are looked for


def rows(**addresses: str) -> Config:
    given = {name: {"base_url": url} for name, url in addresses.items()}
    return read_config({"providers": given}, "f")


def test_at_their_rows_addresses(serve: Serve, free_port: int) -> None:
    ollama, vllm = serve(NOTHING, routes=OLLAMA), serve(NOTHING, routes=VLLM)
    config = rows(
        ollama=f"http://localhost:{ollama.port}/v1",
        lmstudio=f"http://127.0.0.1:{free_port}/v1",
        llamacpp="http://10.0.0.7:8080/v1",
        vllm=f"http://127.0.0.1:{vllm.port}/v1",
    )
    engines = find_engines(config, within_s=AMPLE_S)
    assert [(e.provider, e.state, e.place) for e in engines] == [
        ("ollama", "found", f"127.0.0.1:{ollama.port}"),
        ("lmstudio", "down", f"127.0.0.1:{free_port}"),
        ("llamacpp", "elsewhere", ""),
        ("vllm", "found", f"127.0.0.1:{vllm.port}"),
    ]


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:1/v1", "http://engine.local:1/v1", "http://192.168.0.2:1/v1", "http://127.0.0.1:x", "", "x"],
)
def test_no_address_of_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config({"ollama": PROVIDERS["ollama"]}, {})
    monkeypatch.setenv("OLLAMA_BASE_URL", url or "http://")
    (engine,) = find_engines(config)
    assert (engine.state, engine.place) == ("elsewhere", "")


def test_the_environment_s_address_goes_before_the_row_s(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(NOTHING, routes=OLLAMA)
    monkeypatch.setenv("OLLAMA_BASE_URL", f"http://127.0.0.1:{server.port}/v1")
    (engine,) = find_engines(Config({"ollama": PROVIDERS["ollama"]}, {}), within_s=AMPLE_S)
    assert engine.state == "found"


def test_the_usual_ports() -> None:
    ports = {name: PROVIDERS[name].base_url for name in ("ollama", "lmstudio", "llamacpp", "vllm")}
    assert ports == {
        "ollama": "http://127.0.0.1:11434/v1",
        "lmstudio": "http://127.0.0.1:1234/v1",
        "llamacpp": "http://127.0.0.1:8080/v1",
        "vllm": "http://127.0.0.1:8000/v1",
    }


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_wanted(Config(PROVIDERS, {}))  # as all tests are
    monkeypatch.setenv("HEADRACE_NO_LOCAL", "0")
    assert is_wanted(Config(PROVIDERS, {}))
    monkeypatch.delenv("HEADRACE_NO_LOCAL")
    assert is_wanted(Config(PROVIDERS, {}))
    assert not is_wanted(read_config({"local": False}, "f"))
