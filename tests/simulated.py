"""What tests of all faces want of a simulated provider, and what they ask its journal."""

import itertools

from headrace.sim import Exchange, Scenario, Simulator
from headrace.sim.play import Piece
from tests.sim.serving.raw import Source, play
from tests.wire.streams import say, sse

BOUND_S = 30.0
"""How long anything may take before a test fails: a bound on a hang, never a measure."""

HANGING = Scenario(faults=("hang",))
"""No answer ever comes."""

SILENT = Scenario(faults=("stall@event:0",))
"""The head comes, and nothing more."""


def stalling(text: str) -> Scenario:
    """Say a text of one token, and nothing more."""
    return Scenario(answer=f"{text} and more.", faults=("stall@token:1",))


def talking(text: str, times: int = 1_000_000) -> Source:
    """Say a text again and again, as fast as it is read, a token a time."""
    return Source(play(*itertools.repeat(Piece(0.0, sse(say(text)), 1), times)))


def left(sim: Simulator) -> Exchange:
    """Wait until the provider was left: nothing was made for nobody after that, and no connection is open."""
    exchange = check_left(sim.journal.wait(deadline_s=BOUND_S))
    sim.journal.wait_closed(deadline_s=BOUND_S)
    return exchange


async def left_async(sim: Simulator) -> Exchange:
    """Wait, in a task, until the provider was left; see `left`."""
    exchange = check_left(await sim.journal.wait_async(deadline_s=BOUND_S))
    await none_open(sim)
    return exchange


def check_left(exchange: Exchange) -> Exchange:
    assert (exchange.ended_by, exchange.how, exchange.tokens_after_leaving) == ("client", "left", 0)
    return exchange


async def asked(sim: Simulator, number: int = 1) -> Exchange:
    """Wait until the provider was asked."""
    return await sim.journal.wait_async(lambda exchange: exchange.id == number, deadline_s=BOUND_S)


async def none_open(sim: Simulator) -> None:
    """Wait until no connection to the provider is open."""
    await sim.journal.wait_closed_async(deadline_s=BOUND_S)
