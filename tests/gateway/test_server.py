"""The process: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from headrace.gateway import run_server
from headrace.gateway.server import _resolve
from headrace.sim import Scenario, Simulator
from tests.gateway.serving import SECRET, Viewer
from tests.simulated import BOUND_S, asked, left_async, none_open, stalling, talking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


class Process:
    """`run_server` as a process. What it has said on stderr is in `said`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""
        self.port = 0

    async def line(self) -> str:
        assert self._process.stderr is not None
        async with asyncio.timeout(BOUND_S):
            line = (await self._process.stderr.readline()).decode()
        self.said += line
        return line

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        while await self.line():
            pass
        async with asyncio.timeout(BOUND_S):
            return await self._process.wait()


@asynccontextmanager
async def process(environ: dict[str, str] | None = None, **options: Any) -> AsyncIterator[Process]:
    code = f"import sys; from headrace.gateway import run_server; sys.exit(run_server(**{options!r}))"
    env = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL", "_TOKEN"))}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE, env={**env, **(environ or {})}
    )
    try:
        yield Process(started)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@asynccontextmanager
async def server(sim: Simulator, tmp_path: Any, **options: Any) -> AsyncIterator[Process]:
    """Run it before a provider; wait until it says where it is."""
    file = tmp_path / "headrace.toml"
    file.write_text(f'model = "up/m-1"\n[providers.up]\nbase_url = "{sim.openai_url}"\napi_key = "{SECRET}"\n')
    async with process(port=0, config_path=str(file), **options) as running:
        where = await running.line()
        assert where.startswith("headrace: Headrace is at http://127.0.0.1:")
        running.port = int(where.split(":")[3].split("/")[0])
        assert "It asks up/m-1" in await running.line()
        yield running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
async def test_a_signal_ends_it_with_streams_open(number: signal.Signals, tmp_path: Any) -> None:
    with Simulator(stalling("Hello")) as sim:
        async with server(sim, tmp_path, grace_s=0.2) as running:
            async with await Viewer.ask(running.port) as viewer:
                frames = viewer.frames()
                assert [await anext(frames), await anext(frames)][-1] == {"content": "Hello"}
                running.signal(number)
                [last] = [frame async for frame in frames]
            assert (await left_async(sim)).left_at_token == 1
            assert await running.ended() == 0
    assert (last["error"]["type"], last["error"]["code"]) == ("truncated", "shutdown")
    assert "outcome=cancelled" in running.said
    assert "Traceback" not in running.said
    assert SECRET not in running.said


async def test_a_stream_may_end_within_the_grace_time(tmp_path: Any) -> None:
    with Simulator(Scenario(answer="Hi", faults=("hold:here@event:0",))) as sim:
        async with server(sim, tmp_path, grace_s=BOUND_S) as running:
            async with await Viewer.ask(running.port) as viewer:
                frames = viewer.frames()
                await anext(frames)
                await asked(sim)
                running.signal(signal.SIGTERM)
                await refusing(running.port)
                sim.release("here")
                assert [frame async for frame in frames][-1] == "[DONE]"
            assert await running.ended() == 0
    assert "Traceback" not in running.said


async def test_a_second_signal_cuts_what_is_open(tmp_path: Any) -> None:
    with Simulator(source=talking("x" * 16384)) as sim:
        async with server(sim, tmp_path, grace_s=BOUND_S) as running:
            async with await Viewer.ask(running.port, receive_buffer=4096) as viewer:
                await viewer.head()
                viewer.reading(False)  # nor will it read the last words
                running.signal(signal.SIGINT)
                await refusing(running.port)
                running.signal(signal.SIGINT)
                await none_open(sim)
                assert await running.ended() == 0
    assert "Traceback" not in running.said


async def refusing(port: int) -> None:
    """Wait until the server takes no more connections."""
    async with asyncio.timeout(BOUND_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                return
            writer.transport.abort()
            await asyncio.sleep(0.01)


async def test_without_a_key_it_says_that_it_simulates(tmp_path: Any) -> None:
    environ = {"HOME": str(tmp_path), "HEADRACE_CONFIG": ""}
    async with process(environ, port=0, host="localhost") as running:
        where = await running.line()
        said = await running.line()
        assert "SIMULATION" in said
        assert all(key in said for key in _KEYS)
        async with await Viewer.ask(int(where.split(":")[3].split("/")[0])) as viewer:
            assert (await anext(viewer.frames()))["simulated"] is True
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
    # What is asked was said once, and not again with each request.
    assert "no model was named" not in running.said


async def test_it_says_why_it_asks_whom(tmp_path: Any) -> None:
    environ = {"HOME": str(tmp_path), "HEADRACE_CONFIG": "", "OPENAI_API_KEY": SECRET}
    async with process(environ, port=0) as running:
        await running.line()
        assert "It asks openai/gpt-4o-mini (openai's key was found)" in await running.line()
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
    assert SECRET not in running.said


def test_a_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_server(port=port, model="sim/demo") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert f"127.0.0.1 port {port}" in line
    assert "in use" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"host": "0.0.0.0"}, "no keys of its own"),
        ({"host": "::"}, "no keys of its own"),
        ({"host": "192.0.2.1"}, "no keys of its own"),
        ({"host": "no such host"}, "has no address"),
        ({"host": "x" * 70}, "has no address"),
        ({"port": 65536}, "between 0 and 65535"),
        ({"model": "nobody/m"}, "nobody"),
        ({"model": "openai/gpt-4o-mini"}, "OPENAI_API_KEY"),
        ({"config_path": "/nowhere/headrace.toml"}, "cannot be read"),
    ],
)
def test_what_cannot_work(options: dict[str, Any], word: str, capsys, monkeypatch) -> None:
    for name in (*_KEYS, "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert run_server(**{"model": "sim/demo", "port": 0, **options}) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("headrace: ")
    assert word in line


def test_an_address_of_the_other_kind() -> None:
    assert _resolve("::1", 0) == (socket.AF_INET6, "::1")
    assert _resolve("127.0.0.2", 0) == (socket.AF_INET, "127.0.0.2")


async def test_it_listens_on_ipv6(tmp_path: Any) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no ::1: {error}")
    async with process(host="::1", port=0, model="sim/demo") as running:
        assert "http://[::1]:" in await running.line()
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
