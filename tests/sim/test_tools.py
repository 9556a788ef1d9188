"""Tools: when the simulation calls them. (What the arguments are like: `tests.sim.writing.test_instances`.)"""

import pytest

from tests.sim.asking import ask

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 2, "maximum": 4},
            },
            "required": ["city", "unit", "days"],
        },
    },
}
ADD = {"name": "add", "description": "Add.", "input_schema": {"type": "object", "properties": {}}}


def test_a_tool_that_is_required_is_called() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required")
    (call,) = message.tool_calls
    assert (message.outcome, message.text, call.name) == ("tool_calls", "", "weather")
    assert call.id.startswith("call_sim_")
    arguments = call.parsed()
    assert arguments["city"] == "rain in Paris"
    assert arguments["unit"] in ("C", "F")
    assert 2 <= arguments["days"] <= 4


def test_a_tool_that_is_named_is_called() -> None:
    choice = {"type": "function", "function": {"name": "add"}}
    (call,) = ask("hi", tools=[WEATHER, ADD], tool_choice=choice).tool_calls
    assert (call.name, call.arguments) == ("add", "{}")


def test_a_call_may_be_cut_short() -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice="required", max_tokens=2)
    assert message.outcome == "length"
    with pytest.raises(ValueError, match="are not JSON"):
        message.tool_calls[0].parsed()


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_tool_that_may_be_called_is_not(choice: str | None) -> None:
    message = ask("Rain in Paris", tools=[WEATHER], tool_choice=choice)
    assert (message.tool_calls, message.outcome) == ([], "complete")
