"""The harness of bench/clients: it runs without peers and network, and its readers agree on what they read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from bench.clients import rounds
from bench.clients.answers import MODES, Read, expected, measure_text
from bench.clients.candidates import CANDIDATES, OURS, WAYS
from bench.clients.chart import svg
from bench.clients.report import markdown, plain, verdicts
from bench.clients.rounds import Group, Plan
from bench.clients.source import running
from bench.clients.weights import Weight
from bench.clients.workers import Failed, Setting

if TYPE_CHECKING:
    from bench.clients.answers import Mode, Wire

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the bench's source wants Linux")
ROOT = Path(__file__).resolve().parents[2]
has_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
WIRES: tuple[Wire, ...] = ("openai-chat", "anthropic")


@pytest.mark.parametrize("source", [pytest.param("C", marks=has_compiler), "Python"])
def test_a_quick_run_without_peers(source: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.clients", "--quick", "--without-peers", "--out", str(tmp_path)]
    command += ["--ways", *WAYS] if source == "C" else ["--plain-source", "--ways", "blocking"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "clients.md").read_text()
    ways = WAYS if source == "C" else ("blocking",)
    for way in ways:
        for candidate in CANDIDATES:
            if not candidate.peer and (candidate.blocking if way == "blocking" else candidate.asynchronous):
                shown = f"**{candidate.name}**" if candidate.name.startswith("headrace") else candidate.name
                assert report.count(f"|{shown}|{way}|") >= 2
    assert f"the source in {source}" in report
    assert "`import headrace`" in report
    assert "1.5 × urllib3 (anthropic, blocking, paced)" in report
    assert OURS in done.stdout
    drawn = ElementTree.fromstring((tmp_path / "clients.svg").read_text())
    texts = ["".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert OURS in texts
    assert "openai-chat, one event a wake-up" in texts


def test_a_reader_that_reads_something_else_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "expected", lambda events: Read(events, 1, 2))
    plan = Plan(blast=10, paced=3, ways=("blocking",))
    with (
        running(None) as source,
        pytest.raises(Failed, match=r"read Read\(pieces=10, .*the source said Read\(pieces=10"),
    ):
        rounds.measure(source, Setting(source.url, None, peers=False), plan, lambda _: None)


@has_compiler
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("model", ["blast-12-0", "blast-12-64", "blast-12-100000", "paced-12-1"])
def test_both_sources_say_the_same(wire: Wire, model: str) -> None:
    said = []
    for plain_source in (False, True):
        with running(None, plain=plain_source) as source:
            body = _ask(source.url, wire, {"model": model, "stream_options": {"include_usage": True}})
            assert source.usage().events == 12
        said.append([json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")])
    assert said[0] == said[1]
    pieces = [match for match in re.findall(r'"(?:content|text)":"([^"]+)"', body) if match]
    assert measure_text([json.loads(f'"{piece}"') for piece in pieces]) == expected(12)


@pytest.mark.parametrize("plain_source", [False, True])
def test_a_source_refuses_what_it_does_not_understand(plain_source: bool) -> None:
    with running(None, plain=plain_source) as source, pytest.raises(urllib.error.HTTPError, match="400"):
        _ask(source.url, "openai-chat", {"model": "gpt-4o"})


def test_ratios_are_taken_within_a_round() -> None:
    groups = [_group(mode, ours=[3.0, 30.0, 300.0], loop=[2.0, 20.0, 100.0]) for mode in MODES]
    assert groups[0].ratio(OURS, "urllib3 + msgspec") == (1.5, 1.5, 2.25)
    assert groups[0].ratio(OURS, "nobody") is None
    found = verdicts(groups, [Weight("import headrace", 149, 151, 152)])
    assert [(v.said, v.holds) for v in found] == [("1.50 (1.50–2.25)", True)] * 2 + [("151 ms", False)]
    report = markdown(
        groups, [], [], plan=Plan(chunk=0), streams=1, machine="a machine", versions={"x": "1"}, chart="clients.svg"
    )
    assert "a machine. x 1. 3 rounds of 5000 events" in report
    assert "in HTTP chunks of one event each" in report
    assert re.search(r"\n  headrace, text_stream  blocking +30 +1\.5 +1\.00", plain(report).replace("1.50  ", "1.5  "))
    assert svg(groups, "a <note>").count("<rect") == 1 + 2 * 3


def _group(mode: Mode, *, ours: list[float], loop: list[float]) -> Group:
    taken = {"raw socket + msgspec": loop, "urllib3 + msgspec": loop, OURS: ours}
    return Group("openai-chat", "blocking", mode, taken, {name: [1.0] * 3 for name in taken}, 0.5, {})


def _ask(url: str, wire: Wire, body: dict[str, object]) -> str:
    path = "/v1/chat/completions" if wire == "openai-chat" else "/v1/messages"
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return response.read().decode()
