"""Arguments for a call of a tool that fit its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.sim.writing.instances import instance_of, json_text
from headrace.sim.writing.topic import Topic
from headrace.wire.lenient_json import as_dict

if TYPE_CHECKING:
    from headrace.sim.dice import Dice


def arguments_for(parameters: Any, prompt: str, dice: Dice) -> str:
    """Write the JSON text of a call's arguments: an object, whatever the schema of the parameters says."""
    schema = as_dict(parameters) or {}
    value = as_dict(instance_of({**schema, "type": "object"}, Topic(prompt), dice)) or {}
    return json_text(value)
