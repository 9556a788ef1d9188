"""pytest's plugin: a simulated provider for a test, and the environment pointed at it.

    @pytest.mark.headrace_sim(faults=["reset@token:5"])
    def test_a_broken_stream(headrace_sim):
        with pytest.raises(MyError):
            my_code()  # it makes its OpenAI() or Anthropic() client as it always does
        assert headrace_sim.journal.last.how == "reset"

Law kept here: what is loaded with every run of pytest loads nothing of Headrace; that does the fixture.  So it is a
module of its own, outside the package, whose import would cost each run its time.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from headrace.sim.serving.clock import Clock
    from headrace.sim.serving.journal import Exchange, Journal
    from headrace.sim.serving.simulator import Simulator

_SEED = 0

_KEYWORDS = {
    "script": "a file of scenarios (YAML or Python), or scenarios",
    "cassette": "a folder of cassettes that answers; recorded with --headrace-record",
    "record": "an address that is recorded from, in place of the providers' own; False: it is never recorded again",
    "match": "which cassette answers: strict or best",
    "pace": "how fast a cassette is played: max, original or a factor",
    "seed": "what chance draws by",
    "speed": 'a factor on all waits, or "max"',
    "faults": "what goes wrong with every answer",
    "dialect": "whose habits the streams have",
    "clock": '"virtual": waits take no time; "manual": time passes by headrace_sim.clock.advance(); or a clock',
    "env": "False: the environment stays as it is",
}
_SOURCES = ("script", "cassette", "scenarios")
_OF_CASSETTES = ("record", "match", "pace")
_OF_SCENARIOS = ("seed", "speed", "faults", "dialect")

_sim_key = pytest.StashKey[Any]()
_passed_key = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--headrace-record``."""
    parser.getgroup("headrace").addoption(
        "--headrace-record",
        action="store_true",
        help="tests marked headrace_sim(cassette=DIR) ask the real providers, and what is said is recorded there",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    known = "; ".join(f"{name}: {meaning}" for name, meaning in _KEYWORDS.items())
    config.addinivalue_line(
        "markers",
        f"headrace_sim(*scenarios, **options): run it against a simulated provider, as the fixture does; {known}.",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have a marked test use the fixture, also if it does not name it.

    It comes before all others: a client that another fixture makes must not be led to a real provider.
    """
    if isinstance(item, pytest.Function) and item.get_closest_marker("headrace_sim"):
        item.fixturenames = ["headrace_sim", *(name for name in item.fixturenames if name != "headrace_sim")]


def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, name: str, obj: object) -> None:
    """Refuse a scenario that was marked itself, in place of the test below it, which then is none.

    So pytest reads a marker whose only argument is a function: the test would vanish without a word.
    """
    marks = getattr(obj, "pytestmark", None)
    if inspect.isfunction(obj) and isinstance(marks, list) and not collector.funcnamefilter(name):
        if any(getattr(mark, "name", "") == "headrace_sim" for mark in cast("list[object]", marks)):
            text = f"headrace_sim({name}): pytest marks a lone function, and not the test below it"
            raise collector.CollectError(f"{text}; write headrace_sim(script={name})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - as pytest wants it
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the journal with a test that failed."""
    report = yield
    sim = item.stash.get(_sim_key, None)
    if report.when == "call":
        item.stash[_passed_key] = not report.failed
    if sim is not None and report.failed:
        report.sections.append(("headrace_sim journal", _told(sim.journal)))
    return report


@pytest.fixture
def headrace_sim(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[Any, None, None]:
    """Run a simulated provider for the test, and point the environment at it.

    It is a `headrace.sim.Simulator`, at maximal speed; the marker ``headrace_sim`` says what it answers.
    OPENAI_BASE_URL, OPENAI_API_KEY, ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY lead the SDKs to it.
    """
    from headrace.errors import UsageError

    node: pytest.Item = request.node
    try:
        options = _options(node)
        if "cassette" in options and request.config.getoption("--headrace-record"):
            if options.get("record") is not False:
                yield from _record(node, options, monkeypatch)
                return
        sim = _simulator(options)
        sim.start()
    except UsageError as error:
        pytest.fail(f"headrace_sim: {error}", pytrace=False)
    with sim:
        node.stash[_sim_key] = sim
        if options.get("env", True):
            _point(monkeypatch, sim.env())
        yield sim
    if sim.failure is not None:  # a scenario's function that failed: its client saw an error, which tests may expect
        raise sim.failure


def _options(node: pytest.Item) -> dict[str, Any]:
    """Read the test's markers: what stands nearer to it counts.

    Raises:
        UsageError: if they say what cannot be.
    """
    from headrace.errors import UsageError

    options: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("headrace_sim"))):
        given = dict(marker.kwargs)
        unknown = [name for name in given if name not in _KEYWORDS]
        if unknown:
            known = "".join(f"\n  {name}: {meaning}" for name, meaning in _KEYWORDS.items())
            raise UsageError(f"the marker knows no {', '.join(unknown)}. It knows:{known}")
        if marker.args:
            given["scenarios"] = marker.args
        if any(name in given for name in _SOURCES):
            options = {name: value for name, value in options.items() if name not in _SOURCES}
        options.update(given)
    sources = [name for name in _SOURCES if name in options]
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} cannot go together: give one of them")
    if "cassette" in options:
        wrong, kind = [name for name in _OF_SCENARIOS if name in options], "a cassette is played as it was recorded"
    else:
        wrong, kind = [name for name in _OF_CASSETTES if name in options], "there is no cassette"
    if wrong:
        raise UsageError(f"{', '.join(wrong)} cannot be given: {kind}")
    for name in ("script", "cassette"):
        if isinstance(options.get(name), str | os.PathLike):
            options[name] = node.path.parent / options[name]
    return options


def _simulator(options: dict[str, Any]) -> Simulator:
    from headrace.errors import UsageError
    from headrace.sim.cassettes.cassette import CassetteError
    from headrace.sim.cassettes.replay import CassetteSource
    from headrace.sim.serving.simulator import Simulator

    given: dict[str, Any] = {"clock": _clock(options.get("clock"))}
    if "cassette" in options:
        try:
            chosen = {name: options[name] for name in ("pace", "match") if name in options}
            return Simulator(source=CassetteSource(options["cassette"], **chosen), **given)
        except CassetteError as error:
            raise UsageError(f"{error} (pytest --headrace-record records them)") from None
    given["seed"] = _SEED
    if given["clock"] is not None:
        given["speed"] = 1.0  # its times are to be seen, and cost nothing
    given.update({name: options[name] for name in _OF_SCENARIOS if name in options})
    script = options.get("script")
    if isinstance(script, Path):
        return Simulator(script=script, **given)
    scenarios: tuple[Any, ...] = options.get("scenarios", ())
    if script is not None:
        scenarios = tuple(cast("Iterable[Any]", script)) if isinstance(script, tuple | list) else (script,)
    if any(isinstance(scenario, str) for scenario in scenarios):
        raise UsageError("scenarios are Scenario objects or functions; a file of them is script=PATH")
    return Simulator(*scenarios, **given)


def _clock(name: Any) -> Clock | None:
    from headrace.errors import UsageError
    from headrace.sim.serving.clock import Clock, VirtualClock

    if name is None or isinstance(name, Clock):
        return name
    if name in ("virtual", "manual"):
        return VirtualClock(auto=name == "virtual")
    raise UsageError(f'the clock is "virtual", "manual" or a clock, not {name!r}')


def _point(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Set the variables, and see to it that no proxy comes between."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy"):
        before = os.environ.get(name, "")
        monkeypatch.setenv(name, ",".join(filter(None, (before, "127.0.0.1", "localhost"))))


def _record(node: pytest.Item, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Generator[Any, None, None]:
    from headrace.sim.pytest_recording import Recording

    with Recording(options["cassette"], upstream=options.get("record"), config=node.config) as recording:
        if options.get("env", True):
            _point(monkeypatch, recording.env())
        yield recording
        recording.keep = node.stash.get(_passed_key, False)


def _told(journal: Journal) -> str:
    """Tell what was asked and what came of it, an exchange a line."""
    return "\n".join(map(_line, journal.exchanges)) or "nothing was asked"


def _line(exchange: Exchange) -> str:
    whom = " ".join(filter(None, (exchange.wire, exchange.model, exchange.label and f"[{exchange.label}]")))
    status = "no answer" if exchange.status is None else str(exchange.status)
    planned = "" if exchange.tokens_planned is None else f" of {exchange.tokens_planned}"
    faults = f", faults {' '.join(exchange.faults)}" if exchange.faults else ""
    end = f"{exchange.how} by the {exchange.ended_by}" if exchange.ended_by else "goes on"
    text = f"{exchange.id}: {exchange.method} {exchange.path} {whom}: {status}, {exchange.tokens}{planned} tokens"
    return " ".join(f"{text}{faults}, {end}".split())
