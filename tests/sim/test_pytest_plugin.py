"""pytest's plugin, as its users have it: in a process of its own, with warnings as errors."""

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.sim import Scenario, Simulator

pytest_plugins = ["pytester"]

SECRET = "sk-very-secret-0123456789"

CODE = """
import os
import pytest
import headrace
from headrace.sim import Answer, Match, Scenario, VirtualClock

def ask(model="openai/m", prompt="Hi"):
    with headrace.stream(model, prompt) as s:
        return s.get_final_text()
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, bare: None) -> "Run":
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.chdir(pytester.path)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\naddopts = --strict-markers\nasyncio_default_fixture_loop_scope = function"
    )
    return Run(pytester)


class Run:
    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester

    def __call__(self, source: str, *args: str, **outcomes: int) -> str:
        """Run a test file with the plugin; give what pytest said."""
        self.pytester.makepyfile(CODE + source)
        # by its module's name, whether the entry point is installed or not
        plugin = ("-p", "no:headrace", "-p", "_headrace_pytest")
        result = self.pytester.runpytest_subprocess(*plugin, *args)
        if outcomes:
            result.assert_outcomes(**outcomes)
        return str(result.stdout)


def test_the_environment_leads_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.setenv("no_proxy", "example.org")
    run(
        """
def test_one(headrace_sim):
    assert os.environ["OPENAI_BASE_URL"] == headrace_sim.openai_url
    assert os.environ["ANTHROPIC_BASE_URL"] == headrace_sim.anthropic_url
    assert os.environ["no_proxy"] == "example.org,127.0.0.1,localhost"
    assert ask() and ask("anthropic/m")
    assert [e.wire for e in headrace_sim.journal.exchanges] == ["openai-chat", "anthropic"]
    assert headrace_sim.journal.last.headers["x-api-key"] == "[redacted]"

def test_two():
    assert os.environ["OPENAI_API_KEY"].startswith("sk-very-secret")
    assert "OPENAI_BASE_URL" not in os.environ

def test_it_is_seeded(headrace_sim):
    assert ask() == ask()

@pytest.mark.headrace_sim(seed=7)
def test_another_seed(headrace_sim):
    assert ask() == ask()

@pytest.mark.headrace_sim(env=False)
def test_an_environment_of_its_own(headrace_sim):
    assert "OPENAI_BASE_URL" not in os.environ
    assert headrace_sim.url
""",
        passed=5,
    )


def test_markers(run: Run) -> None:
    run.pytester.path.joinpath("hello.yaml").write_text("scenarios:\n  - answer: Hello from a file\n")
    run.pytester.path.joinpath("hello.py").write_text(
        "from headrace.sim import Scenario\nscenarios = [Scenario(answer='Hello from Python')]\n"
    )
    run(
        """
pytestmark = pytest.mark.headrace_sim(Scenario(answer="outer"), speed=1000.0)

def test_the_marker_is_enough():
    assert ask() == "outer"

@pytest.mark.headrace_sim(Scenario(match=Match(text="weather"), answer="rain"), Scenario(answer="Hello"))
class TestScenarios:
    def test_it(self):
        assert (ask(prompt="the weather?"), ask()) == ("rain", "Hello")

    @pytest.mark.headrace_sim(script="hello.yaml")
    def test_the_nearest_counts(self, headrace_sim):
        assert ask() == "Hello from a file"

    @pytest.mark.headrace_sim(script="hello.py")
    def test_a_file_of_python(self, headrace_sim):
        assert ask() == "Hello from Python"

    @pytest.mark.headrace_sim(faults=["reset@token:0"])
    def test_options_add_to_each_other(self, headrace_sim):
        with pytest.raises(headrace.HeadraceError):
            ask()
        assert headrace_sim.journal.last.how == "reset"

@pytest.mark.headrace_sim(script=Scenario(answer="one"))
def test_one_scenario():
    assert ask() == "one"

@pytest.mark.headrace_sim(script=[Scenario(match=Match(call=1), answer="one"), Scenario(answer="two")])
async def test_several_in_async_code():
    assert [ask(), ask()] == ["one", "two"]

@pytest.fixture
def made_early():
    return os.environ["OPENAI_BASE_URL"]

def test_other_fixtures_find_it_there(made_early, headrace_sim):
    assert made_early == headrace_sim.openai_url
""",
        "-o",
        "asyncio_mode=auto",
        passed=8,
    )


def test_a_mark_of_a_parameter_is_its_own(run: Run) -> None:
    run(
        """
@pytest.mark.parametrize("marked", [pytest.param(True, marks=pytest.mark.headrace_sim), False])
def test_it(marked):
    assert ("OPENAI_BASE_URL" in os.environ) == marked
""",
        passed=2,
    )


def test_clocks(run: Run) -> None:
    run(
        """
import time
from headrace.sim import PaceOptions

SLOW = Scenario(answer="Hello", pace=PaceOptions(first_s=3600.0, first_sigma=0.0))

@pytest.mark.headrace_sim(SLOW, clock="virtual")
def test_an_hour_takes_no_time(headrace_sim):
    assert ask() == "Hello"
    assert headrace_sim.clock.now() >= 3600

@pytest.mark.headrace_sim(SLOW, clock="manual")
def test_by_hand(headrace_sim):
    with pytest.raises(headrace.StreamTimeoutError):
        with headrace.stream("openai/m", "Hi", timeouts=(0.1, None, None)) as s:
            s.get_final_text()
    assert headrace_sim.clock.now() == 0

@pytest.mark.headrace_sim(SLOW, clock=VirtualClock(auto=True), speed="max")
def test_a_clock(headrace_sim):
    assert ask() == "Hello"
    assert headrace_sim.clock.now() == 0
""",
        passed=3,
    )


def test_a_failed_test_shows_the_journal_and_no_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run(
        f"""
@pytest.mark.headrace_sim(Scenario(answer="Hello you", faults=("reset@token:1",)))
def test_it(headrace_sim):
    with pytest.raises(headrace.HeadraceError):
        with headrace.stream("openai/m", "Hi", api_key="{SECRET}") as s:
            s.get_final_text()
    assert False

def test_silent(headrace_sim):
    assert False

def test_good(headrace_sim):
    assert ask()

def test_without():
    assert False

@pytest.fixture
def broken(headrace_sim):
    yield ask()
    raise RuntimeError

def test_teardown(broken):
    pass
""",
        failed=3,
        passed=2,
        errors=1,
    )
    assert said.count("headrace_sim journal") == 3
    assert "1: POST /v1/chat/completions openai-chat m" in said
    assert "faults reset@token:1, reset by the server" in said
    assert "nothing was asked" in said
    assert SECRET not in said.replace(f'api_key="{SECRET}"', "")


WRONG = [
    ("sripct='x.yaml'", "the marker knows no sripct. It knows:"),
    ("sripct='x.yaml'", "script: a file of scenarios"),
    ("script='x.yaml', cassette='there'", "script and cassette cannot go together"),
    ("Scenario(), script='x.yaml'", "script and scenarios cannot go together"),
    ("cassette='there', seed=1, faults=[]", "seed, faults cannot be given: a cassette is played as it was recorded"),
    ("record=False", "record cannot be given: there is no cassette"),
    ("'Hello'", "scenarios are Scenario objects or functions"),
    ("clock='sundial'", "not 'sundial'"),
    ("faults=['explode']", "explode"),
    ("dialect='klingon'", "klingon"),
    ("script='not_there.yaml'", "not_there.yaml"),
    ("cassette='not_there'", "(pytest --headrace-record records them)"),
    ("cassette='there', match='some'", "match is strict or best"),
]


def test_what_a_marker_cannot_say(run: Run) -> None:
    tests = [f"@pytest.mark.headrace_sim({marker})\ndef test_{n}(): pass\n" for n, (marker, _) in enumerate(WRONG)]
    said = run("\n".join(tests), errors=len(WRONG))
    told = " ".join(said.split())
    assert [word for _, word in WRONG if word not in told] == []
    assert said.count("\nheadrace_sim: ") == len(WRONG)
    assert "Traceback" not in said


def test_a_scenario_that_took_the_marker_for_itself(run: Run) -> None:
    said = run(
        """
def answer(asked):
    return "hello"

@pytest.mark.headrace_sim(answer)
def test_it(headrace_sim):
    assert False

def test_other():
    pass
""",
        errors=1,
    )
    assert "headrace_sim(answer): pytest marks a lone function, and not the test below it" in said
    assert "write headrace_sim(script=answer)" in said


def test_a_scenario_that_fails_is_not_passed_over(run: Run) -> None:
    said = run(
        """
def answer(asked):
    pytest.fail("it must not be asked")

@pytest.mark.headrace_sim(script=answer)
def test_it(headrace_sim):
    with pytest.raises(headrace.HeadraceError):
        ask()
""",
        passed=1,
        errors=1,
    )
    assert "it must not be asked" in said


def test_the_marker_is_explained(run: Run) -> None:
    said = run("", "--markers")
    assert "@pytest.mark.headrace_sim(*scenarios, **options): run it against a simulated provider" in said
    assert "--headrace-record" in run("", "--help")


RECORDED = """
@pytest.mark.headrace_sim(cassette="tapes", record={upstream!r})
def test_it(headrace_sim):
    assert os.environ["OPENAI_BASE_URL"] == headrace_sim.openai_url
    assert os.environ["ANTHROPIC_BASE_URL"] == headrace_sim.anthropic_url
    assert headrace_sim.url
    assert ask() == {answer!r}
"""


def tapes(run: Run) -> list[str]:
    return sorted(file.name.partition("-")[0] for file in (run.pytester.path / "tapes").glob("*.jsonl"))


def test_recording_and_replaying(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with Simulator(Scenario(answer="first")) as provider:
        test = RECORDED.format(upstream=provider.url, answer="first")
        run(test, "--headrace-record", passed=1)
        assert tapes(run) == ["0001"]
        assert provider.journal.last.how == "complete"
        provider.script(Scenario(answer="second"))
        run(test, "--headrace-record", failed=1)  # what is there stays
        assert tapes(run) == ["0001"]
        replaced = RECORDED.format(upstream=provider.url, answer="second")
        run(replaced + replaced.replace("test_it", "test_too"), "--headrace-record", passed=2)
        assert tapes(run) == ["0001", "0002"]
        asked = len(provider.journal.exchanges)
        never = replaced.replace(repr(provider.url), "False")
        run(never, "--headrace-record", passed=1)
        assert len(provider.journal.exchanges) == asked
    run(replaced, passed=1)  # the provider is gone
    assert SECRET not in "".join(file.read_text() for file in (run.pytester.path / "tapes").iterdir())


def test_recording_from_where_the_environment_says(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(Scenario(answer="first")) as provider:
        for name, value in provider.env().items():
            monkeypatch.setenv(name, value)
        test = """
@pytest.mark.headrace_sim(cassette="tapes", pace="original", match="strict")
def test_it(headrace_sim):
    assert ask() == "first"
    assert headrace_sim.journal.last.ended_by == "server"

@pytest.mark.headrace_sim(cassette="more/tapes", env=False)
def test_nothing_is_recorded(headrace_sim):
    with pytest.raises(AttributeError):
        headrace_sim._private
"""
        said = run(test, "--headrace-record", "-rs", skipped=1, passed=1)
        assert "recorded; headrace_sim.journal is there when it is replayed" in said
        assert tapes(run) == ["0001"]
        assert not (run.pytester.path / "more").exists()
    run(test, "-k", "test_it", passed=1)


def test_it_is_light() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import _headrace_pytest\n"
        "print(sorted(set(sys.modules) - before))"
    )
    path = [p for p in sys.path if p.endswith(("site-packages", "src"))]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += {path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    known = {"_headrace_pytest"}
    assert set(eval(done.stdout)) <= known, done.stderr
    assert Path(sys.executable).exists()
