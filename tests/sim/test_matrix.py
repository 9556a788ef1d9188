"""Every fault, on every wire, to every face: what a user gets, and that no socket stays open.

The table that the documentation shows is made here, from what was seen; with ``HEADRACE_WRITE_DOCS=1`` it is written.
"""

import asyncio
import functools
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from headrace import AsyncClient, ErrorInfo, Usage
from headrace.gateway import create_app
from headrace.sim import Scenario, Simulator
from headrace.sim.faults.kinds import KINDS
from tests.faces import KEY, read
from tests.gateway.serving import Viewer, config_for, serving
from tests.servers import open_sockets

pytestmark = pytest.mark.usefixtures("bare")

Wire = Literal["openai-chat", "anthropic"]
Eye = Literal["sync", "async", "gateway"]
WIRES: tuple[Wire, ...] = ("openai-chat", "anthropic")
EYES: tuple[Eye, ...] = ("sync", "async", "gateway")

TEXT = 'Grüße aus Zürich: 日本語, \U0001f600 and "quotes" with a\ttab – and so on to the end.'
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- written by tests/sim/test_matrix.py -->\n", "<!-- the end of what is written -->\n"

Timeouts = tuple[float | None, float | None, float | None]
PATIENT: Timeouts = (20, 20, 20)
HURRIED: Timeouts = (0.3, 0.3, 20)  # what never comes is not waited for


@dataclass(frozen=True)
class Cell:
    """What somebody got.

    Attributes:
        outcome: None: the request was refused before there was a stream.
        text: how much of the text came: "all", "part", "none", or "more".
        error: the error's type.
    """

    outcome: str | None
    text: str
    error: str | None = None


GOOD = Cell("complete", "all")
CUT = Cell("truncated", "part", "truncated")


def amount(text: str) -> str:
    if text == TEXT:
        return "all"
    if not text:
        return "none"
    return "part" if TEXT.startswith(text) else "more"


@functools.cache
def cell(fault: str, wire: Wire, eye: Eye) -> Cell:
    """Play a fault to somebody."""
    timeouts = HURRIED if kind_of(fault) in ("hang", "stall", "keepalives") else PATIENT
    with Simulator(Scenario(answer=TEXT, faults=(fault,) if fault else ()), seed=7) as sim:
        if eye == "gateway":
            seen = _through_the_gateway(sim, wire, timeouts)
        else:
            seen = _by_the_library(sim, wire, eye, timeouts)
        sim.journal.wait_closed()
        assert open_sockets(sim.port) == 0
    return seen


def _by_the_library(sim: Simulator, wire: Wire, eye: Literal["sync", "async"], timeouts: Timeouts) -> Cell:
    name, url = ("openai", sim.openai_url) if wire == "openai-chat" else ("anthropic", sim.anthropic_url)
    reading = read(eye, f"{name}/m-1", "Hi", base_url=url, api_key=KEY, timeouts=timeouts)
    error = reading.error.info.type if reading.error else None
    if not reading.events:
        return Cell(None, "none", error)
    assert reading.error is None or type(reading.error) is type(ErrorInfo(type=error, message="").to_exception())
    return Cell(reading.message.outcome, amount(reading.message.text), error)


def _through_the_gateway(sim: Simulator, wire: Wire, timeouts: Timeouts) -> Cell:
    url = sim.openai_url if wire == "openai-chat" else sim.anthropic_url
    client = AsyncClient(config=config_for(url, wire=wire), timeouts=timeouts)
    app = create_app(client=client)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None, None]:
        async with client:  # its connections belong to the server's loop
            yield

    app.router.lifespan_context = lifespan
    with serving(app) as port:
        return asyncio.run(_look(port))


async def _look(port: int) -> Cell:
    async with await Viewer.ask(port) as viewer:
        frames = await viewer.all()
    done = frames[-1] == "[DONE]"
    last = frames[-2] if done else frames[-1]
    text = "".join(frame.get("content", "") for frame in frames if frame != "[DONE]")
    assert ("error" in last) is not done
    return Cell(last.get("outcome"), amount(text), None if done else last["error"]["type"])


# -- what is expected


def refused(error: str) -> Cell:
    return Cell(None, "none", error)


def failed(error: str) -> Cell:
    return Cell("failed", "part", error)


MORE = Cell("complete", "more")
UNSAID = Cell("truncated", "all", "truncated")  # all of it came, but nobody said that it was all

EXPECTED: dict[str, Cell | dict[Wire, Cell]] = {
    "": GOOD,
    # before and in the head
    "refuse:0.05": refused("broken_stream"),
    "drop": refused("broken_stream"),
    "hangup": refused("broken_stream"),
    "hang": refused("timeout"),
    "status:400": refused("invalid_request"),
    "status:401": refused("authentication"),
    "status:403": refused("permission_denied"),
    "status:404": refused("not_found"),
    "status:408": refused("invalid_request"),
    "status:409": refused("invalid_request"),
    "status:413": refused("invalid_request"),
    "status:429:2": refused("rate_limit"),
    "status:500": refused("server"),
    "status:502": refused("server"),
    "status:503:date": refused("overloaded"),
    "status:504": refused("server"),
    "status:529": refused("overloaded"),
    "html": refused("server"),
    "html:200": Cell("failed", "none", "unexpected_response"),
    "empty": Cell("truncated", "none", "truncated"),
    "prompt-too-long": refused("invalid_request"),
    "content-type:text/plain": GOOD,
    "slow-headers:0.05": GOOD,
    # frames
    "usage:none": GOOD,
    "usage:separate": GOOD,
    "usage:finish": GOOD,
    "usage:after-finish": GOOD,
    "usage:both": GOOD,
    "usage:every": GOOD,
    "usage:first": GOOD,
    "usage:null-after": GOOD,
    "usage:x_groq": GOOD,
    "usage:start": GOOD,
    "usage:delta": GOOD,
    "finish:because": GOOD,
    "no-finish": UNSAID,
    "done-only": UNSAID,
    "double-finish": GOOD,
    "no-done": GOOD,
    "unknown": GOOD,
    "huge": GOOD,
    "huge:17000000": failed("frame_too_large"),
    "splice": {"openai-chat": MORE, "anthropic": GOOD},
    "duplicate": MORE,
    "duplicate:start": GOOD,
    "surrogates": GOOD,
    "error": {"openai-chat": failed("server"), "anthropic": failed("overloaded")},
    "error:overloaded": failed("overloaded"),
    "error:rate_limit": failed("rate_limit"),
    "error:server": failed("server"),
    "error:invalid": failed("invalid_request"),
    "error:string": failed("provider"),
    "error:timeout": failed("server"),
    "error:openrouter": {"openai-chat": failed("server"), "anthropic": failed("overloaded")},
    "error:groq": {"openai-chat": failed("invalid_request"), "anthropic": failed("overloaded")},
    "error:vllm": {"openai-chat": failed("server"), "anthropic": failed("overloaded")},
    "malformed": failed("wire"),
    "malformed:garbage": failed("wire"),
    "malformed:unquoted": failed("wire"),
    "malformed:nan": GOOD,
    "bad-utf8": MORE,  # U+FFFD in a character's place
    # how they are written
    "escapes": GOOD,
    "multiline": GOOD,
    "no-space": GOOD,
    "comments": GOOD,
    "crlf": GOOD,
    "cr": GOOD,
    "bom": GOOD,
    "drip": GOOD,
    "cut:utf8": GOOD,
    "cut:crlf": GOOD,
    "cut:escape": GOOD,
    "cut:random": GOOD,
    "cut:7": GOOD,
    # endings
    "eof": CUT,
    "eof@event:0": Cell("truncated", "none", "truncated"),
    "truncate-frame": CUT,
    "close": CUT,
    "close@byte:0": Cell("truncated", "none", "truncated"),
    "reset": CUT,
    "reset@token:5": CUT,
    "stall": Cell("timeout", "part", "timeout"),
    "keepalives:0.05": Cell("timeout", "part", "timeout"),
}


def expected(fault: str, wire: Wire, eye: Eye) -> Cell:
    found = EXPECTED[fault]
    cell = found[wire] if isinstance(found, dict) else found
    if eye != "gateway":
        return cell
    if (fault, wire) == ("splice", "anthropic"):  # text that was given out cannot be taken back there
        return Cell(None, "part", "retracted")
    return cell if cell.error is None else Cell(None, cell.text, cell.error)  # a frame with an error, and no more


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault(fault: str, wire: Wire, eye: Eye) -> None:
    assert cell(fault, wire, eye) == expected(fault, wire, eye)


def test_every_kind_is_in_it() -> None:
    missing = set(KINDS) - {kind_of(fault) for fault in EXPECTED}
    assert missing == {"hold"}, "which is no fault by itself"


def kind_of(fault: str) -> str:
    return fault.partition(":")[0].partition("@")[0]


# -- usage, wherever it stands


@pytest.mark.parametrize("eye", ["sync", "async"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", [f for f in EXPECTED if f.startswith("usage:")])
def test_usage_is_found_wherever_it_stands(fault: str, wire: Wire, eye: Literal["sync", "async"]) -> None:
    name, path = ("openai", "/v1") if wire == "openai-chat" else ("anthropic", "")

    def asked(fault: str) -> Usage:
        with Simulator(Scenario(answer=TEXT, faults=(fault,)), seed=7) as sim:
            found = read(eye, f"{name}/m-1", "Hi", base_url=sim.url + path, api_key=KEY)
        usage: Usage = found.message.usage
        return usage

    usual, usage = asked("usage:both" if wire == "openai-chat" else "usage:delta"), asked(fault)
    told = (usual.input_tokens, usual.output_tokens)
    assert None not in told
    if fault == "usage:none" or (fault, wire) == ("usage:x_groq", "openai-chat"):  # read for the provider groq only
        assert usage.output_tokens is None
    elif (fault, wire) == ("usage:start", "anthropic"):  # a provisional figure, which nobody mended
        assert usage.input_tokens == usual.input_tokens
    else:
        assert (usage.input_tokens, usage.output_tokens) == told
    assert not usage.estimated


# -- the page


def table() -> str:
    """Write the table of the documentation from what was seen."""
    rows = ["| fault | | `openai-chat` | `anthropic` | `/chat/stream` |", "|:--|:--|:--|:--|:--|"]
    for fault in EXPECTED:
        by_wire = [_said(cell(fault, wire, "sync")) for wire in WIRES]
        gateway = list(dict.fromkeys(_said(cell(fault, wire, "gateway")) for wire in WIRES))
        what = KINDS[kind_of(fault)].help if fault else "a good answer"
        rows.append(f"| {f'`{fault}`' if fault else ''} | {what} | {' | '.join([*by_wire, ' / '.join(gateway)])} |")
    return "\n".join(rows) + "\n"


def _said(cell: Cell) -> str:
    said = [f"**{cell.outcome}**"] if cell.outcome else []
    if cell.error:
        said.append(f"`{cell.error}`")
    return ", ".join([*said, *([f"text: {cell.text}"] if cell.outcome or cell.text != "none" else [])])


def test_the_table_of_the_documentation() -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if os.environ.get("HEADRACE_WRITE_DOCS"):
        PAGE.write_text(made, encoding="utf-8")
    assert made == page, "HEADRACE_WRITE_DOCS=1 writes it anew"
