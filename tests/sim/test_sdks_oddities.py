"""The official SDKs before bytes as servers really write them; where one cannot cope, the table says which, and why."""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import openai
import pytest

from headrace.sim import Answer, Scenario, Simulator, ToolUse
from headrace.sim.faults.dialects import DIALECTS
from headrace.sim.faults.kinds import ANTHROPIC_USAGE, OPENAI_USAGE
from headrace.wire.providers import PROVIDERS
from tests import sdks
from tests.faces import FACES, KEY, Face, Reading, read
from tests.sdks import ASK, How, ours, parsed, url_of

pytestmark = pytest.mark.usefixtures("bare")

WAYS: tuple[How, ...] = ("raw", "helper")

ANSWER = Answer(
    thinking="Let me think. \U0001f914",
    text='Grüße \U0001f600, 日本語 and "quotes".\nTwo calls.',
    tools=(ToolUse(name="weather", arguments={"city": "Zürich"}), ToolUse(name="time")),
)


@dataclass(frozen=True)
class Apart:
    """Where an SDK makes something else of an answer than we.

    Attributes:
        what: the fields that differ, or the error that is raised.
        why: the reason, for who reads the table.
        ways: in which of its ways.
    """

    what: set[str] | type[Exception]
    why: str
    ways: tuple[How, ...] = WAYS


@cache
def plain(name: str) -> sdks.Answer:
    """Give the answer as it is without any oddity."""
    with Simulator(Scenario(answer=ANSWER), seed=7) as sim:
        return ours(read("sync", f"{name}/m-1", "Hi", base_url=url_of(sim, name), api_key=KEY).message)


def said(answer: sdks.Answer) -> tuple[Any, ...]:
    return answer.text, answer.thinking, answer.refusal, parsed(answer).calls


def compare(face: Face, how: How, name: str, apart: list[Apart], row: str = "", **odd: Any) -> Reading:
    """Read an odd answer: ours must be right, the SDK's the same but for what is known of it."""
    [known] = [each for each in apart if how in each.ways] or [Apart(set(), "it agrees")]
    with Simulator(Scenario(answer=ANSWER, **odd), seed=7) as sim:
        reading = read(face, f"{row or name}/m-1", "Hi", base_url=url_of(sim, name), api_key=KEY)
        assert reading.error is None
        assert said(ours(reading.message)) == said(plain(name))
        asked = {} if not row or PROVIDERS[row].include_usage else {"stream_options": openai.omit}
        if isinstance(known.what, type):
            with pytest.raises(known.what):
                ASK[name](face, url_of(sim, name), how=how, model="m-1", **asked)
            return reading
        theirs = ASK[name](face, url_of(sim, name), how=how, model="m-1", **asked)
    mine = ours(reading.message)
    mine = parsed(mine) if name == "anthropic" and how == "helper" else mine
    differs = {field for field, value in asdict(theirs).items() if value != asdict(mine)[field]}
    assert differs == known.what, (theirs, mine)
    return reading


# -- bytes and frames

ODDITIES: list[str] = [
    "drip",
    "cut:1",
    "cut:random",
    "cut:utf8",
    "crlf cut:crlf",
    "escapes cut:escape",
    "surrogates cut:escape",
    "crlf",
    "cr",
    "cr drip",
    "multiline",
    "multiline crlf drip",
    "no-space",
    "comments",
    "bom",
    "bom drip",
    "slow-headers:0.01",
    "content-type:text/plain",
    "no-done",
    "double-finish",
    "finish:because",
    "unknown",
    "duplicate:start",
    "huge",
    "malformed:nan",
]

HALVES = Apart({"text", "thinking"}, "halves of surrogate pairs are put together as they come: nothing can write them")
FIRST_LOST = "its decoder takes the mark for a part of the first line, so that the first event is lost"
NO_START = [
    Apart({"id", "model"}, f"{FIRST_LOST}, and with it the message's start", ("raw",)),
    Apart(AssertionError, f"{FIRST_LOST}, and no message is made without its start", ("helper",)),
]

APART: dict[tuple[str, str], list[Apart]] = {
    ("openai", "surrogates cut:escape"): [HALVES],
    ("anthropic", "surrogates cut:escape"): [HALVES],
    ("openai", "bom"): [Apart(set(), f"{FIRST_LOST}, which says nothing but the role")],
    ("openai", "bom drip"): [Apart(set(), f"{FIRST_LOST}, which says nothing but the role")],
    ("anthropic", "bom"): NO_START,
    ("anthropic", "bom drip"): NO_START,
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("odd", ODDITIES)
def test_an_oddity(face: Face, how: How, name: str, odd: str) -> None:
    compare(face, how, name, APART.get((name, odd), []), faults=tuple(odd.split()))


PLACES = [("openai", place) for place in OPENAI_USAGE] + [("anthropic", place) for place in ANTHROPIC_USAGE]
LAST_COUNTS = Apart(
    {"usage"}, "what the last chunk says of usage counts, also if it says null, or nothing", ("helper",)
)
MUST_HAVE = Apart(AttributeError, "the message's start and its end must both tell of usage", ("helper",))

PLACES_APART: dict[tuple[str, str], list[Apart]] = {
    ("openai", "first"): [LAST_COUNTS],
    ("openai", "null-after"): [LAST_COUNTS],
    ("anthropic", "none"): [MUST_HAVE],
    ("anthropic", "start"): [MUST_HAVE],
    ("anthropic", "delta"): [MUST_HAVE],
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(("name", "place"), PLACES)
def test_usage_in_each_of_its_places(face: Face, how: How, name: str, place: str) -> None:
    compare(face, how, name, PLACES_APART.get((name, place), []), faults=(f"usage:{place}",))


# -- dialects

INDEX = "calls are told apart by their index alone"

DIALECTS_APART: dict[str, list[Apart]] = {
    "perplexity": [Apart({"stop"}, "a chunk that calls itself otherwise is left out: the finish, here", ("helper",))],
    "mistral": [
        Apart({"calls"}, f"{INDEX}, and here they have none", ("raw",)),
        Apart(TypeError, f"{INDEX}, and here they have none", ("helper",)),
    ],
    "ollama": [Apart({"calls"}, f"{INDEX}, and here they all have the same")],
    "snowflake": [Apart({"id"}, "an id that is empty is none to us")],
    "cloudflare": [HALVES],
    "repeated-names": [Apart({"calls"}, "ids and names are texts that grow, and here they come again and again")],
    "nameless-proxy": [
        Apart(
            {"text", "thinking", "signature", "calls", "stop", "usage", "id", "model"},
            "events without a name are left out: there is nothing at all",
            ("raw",),
        ),
        Apart(AssertionError, "events without a name are left out, and no message is made of nothing", ("helper",)),
    ],
    "whole-input": [Apart({"calls"}, "the start of a block has the arguments, which come in no delta", ("raw",))],
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect(face: Face, how: How, dialect: str) -> None:
    name = "anthropic" if DIALECTS[dialect].wire == "anthropic" else "openai"
    row = dialect if dialect in PROVIDERS else ""
    compare(face, how, name, DIALECTS_APART.get(dialect, []), row, dialect=dialect)


@pytest.mark.parametrize("table", [APART, PLACES_APART, DIALECTS_APART])
def test_nothing_is_in_the_tables_that_is_not_tried(table: dict[Any, Any]) -> None:
    tried = {*[(name, odd) for name in ASK for odd in ODDITIES], *PLACES, *DIALECTS}
    assert table.keys() <= tried
