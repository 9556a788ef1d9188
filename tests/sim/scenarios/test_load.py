"""Scripts from files: what they may hold, what is said of what they may not, and that changes are seen."""

import json
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from headrace.errors import UsageError
from headrace.sim.faults.fault import Fault
from headrace.sim.scenarios.choose import Chooser
from headrace.sim.scenarios.failing import ScriptError
from headrace.sim.scenarios.load import Script, load_script
from headrace.sim.scenarios.scenario import Answer, Match, PaceOptions, Scenario, ToolUse
from tests.sim.scenarios.asking import asking

WHOLE = """
seed: 7
pace: {rate: 60}
faults: [drip]
dialect: ollama
scenarios:
  - name: weather
    match: {model: "gpt-*", text: weather, system: be brief, tool: get_weather, wire: openai-chat, stream: true,
            call: 1, header: {x-team: red}}
    answer:
      thinking: The user wants to know the weather.
      text: Let me look.
      tools:
        - name: get_weather
          arguments: {city: Paris}
          id: call_1
        - {name: other, arguments: "{not json"}
      usage: {input_tokens: 5}
      stop_reason: tool_calls
      native_stop_reason: function_call
    pace: {first_s: 0.2, first_sigma: 0, gap_sigma: 0, burst_share: 0.1, burst: [2, 4], pause_share: 0, pause: [1, 2.5],
           speed: max}
    faults: ["reset@token:5", {kind: huge, value: "9"}]
    dialect: groq
    seed: 9
  - answer: It rains.
  - answer: {builtin: prose}
    mix:
      - {weight: 3}
      - {faults: ["status:429:2"]}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write_script(text: str, name: str = "script.yaml") -> Path:
        return write(tmp_path / name, text)

    return write_script


def test_a_whole_script_is_read(file: Any) -> None:
    path = file(WHOLE)
    weather, rain, mixed, default = load_script(path).scenarios()
    assert weather == Scenario(
        name="weather",
        match=Match(
            model="gpt-*",
            text="weather",
            system="be brief",
            tool="get_weather",
            wire="openai-chat",
            stream=True,
            call=1,
            header={"x-team": "red"},
        ),
        answer=Answer(
            thinking="The user wants to know the weather.",
            text="Let me look.",
            tools=(
                ToolUse(name="get_weather", arguments={"city": "Paris"}, id="call_1"),
                ToolUse(name="other", arguments="{not json"),
            ),
            usage={"input_tokens": 5},
            stop_reason="tool_calls",
            native_stop_reason="function_call",
        ),
        pace=PaceOptions(
            first_s=0.2,
            first_sigma=0,
            rate=60,
            gap_sigma=0,
            burst_share=0.1,
            burst=(2, 4),
            pause_share=0,
            pause=(1, 2.5),
            speed="max",
        ),
        faults=("reset@token:5", Fault(kind="huge", value="9")),
        dialect="groq",
        seed=9,
    )
    assert rain == Scenario(answer="It rains.", pace=PaceOptions(rate=60), faults=("drip",), dialect="ollama", seed=7)
    assert isinstance(mixed, Scenario)
    assert [member.faults for member in mixed.mix] == [(), ("status:429:2",)]
    assert default == Scenario(pace=PaceOptions(rate=60), faults=("drip",), dialect="ollama", seed=7)


def test_defaults_hold_for_what_nobody_matches_too(file: Any) -> None:
    chooser = Chooser(load_script(file("faults: [drip]\nscenarios: [{match: {text: snow}, answer: white}]")))
    chosen = chooser.choose(asking(model="prose"))
    assert (chosen.name, chosen.answer, chosen.faults) == ("prose", Answer(builtin="prose"), ("drip",))
    snow = chooser.choose(asking("snow"))
    assert (snow.answer, snow.faults) == ("white", ("drip",))


def test_json_is_a_script_as_well(file: Any) -> None:
    value = {"scenarios": [{"match": {"text": "a\tb"}, "answer": {"json": {"a": [1, None]}}}]}
    for name in ("script.json", "script.yml"):
        (scenario,) = load_script(file(json.dumps(value, indent="\t" if name[-1] == "n" else 2), name)).scenarios()
        assert scenario == Scenario(match=Match(text="a\tb"), answer=Answer(json={"a": [1, None]}))


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "scenarios: []"])
def test_an_empty_script_has_no_scenarios(file: Any, text: str) -> None:
    assert load_script(file(text)).scenarios() == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- answer: x", "the document: Expected `object`, got `array`"),
        ("scenario: []", "the document: Object contains unknown field `scenario`"),
        ("scenarios: 5", "scenarios: Expected `array`, got `int`"),
        ("scenarios: [{answer: 5}]", r"scenarios\[0\].answer: Expected `str \| object \| null`, got `int`"),
        ("scenarios: [{}, {match: {modl: x}}]", r"scenarios\[1\].match: Object contains unknown field `modl`"),
        ("scenarios: [{match: {text: '('}}]", r"scenarios\[0\].match: '\(' is no regular expression: missing"),
        ("scenarios: [{match: {header: {x: yes}}}]", r"scenarios\[0\].match.header\[...\]: Expected `str`, got `bool`"),
        ("scenarios: [{match: {call: 0}}]", r"scenarios\[0\].match: 'call' counts from 1"),
        ("scenarios: [{faults: [rest]}]", r"scenarios\[0\]: there is no fault 'rest'; there are: .*reset"),
        ("scenarios: [{faults: reset}]", r"scenarios\[0\].faults: Expected `array`, got `str`"),
        ("scenarios: [{dialect: x}]", r"scenarios\[0\]: there is no dialect 'x'; there are"),
        ("scenarios: [{mix: [{weight: -1}]}]", r"scenarios\[0\].mix\[0\]: 'weight' must be above 0"),
        ("scenarios: [{pace: {rate: fast}}]", r"scenarios\[0\].pace.rate: Expected `float \| null`, got `str`"),
        ("scenarios: [{pace: {speed: fast}}]", r"scenarios\[0\].pace: 'speed' is a factor or max, not 'fast'"),
        ("scenarios: [{answer: {tools: [{}]}}]", r"tools\[0\]: Object missing required field `name`"),
        ("scenarios: [{answer: {text: a, json: b}}]", r"answer: an answer has one of"),
        ("scenarios: [{answer: {builtin: x}}]", r"answer: there is no built-in answer 'x'"),
        ("scenarios: [{answer: {stop_reason: tired}}]", r"answer.stop_reason: Invalid enum value 'tired'"),
        ("pace: {burst: [1]}", "pace.burst: Expected `array` of length 2"),
        ("faults: [eof, close]", "the document: the faults 'eof' and 'close' contradict each other"),
        ("dialect: klingon", "the document: there is no dialect 'klingon'"),
        ("seed: x", "seed: Expected `int | null`"),
        ("a: [", "is not YAML: .* in .*, line 2, column 1"),
        ("a: !!python/object:x 5", "is not YAML: could not determine a constructor"),
        ("\tx: 5", "is not YAML: .*cannot start any token"),
        ("? [a]\n: 5", "is not YAML|unknown field|the document"),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_what_is_wrong_is_said_by_its_place(file: Any, text: str, said: str) -> None:
    path = file(text)
    with pytest.raises(ScriptError, match=said) as caught:
        load_script(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_what_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "a.json").write_bytes(b"{")
    for name, said in (
        ("a.yaml", "is not YAML"),
        ("a.json", "is not JSON: Input data was truncated"),
        ("b.yaml", "cannot be read: No such file"),
        ("b.py", "cannot be read: No such file"),
        ("", "cannot be read: Is a directory"),
    ):
        with pytest.raises(ScriptError, match=said):
            load_script(tmp_path / name)


@settings(max_examples=150)
@given(st.text("{}[]:,-|>&*!?#'\"%@ \n\tabscenariosmatchfaultspace0.1", max_size=60) | st.binary(max_size=40))
def test_any_file_is_a_script_or_refused(tmp_path_factory: pytest.TempPathFactory, data: str | bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "script.yaml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    try:
        load_script(path)
    except ScriptError as error:
        said = str(error)
    else:
        return
    assert said.startswith(f"{path}: ")


# -- Python

PYTHON = """
from headrace.sim import Answer, Match, Scenario

scenarios = [
    Scenario(name="weather", match=Match(text="weather"), answer="It rains."),
    lambda asked: "snow" if "snow" in asked.text else None,
]

def answer(asked):
    return Answer(text=asked.text.upper(), stop_reason="length") if asked.text else None
"""


def test_a_script_in_python(file: Any) -> None:
    chooser = Chooser(load_script(file(PYTHON, "script.py")))
    assert chooser.choose(asking("the weather")).name == "weather"
    assert chooser.choose(asking("snow")).answer == "snow"
    assert chooser.choose(asking("other")) == Scenario(name="answer", answer=Answer(text="OTHER", stop_reason="length"))
    assert chooser.choose(asking("")).name == "demo"


def test_a_function_alone_and_a_list_alone(file: Any) -> None:
    (function,) = load_script(file("def answer(asked): return 'x'", "a.py")).scenarios()
    assert callable(function)
    assert load_script(file("scenarios = ()", "b.py")).scenarios() == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 5", "has neither 'scenarios = .*' nor 'def answer"),
        ("scenarios = 5", "'scenarios' must be a list, not a int"),
        ("scenarios = ['x']", "'scenarios' has a str; wanted are Scenario"),
        ("answer = 5", "'scenarios' has a int"),
        ("def f(:\n  pass", r"SyntaxError: invalid syntax \(script.py: line 1\)"),
        ("def f():\n  g()\ndef g():\n  1 / 0\nf()",
         r"ZeroDivisionError: division by zero \(script.py: line 5 in <module>, line 2 in f, line 4 in g\)"),
        ("import nothing_of_that_name", r"ModuleNotFoundError: No module named .* \(script.py: line 1 in <module>\)"),
        ("def f(n): return f(n - 1) if n else 1 / 0\nf(9)", r"\(script.py: line 1 in f, line 1 in f, line 1 in f\)"),
        ("from headrace.sim import Match\nMatch(call=0)", r"UsageError: 'call' counts from 1.*line 2 in <module>\)"),
        ("open('/nothing/of/that/name')", r"FileNotFoundError: .*\(script.py: line 1 in <module>\)"),
        ("raise KeyError", r"KeyError \(script.py: line 1"),
        ("raise ValueError('x' * 9999)", r"x{300,400} \(script.py"),
        ("x = '\0'", "null bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_python_is_said_by_its_line(file: Any, text: str, said: str) -> None:
    path = file(text, "script.py")
    with pytest.raises(ScriptError, match=said) as caught:
        load_script(path)
    assert str(caught.value).startswith(f"{path}: ")


# -- changes


def test_a_change_is_seen_and_nothing_is_read_without_one(file: Any) -> None:
    path = file("scenarios: [{answer: one}]")
    script = Script(path)
    first = script.scenarios()
    assert first is script.scenarios()
    write(path, "scenarios: [{answer: three}]")
    assert [rule.answer for rule in script.scenarios() if isinstance(rule, Scenario)] == ["three"]
    status = path.stat()
    write(path, "scenarios: [{answer: seven}]")  # as long as before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert [rule.answer for rule in script.scenarios() if isinstance(rule, Scenario)] == ["seven"]


def test_a_change_of_python_is_seen_within_the_same_second(file: Any) -> None:
    path = file("def answer(asked): return 'one'", "script.py")
    chooser = Chooser(load_script(path))
    assert chooser.choose(asking()).answer == "one"
    status = path.stat()
    write(path, "def answer(asked): return 'two'")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert chooser.choose(asking()).answer == "two"


def test_a_broken_change_keeps_what_was_and_is_told_once(file: Any) -> None:
    path = file("scenarios: [{answer: one}]")
    told: list[ScriptError] = []
    script = load_script(path, on_error=told.append)
    before = script.scenarios()
    write(path, "scenarios: [{answer: 55}]")
    assert script.scenarios() is script.scenarios() is before
    assert [str(error).partition(": ")[2] for error in told] == [
        "scenarios[0].answer: Expected `str | object | null`, got `int`"
    ]
    path.unlink()
    assert script.scenarios() is script.scenarios() is before
    assert len(told) == 2
    assert "cannot be read: No such file" in str(told[1])
    write(path, "scenarios: [{answer: four}]")
    assert script.scenarios() != before
    assert len(told) == 2


def test_a_broken_change_is_a_warning_if_nobody_is_told(file: Any) -> None:
    path = file("scenarios: [{answer: one}]")
    script = load_script(path)
    write(path, "scenarios: 5")
    with pytest.warns(UserWarning, match="got `int`; the script is used as it was before"):
        script.scenarios()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(script.scenarios()) == 1


def test_many_threads_see_one_change(file: Any) -> None:
    path = file("scenarios: [{answer: one}]")
    told: list[ScriptError] = []
    script = load_script(path, on_error=told.append)
    write(path, "scenarios: 55")
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(script.scenarios())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 8
    assert len(told) == 1
