"""A simulator: its life, its addresses, and that nothing of it is left."""

import asyncio
import contextlib
import errno
import gc
import json
import os
import signal
import socket
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import UsageError
from headrace.sim.play import Piece
from headrace.sim.scenarios.failing import ScriptError
from headrace.sim.scenarios.scenario import Match, Scenario
from headrace.sim.serving import server, simulator as simulator_module
from headrace.sim.serving.clock import VirtualClock
from headrace.sim.serving.journal import Journal
from headrace.sim.serving.server import CannotListen, Server
from headrace.sim.serving.simulator import Simulator
from tests.sim.serving.raw import (
    BOUND_S,
    HEAD,
    LAST,
    Client,
    Endless,
    Source,
    act,
    chunks,
    get,
    play,
    request,
    simulator,
)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "headrace-sim"]


def test_it_lives_in_its_block() -> None:
    with simulator(play(b"x")) as sim:
        assert threads() == ["headrace-sim"]
        assert sim.url == f"http://127.0.0.1:{sim.port}"
        assert sim.env() == {
            "OPENAI_BASE_URL": f"{sim.url}/v1",
            "OPENAI_API_KEY": "simulated",
            "ANTHROPIC_BASE_URL": sim.url,
            "ANTHROPIC_API_KEY": "simulated",
        }
        port = sim.port
    assert threads() == []
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_it_lives_by_hand() -> None:
    sim = simulator(play(b"x"))
    with pytest.raises(UsageError, match="nowhere yet"):
        _ = sim.url
    with pytest.raises(UsageError, match="does not run"):
        sim.release()
    assert sim.start() is sim
    assert sim.start() is sim
    with Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"x") + LAST)
    sim.close()
    sim.close()
    assert len(sim.journal.exchanges) == 1
    for late in (sim.start, sim.release):
        with pytest.raises(UsageError, match="simulator"):
            late()
    never_started = simulator(play(b"x"))
    never_started.close()


async def test_it_lives_in_a_tasks_block() -> None:
    async with simulator(play(b"x")) as sim:
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(request())
        assert await reader.readuntil(LAST) == HEAD + chunks(b"x") + LAST
        writer.close()
        await writer.wait_closed()
        await sim.journal.wait_closed_async()
    assert threads() == []


def test_two_side_by_side() -> None:
    with simulator(play(b"1")) as one, simulator(play(b"2")) as two, Client(one) as first, Client(two) as second:
        for client in (first, second):
            client.send(request())
        first.expect(HEAD + chunks(b"1") + LAST)
        second.expect(HEAD + chunks(b"2") + LAST)
        assert (len(one.journal.exchanges), len(two.journal.exchanges)) == (1, 1)


def test_two_by_one_clock() -> None:
    clock = VirtualClock(auto=False)
    with simulator(play(Piece(1.0, b"1")), clock=clock) as one, simulator(play(Piece(2.0, b"2")), clock=clock) as two:
        with Client(one, request()) as first, Client(two, request()) as second:
            first.expect(HEAD)
            second.expect(HEAD)
            clock.advance(2.0)
            assert (one.journal.last.ended_s, two.journal.last.ended_s) == (1.0, 2.0)


def test_a_port_that_is_taken() -> None:
    with simulator(play(b"x")) as sim:
        with pytest.raises(CannotListen, match=f"port {sim.port}: Address already in use; give another"):
            simulator(play(b"x"), port=sim.port).start()
        with pytest.raises(UsageError, match=f"port {sim.port}"), simulator(play(b"x"), port=sim.port):
            pass
    assert threads() == []
    with simulator(play(b"x"), port=sim._server.port) as again:  # and it is free at once
        assert again.port == sim._server.port


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"port": 70000}, "between 0 and 65535"),
        ({"host": "no.such.host.invalid"}, "has no address"),
        ({"host": "a" * 300}, "has no address"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1 port 0: Cannot assign requested address"),
    ],
)
def test_places_that_are_none(options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        simulator(play(b"x"), **options).start()
    assert threads() == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://127.0.0.1"),
        ("::1", "http://[::1]"),
        ("0.0.0.0", "http://127.0.0.1"),
        ("::", "http://[::1]"),
    ],
)
def test_hosts(host: str, url: str) -> None:
    try:
        sim = simulator(play(b"x"), host=host).start()
    except CannotListen:
        pytest.skip("no such address on this machine")
    with sim:
        assert sim.url == f"{url}:{sim.port}"


def test_an_ipv6_client() -> None:
    try:
        sim = simulator(play(b"x"), host="::1").start()
    except CannotListen:
        pytest.skip("no such address on this machine")
    with sim, socket.create_connection(("::1", sim.port), 30) as client:
        client.sendall(get("/_sim/", host=f"[::1]:{sim.port}"))
        assert client.recv(12) == b"HTTP/1.1 200"
        client.sendall(request())
        assert sim.journal.wait()
        assert sim.journal.connections[0].peer == f"[::1]:{client.getsockname()[1]}"


def test_one_way_to_say_what_is_answered() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        Simulator(script="x.yaml", source=Source(play()))
    with pytest.raises(UsageError, match="give one of them"):
        Simulator("scenario", source=Source(play()))


def test_what_goes_wrong_in_a_block_gets_out() -> None:
    with pytest.raises(ZeroDivisionError), simulator(play(b"x")):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), simulator(play(b"x")) as sim, sim.refuse():
        raise ZeroDivisionError
    assert threads() == []


def test_nothing_is_left_of_it(no_collector: None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clients: list[Client] = []
        with simulator(Endless(every_s=0.0), play(act("stall")), play(act("hold")), Endless()) as sim:
            clients += [Client(sim, request()) for _ in range(6)]
            clients += [Client(sim), Client(sim, request()[:10])]
            for client in clients[:6]:
                client.until(b"\r\n\r\n")
        for client in clients:
            client.socket.close()
        tasks = [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and not found.done()]
        assert tasks == []
        assert sim.journal.open_connections == 0
        assert {c.closed_by for c in sim.journal.connections} == {"server"}


def test_clients_that_come_while_it_closes() -> None:
    # connections that are accepted in the very turn in which it closes
    for _ in range(20):
        with simulator(play(b"x")) as sim:
            clients = [Client(sim, request()) for _ in range(5)]
        for client in clients:
            client.socket.close()
    gc.collect()


# -- forks


def forked(do: Callable[[], object]) -> int:
    """Fork a child that does something and ends, with 0 if nothing was raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer ones warn of threads
        child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(int(BOUND_S))
            do()
            code = 0
        finally:
            os._exit(code)
    return child


@pytest.mark.parametrize("kind", ["close", "reset"])
def test_a_child_that_lives_does_not_hold_up_the_end(kind: str) -> None:
    reading, writing = os.pipe()
    is_up, say_up = os.pipe()
    with simulator(play(b"a", act("hold"), act(kind))) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))

        def live() -> None:
            os.close(writing)
            os.write(say_up, b"x")
            os.read(reading, 1)  # until the parent has seen all

        child = forked(live)
        os.read(is_up, 1)
        sim.release()
        assert (client.rest if kind == "close" else client.rest_and_reset)() == b""
        port = sim.port
        sim.close()
        assert connects(port) == errno.ECONNREFUSED
    os.close(writing)
    assert os.waitpid(child, 0)[1] == 0
    for end in (reading, is_up, say_up):
        os.close(end)


def test_what_a_child_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(play(b"x")) as sim:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(UsageError, match="in the process that this one was forked from"):
                sim.release()
            sim.close()
        assert sim.release() == 0


def test_a_child_leaves_the_block_and_its_parent_goes_on() -> None:
    with simulator(play(b"x")) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"x") + LAST)

        def leave() -> None:
            with pytest.raises(UsageError, match="forked from"):
                sim.release()
            with sim, contextlib.suppress(UsageError), sim.refuse():
                pass
            sim.close()

        assert os.waitpid(forked(leave), 0)[1] == 0
        client.send(request())
        client.expect(HEAD + chunks(b"x") + LAST)
        with sim.refuse():

            def refuse() -> None:
                sim.close()

            assert os.waitpid(forked(refuse), 0)[1] == 0
        with Client(sim, request()) as another:
            another.expect(HEAD + chunks(b"x") + LAST)


def test_a_child_in_a_block_of_refusal_leaves_it_too() -> None:
    with simulator(play(b"x")) as sim:
        refusing = sim.refuse()
        refusing.__enter__()
        child = forked(lambda: refusing.__exit__(None, None, None))
        assert os.waitpid(child, 0)[1] == 0
        assert connects(sim.port) == errno.ECONNREFUSED
        refusing.__exit__(None, None, None)
        assert connects(sim.port) == 0


def test_whoever_else_holds_the_socket_a_fin_is_a_fin() -> None:
    with simulator(play(b"a", act("hold"), act("close"))) as sim, Client(sim, request()) as client:
        client.expect(HEAD + chunks(b"a"))
        (connection,) = sim._server.connections
        held = os.dup(connection._socket.fileno())
        sim.release()
        assert client.rest() == b""
        os.close(held)


# -- a user's functions


def test_what_cannot_be_called_from_within(caplog: pytest.LogCaptureFixture) -> None:
    raised: list[BaseException] = []

    def call(do: Callable[[], object]) -> None:
        try:
            do()
        except BaseException as error:
            raised.append(error)
            raise

    def told(exchange: object) -> None:
        call(sim.close)

    def answer(asked: object) -> str:
        call(sim.release)
        return "never"

    with Simulator(answer, journal=Journal(on_end=told)) as sim:
        with pytest.raises(urllib.error.HTTPError) as caught:
            said(sim)
        caught.value.close()
        sim.journal.wait()
        assert [type(error) for error in raised] == [UsageError, UsageError]
        assert "the simulator's own thread" in str(raised[0])
        assert sim.failure is raised[0]
        assert sim.journal.failure is raised[1]
    assert threads() == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, pytest.fail.Exception, ValueError])
def test_what_a_function_raises_is_answered_and_kept(error: Any) -> None:
    def answer(asked: Any) -> str:
        if asked.text == "fail":
            raise error("it must not be asked")
        return "well"

    with Simulator(answer) as sim:
        assert said(sim) == "well"
        assert sim.failure is None
        with pytest.raises(urllib.error.HTTPError) as caught:
            said(sim, text="fail")
        assert caught.value.code == 500
        assert "the script's function 'answer' failed" in caught.value.read().decode()
        caught.value.close()
        assert type(sim.failure) is error
        assert said(sim) == "well"
        first = sim.failure
        with pytest.raises(urllib.error.HTTPError) as caught:
            said(sim, text="fail")
        caught.value.close()
        assert sim.failure is first


def test_a_function_that_gives_what_is_no_answer() -> None:
    with Simulator(lambda asked: 7) as sim:
        with pytest.raises(urllib.error.HTTPError) as caught:
            said(sim)
        caught.value.close()
        assert isinstance(sim.failure, ScriptError)


def test_a_function_that_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator_module, "_DEADLINE_S", 0.05)
    entered, go_on = threading.Event(), threading.Event()

    def endless(asked: object) -> str:
        entered.set()
        while not go_on.is_set():
            pass
        return "late"

    sim = Simulator(endless).start()
    with Client(sim, request(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')):
        entered.wait(BOUND_S)
        with pytest.raises(RuntimeError, match=r"endless \(test_simulator\.py, line \d+\).* for 0\.05 s; a scenario's"):
            sim.release()
        with pytest.raises(RuntimeError, match=r"does not answer: .*endless \(test_simulator\.py"):
            sim.close()
        sim.close()  # it is closed, as far as it goes
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "headrace-sim"]
        go_on.set()
        thread.join(BOUND_S)
        assert threads() == []


# -- the server's own corners


async def test_a_server_in_a_loop_of_ones_own() -> None:
    source = Source(play(b"x"))
    serving = Server(source)
    await serving.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    writer.write(request())
    assert await reader.readuntil(LAST) == HEAD + chunks(b"x") + LAST
    assert await serving.release("x") == 0
    await serving.stop()
    assert await reader.read() == b""
    writer.close()
    assert source.calls[0].path == "/v1/chat/completions"
    assert source.calls[0].body == b"{}"


def test_where_a_port_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_CAN_KEEP", False)
    with simulator(play(b"x")) as sim:
        port = sim.port
        with sim.refuse():
            assert connects(port) == errno.ECONNREFUSED
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"x") + LAST)
        with socket.socket() as taker:
            refusing = sim.refuse()
            refusing.__enter__()
            taker.bind(("127.0.0.1", port))
            taker.listen()
            with pytest.raises(CannotListen, match="was taken while it refused"):
                refusing.__exit__(None, None, None)


def connects(port: int) -> int:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port))


def test_somebody_who_listens_between_the_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: socket.socket, backlog: int = 0) -> None:
        raise OSError(errno.EADDRINUSE, "taken")

    class Deaf(socket.socket):
        listen = fail

    monkeypatch.setattr(server.socket, "socket", Deaf)
    with pytest.raises(CannotListen, match="Address already in use"):
        asyncio.run(Server(Source(play())).start())


class Failing:
    """A listener whose accept fails a few times."""

    def __init__(self, listener: socket.socket, *errors: OSError) -> None:
        self._listener = listener
        self._errors = list(errors)

    def fileno(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._listener.close()

    def accept(self) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return self._listener.accept()


def with_failing(serving: Server, *errors: OSError) -> Callable[[], None]:
    async def put() -> None:
        loop = asyncio.get_running_loop()
        listener: Any = serving._listener
        loop.remove_reader(listener)
        failing: Any = Failing(listener, *errors)
        serving._listener = failing
        loop.add_reader(failing, serving._take, failing)

    return put  # type: ignore[return-value]


def test_connections_that_cannot_be_taken(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(server, "_PAUSE_S", 0.01)
    errors = [BlockingIOError(), ConnectionAbortedError(), OSError(errno.EMFILE, "Too many open files")]
    with simulator(play(b"x")) as sim:
        sim._do(with_failing(sim._server, *errors)())  # type: ignore[arg-type]
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"x") + LAST)
        assert "Too many open files" in caplog.text
        assert connects(sim.port) == 0


def test_who_stops_listening_in_such_a_pause_does_not_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(play(b"x")) as sim:
        serving = sim._server

        async def check() -> None:
            listener = serving._listener
            assert listener is not None
            serving.refuse()
            serving._take_again(listener)
            serving.accept()

        sim._do(check())
        with Client(sim, request()) as client:
            client.expect(HEAD + chunks(b"x") + LAST)


# -- with the simulated provider behind it


def said(sim: Simulator, model: str = "gpt-test", text: str = "hi") -> str:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    asked = urllib.request.Request(f"{sim.openai_url}/chat/completions", json.dumps(body).encode())
    asked.add_header("content-type", "application/json")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.loads(answer.read())["choices"][0]["message"]["content"]


def test_scenarios() -> None:
    with Simulator(Scenario(name="one", answer="Hello.")) as sim:
        assert said(sim) == "Hello."
        last = sim.journal.last
        assert (last.label, last.model, last.wire, last.how) == ("one", "gpt-test", "openai-chat", "complete")
        sim.script(Scenario(match=Match(text="weather"), answer="Rain."), Scenario(answer="No idea."))
        assert said(sim, text="What weather?") == "Rain."
        assert said(sim) == "No idea."


def test_a_script(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("scenarios: [{answer: From a file.}]")
    with Simulator(script=file) as sim:
        assert said(sim) == "From a file."


def test_one_seed_is_one_run() -> None:
    with Simulator(seed=7) as one, Simulator(seed=7) as two, Simulator(seed=8) as other:
        rain = "Tell me about rain"
        assert said(one, text=rain) == said(two, text=rain) != said(other, text=rain)
