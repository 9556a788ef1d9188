"""Requests as a script sees them, without a wire."""

from typing import Any

from headrace.sim.asked.base import Asked
from headrace.sim.asked.options import Options

_OPTIONS = ("faults", "dialect", "pace", "scenario", "words")


def asking(text: str = "Tell me about rain", **fields: Any) -> Asked:
    """Ask; `wanted_seed` is the option, `seed` what the wire makes of all that it knows."""
    options = {name: fields.pop(name) for name in _OPTIONS if name in fields}
    if "wanted_seed" in fields:
        options["seed"] = fields.pop("wanted_seed")
    fields = {"model": "test", "seed": 5, "mark": 99, **fields}
    return Asked(prompt=text, options=Options(**options), **fields)
