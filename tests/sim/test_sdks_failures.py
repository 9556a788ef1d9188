"""What goes wrong, before the official SDKs: the error that each raises, what came before it, and ours beside it."""

from typing import Any, NamedTuple

import anthropic
import openai
import pytest

from headrace import (
    AuthenticationError,
    HeadraceError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamTimeoutError,
    TransportError,
    TruncatedError,
    UnexpectedResponseError,
    WireError,
)
from headrace.sim import Match, Scenario, Simulator
from headrace.sim.scenarios.builtin import BUILTINS
from tests.faces import FACES, KEY, Face, Reading, read
from tests.sdks import ASK, HOWS, READ, How, ours, url_of
from tests.sim.sdk_requests import seeded

pytestmark = pytest.mark.usefixtures("bare")

TEXT = "One two three four five six seven eight nine ten."
HURRY_S = 0.4  # for what never comes


def read_ours(face: Face, sim: Simulator, name: str, **more: Any) -> Reading:
    return read(face, f"{name}/m-1", "Hi", base_url=url_of(sim, name), api_key=KEY, **more)


def simulator(*faults: str) -> Simulator:
    return Simulator(Scenario(answer=TEXT, faults=faults), seed=7)


# -- refusals


class Refused(NamedTuple):
    """What is raised: by us, by OpenAI's SDK, by Anthropic's."""

    ours: type[HeadraceError]
    openai: type[Exception]
    anthropic: type[Exception]


REFUSALS: dict[str, Refused] = {
    "status:400": Refused(InvalidRequestError, openai.BadRequestError, anthropic.BadRequestError),
    "status:401": Refused(AuthenticationError, openai.AuthenticationError, anthropic.AuthenticationError),
    "status:403": Refused(PermissionDeniedError, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    "status:404": Refused(NotFoundError, openai.NotFoundError, anthropic.NotFoundError),
    "status:408": Refused(InvalidRequestError, openai.APIStatusError, anthropic.APIStatusError),
    "status:409": Refused(InvalidRequestError, openai.ConflictError, anthropic.ConflictError),
    "status:413": Refused(InvalidRequestError, openai.APIStatusError, anthropic.APIStatusError),
    "status:422": Refused(InvalidRequestError, openai.UnprocessableEntityError, anthropic.UnprocessableEntityError),
    "status:429": Refused(RateLimitError, openai.RateLimitError, anthropic.RateLimitError),
    "status:429:7": Refused(RateLimitError, openai.RateLimitError, anthropic.RateLimitError),
    "status:429:date": Refused(RateLimitError, openai.RateLimitError, anthropic.RateLimitError),
    "status:500": Refused(ServerError, openai.InternalServerError, anthropic.InternalServerError),
    "status:503:1.5": Refused(OverloadedError, openai.InternalServerError, anthropic.InternalServerError),
    "status:529": Refused(OverloadedError, openai.InternalServerError, anthropic.InternalServerError),
    "html": Refused(ServerError, openai.InternalServerError, anthropic.InternalServerError),
    "prompt-too-long": Refused(InvalidRequestError, openai.BadRequestError, anthropic.BadRequestError),
}
WAITS_S = {"status:429:7": 7.0, "status:429:date": 3.0, "status:503:1.5": 1.5}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("fault", REFUSALS)
def test_a_refusal(face: Face, how: How, name: str, fault: str) -> None:
    expected = REFUSALS[fault]
    with simulator(fault) as sim:
        mine = read_ours(face, sim, name).error
    with simulator(fault) as sim:  # anew: the requests' ids are counted
        with pytest.raises(openai.APIStatusError if name == "openai" else anthropic.APIStatusError) as caught:
            ASK[name](face, url_of(sim, name), how=how, model="m-1")
        assert len(sim.journal.exchanges) == 1
    theirs: Any = caught.value
    assert type(mine) is expected.ours
    assert isinstance(theirs, expected.openai if name == "openai" else expected.anthropic)
    assert theirs.status_code == mine.status
    assert theirs.request_id == mine.request_id
    assert theirs.request_id.startswith("req_")
    if fault != "html":
        error = theirs.body["error"] if name == "anthropic" else theirs.body
        assert mine.code == error.get("code") or error["type"]
        assert error["message"] in str(mine)
    # how long to wait
    assert mine.retry_after_s == WAITS_S.get(fault)
    said = theirs.response.headers.get("retry-after")
    if fault == "status:429:date":
        assert said.endswith(" GMT")
    else:
        assert said == (f"{mine.retry_after_s:g}" if fault in WAITS_S else None)


# -- what the SDKs ask again

AGAIN = [
    "status:408:0.01",
    "status:409:0.01",
    "status:429:0.01",
    "status:500:0.01",
    "status:529:0.01",
    "drop",
    "hangup",
]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("fault", AGAIN)
def test_what_is_asked_again(face: Face, name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (openai._base_client, anthropic._base_client):
        monkeypatch.setattr(module, "INITIAL_RETRY_DELAY", 0.01)  # where nobody says how long
    first = Scenario(name="bad", match=Match(call=1), faults=(fault,))
    with Simulator(first, Scenario(name="good", answer=TEXT)) as sim:
        assert ASK[name](face, url_of(sim, name), retries=1).text == TEXT
        bad, good = sim.journal.exchanges
    assert (bad.label, good.label) == ("bad", "good")
    assert (bad.headers["x-stainless-retry-count"], good.headers["x-stainless-retry-count"]) == ("0", "1")
    assert bad.body == good.body


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize(
    "fault", ["status:400:0.01", "status:401", "status:404", "status:413", "reset", "eof", "error"]
)
def test_what_is_not_asked_again(face: Face, name: str, fault: str) -> None:
    with simulator(fault) as sim:
        answer, error = READ[name](face, url_of(sim, name), retries=3)
        assert answer.text != TEXT
        assert (error is None) is (fault == "eof")
        assert len(sim.journal.exchanges) == 1


# -- breaks


class Broken(NamedTuple):
    """What becomes of a stream that breaks.

    Attributes:
        ours: what we raise.
        theirs: the class of the SDK's error, by its name; "": it ends as if all were well.
        why: a word on that, where it is not what one would wish.
    """

    ours: type[HeadraceError]
    openai: str
    anthropic: str
    why: str = ""


SILENT = "the SDKs take a body that ends properly for the whole answer: there is no stop reason, and no error"
BARE = "Anthropic's SDK lets errors of its HTTP library and of its decoder through, once there is a stream"

BREAKS: dict[str, Broken] = {
    "eof": Broken(TruncatedError, "", "", SILENT),
    "truncate-frame": Broken(TruncatedError, "", "", SILENT),
    "empty": Broken(TruncatedError, "", "", SILENT),
    "html:200": Broken(UnexpectedResponseError, "", "", SILENT),
    "close": Broken(TruncatedError, "APIConnectionError", "RemoteProtocolError", BARE),
    "reset": Broken(TruncatedError, "APIConnectionError", "ReadError", BARE),
    "reset@token:5": Broken(TruncatedError, "APIConnectionError", "ReadError", BARE),
    "stall": Broken(StreamTimeoutError, "APITimeoutError", "ReadTimeout", BARE),
    "malformed": Broken(WireError, "JSONDecodeError", "JSONDecodeError", BARE),
    "drop": Broken(TransportError, "APIConnectionError", "APIConnectionError"),
    "hangup": Broken(TransportError, "APIConnectionError", "APIConnectionError"),
    "refuse": Broken(TransportError, "APIConnectionError", "APIConnectionError"),
    "hang": Broken(StreamTimeoutError, "APITimeoutError", "APITimeoutError"),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("fault", BREAKS)
def test_a_break(face: Face, name: str, fault: str) -> None:
    expected, waits = BREAKS[fault], fault in ("stall", "hang")
    with simulator(fault) as sim:
        reading = read_ours(face, sim, name, **({"timeouts": (HURRY_S, HURRY_S, 30)} if waits else {}))
    with simulator(fault) as sim:
        answer, error = READ[name](face, url_of(sim, name), **({"timeout": HURRY_S} if waits else {}))
        sim.journal.wait_closed()
    assert isinstance(reading.error, expected.ours)
    wanted = expected.openai if name == "openai" else expected.anthropic
    assert wanted == ("" if error is None else type(error).__name__)
    assert answer.stop is None
    if reading.events and not waits:
        assert reading.message.text == answer.text
    assert TEXT.startswith(answer.text)
    assert answer.text != TEXT


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
def test_nobody_listens(face: Face, name: str) -> None:
    with simulator() as sim, sim.refuse():
        mine = read_ours(face, sim, name).error
        _, theirs = READ[name](face, url_of(sim, name))
    assert isinstance(mine, TransportError)
    assert isinstance(theirs, openai.APIConnectionError | anthropic.APIConnectionError)


# -- errors inside the stream

OPENAI_IN_BAND = ["overloaded", "rate_limit", "server", "invalid", "openrouter", "groq"]
ANTHROPIC_IN_BAND = ["overloaded", "rate_limit", "server", "invalid", "timeout"]
IN_BAND = [("openai", each) for each in OPENAI_IN_BAND] + [("anthropic", each) for each in ANTHROPIC_IN_BAND]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(("name", "shape"), IN_BAND)
def test_an_error_inside_the_stream(face: Face, name: str, shape: str) -> None:
    mine, answer, theirs = in_band(face, name, shape)
    assert answer.text == mine.partial.text
    if name == "openai":
        assert type(theirs) is openai.APIError
        assert theirs.message in str(mine)
        assert str(theirs.code or theirs.type) == mine.code
    else:
        assert isinstance(theirs, anthropic.APIStatusError)
        assert theirs.body["error"]["message"] in str(mine)
        assert theirs.type == mine.code
        assert theirs.request_id == theirs.body["request_id"] == mine.request_id


@pytest.mark.parametrize("face", FACES)
def test_an_error_inside_the_stream_that_is_a_text(face: Face) -> None:
    mine, answer, theirs = in_band(face, "openai", "string")
    assert "worker went away" in str(mine)
    assert theirs.message == "An error occurred during streaming"  # it reads no text there
    assert answer.text == mine.partial.text
    mine, answer, theirs = in_band(face, "anthropic", "string")
    assert "worker went away" in str(mine)
    assert "worker went away" in str(theirs)
    assert answer.text == mine.partial.text


@pytest.mark.parametrize("face", FACES)
def test_an_error_inside_the_stream_that_does_not_say_so(face: Face) -> None:
    mine, answer, theirs = in_band(face, "openai", "vllm")
    assert isinstance(mine, ServerError)
    assert theirs is None  # the SDK gives it as a chunk, since it has no key "error"
    assert (answer.text, answer.stop) == (mine.partial.text, None)


def in_band(face: Face, name: str, shape: str) -> tuple[Any, Any, Any]:
    with simulator(f"error:{shape}") as sim:
        mine = read_ours(face, sim, name).error
    with simulator(f"error:{shape}") as sim:
        answer, theirs = READ[name](face, url_of(sim, name), model="m-1")
        sim.journal.wait_closed()
        assert sim.journal.last.how == "complete"
    assert isinstance(mine, HeadraceError)
    assert mine.partial is not None
    assert mine.partial.text
    return mine, answer, theirs


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
@pytest.mark.parametrize("model", ["error", "flaky"])
def test_built_in_scenarios_that_fail(face: Face, name: str, model: str) -> None:
    for label, asked in seeded(name, model).items():
        if label in ("flaky/good", "flaky/stall"):
            continue
        with Simulator(seed=7) as sim:
            reading = read(face, f"{name}/{asked}", "Hi", base_url=url_of(sim, name), api_key=KEY)
        with Simulator(seed=7) as sim:
            answer, error = READ[name](face, url_of(sim, name), model=asked)
            assert sim.journal.last.label == label
        if reading.events:
            assert ours(reading.message).text == answer.text
        assert reading.error is not None
        assert (error is None) is (label == "flaky/eof")


def test_all_that_may_fail_does() -> None:
    for name in ASK:
        known = {f"flaky/{each.name}" for each in BUILTINS["flaky"].scenario.mix}
        assert seeded(name, "flaky").keys() == known


# -- leaving


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
def test_who_leaves_is_seen_to_leave(face: Face, name: str) -> None:
    with simulator("hold:here@token:5") as sim:
        answer, error = READ[name](face, url_of(sim, name), leave=5)
        theirs = sim.journal.wait()
        mine = read_ours(face, sim, name, limit={"chars": len(answer.text)})
        ourselves = sim.journal.wait(lambda e: e.id == 2 and e.ended_by is not None)
        sim.journal.wait_closed()
    assert error is None
    assert mine.message.text == answer.text == "One two three four five"
    for exchange in (theirs, ourselves):
        assert (exchange.ended_by, exchange.how, exchange.left_at_token) == ("client", "left", 5)
        assert exchange.tokens_after_leaving == 0


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", ASK)
def test_who_leaves_a_long_answer(face: Face, name: str) -> None:
    with Simulator(speed=1) as sim:  # it would take a minute
        _, error = READ[name](face, url_of(sim, name), leave=5, model="sim/long;words=6000;first=0;rate=100")
        exchange = sim.journal.wait()
    assert error is None
    assert exchange.ended_by == "client"
    assert exchange.left_at_token is not None
    assert exchange.tokens_planned is not None
    assert 5 <= exchange.left_at_token < exchange.tokens_planned
    assert exchange.tokens_after_leaving == 0
