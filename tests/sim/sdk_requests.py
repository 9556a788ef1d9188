"""What the SDKs ask with: tools in the shapes of both vendors, a schema, models that fail by seed."""

from typing import Any

from headrace.sim.provider import SimulatedProvider
from headrace.wire.providers import WireName
from tests.sim.asking import call

WIRES: dict[str, WireName] = {"openai": "openai-chat", "anthropic": "anthropic"}

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "inhabitants": {"type": "integer"}},
    "required": ["name", "inhabitants"],
    "additionalProperties": False,
}

_SCHEMAS: dict[str, dict[str, Any]] = {
    "weather": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
    "time": {"type": "object", "properties": {}},
}

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in _SCHEMAS.items()
]

ANTHROPIC_TOOLS: list[dict[str, Any]] = [{"name": name, "input_schema": schema} for name, schema in _SCHEMAS.items()]


def seeded(name: str, model: str) -> dict[str, str]:
    """Give all that may happen with a built-in scenario, and for each a name of the model with which it does."""
    found: dict[str, str] = {}
    for seed in range(60):
        asked = f"sim/{model};words=40;speed=max;seed={seed}"
        found.setdefault(SimulatedProvider().play(call(WIRES[name], model=asked)).label, asked)
    return found
