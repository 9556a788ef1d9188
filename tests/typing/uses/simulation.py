"""The simulator, as tests use it."""

from typing import assert_type

from headrace.sim import (
    Answer,
    Exchange,
    Fault,
    Journal,
    Match,
    PaceOptions,
    Scenario,
    Simulator,
    ToolUse,
    VirtualClock,
    parse_fault,
)

WEATHER = Scenario(
    name="weather",
    match=Match(model="gpt-*", text="weather", call=1),
    answer=Answer(thinking="Hm.", tools=(ToolUse(name="get_weather", arguments={"city": "Paris"}),)),
    pace=PaceOptions(first_s=0.2, rate=60),
    faults=("reset@token:5", parse_fault("stall")),
)


def blocking() -> None:
    with Simulator(WEATHER, Scenario(answer="Hi"), seed=1, clock=VirtualClock(auto=True)) as sim:
        assert_type(sim, Simulator)
        assert_type(sim.url, str)
        assert_type(sim.openai_url, str)
        assert_type(sim.env(), dict[str, str])
        assert_type(sim.release("rest"), int)
        assert_type(sim.journal, Journal)
        with sim.refuse():
            sim.script(Scenario(answer="Hi"))
        exchange = sim.journal.wait(lambda e: e.ended_by == "client", deadline_s=5)
        assert_type(exchange, Exchange)
        assert_type(exchange.left_at_token, int | None)
        assert_type(sim.journal.exchanges, list[Exchange])
        assert_type(sim.journal.open_connections, int)
    assert_type(parse_fault("reset@token:5"), Fault)


async def asynchronous() -> None:
    async with Simulator(faults=["eof"]) as sim:
        assert_type(sim, Simulator)
        assert_type(await sim.journal.wait_async(), Exchange)
        await sim.journal.wait_closed_async()
