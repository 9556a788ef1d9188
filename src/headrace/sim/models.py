"""The list of models: the built-in scenarios, by the names that choose them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.sim.asked.refused import Refused
from headrace.sim.scenarios.builtin import BUILTINS
from headrace.sim.scenarios.match import SIM

if TYPE_CHECKING:
    from headrace.wire.providers import WireName

_CREATED = 1_750_000_000


def models_body(wire: WireName, name: str) -> bytes:
    """Write all models, or one.

    Args:
        wire: in whose shape.
        name: of one, also without ``sim/`` and with options; "": all.

    Raises:
        Refused: if there is no model of that name.
    """
    wanted = name.partition(";")[0].removeprefix(SIM)
    if name and wanted not in BUILTINS:
        if wire == "anthropic":
            raise Refused(f"model: {name}", status=404)
        raise Refused(f"The model '{name}' does not exist", "model", status=404, code="model_not_found")
    entries = [_entry(wire, builtin) for builtin in ([wanted] if name else BUILTINS)]
    if name:
        return msgspec.json.encode(entries[0])
    if wire == "anthropic":
        ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]}
        return msgspec.json.encode({"data": entries, "has_more": False, **ends})
    return msgspec.json.encode({"object": "list", "data": entries})


def _entry(wire: WireName, name: str) -> dict[str, Any]:
    if wire == "anthropic":
        created = datetime.fromtimestamp(_CREATED, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "type": "model",
            "id": SIM + name,
            "display_name": f"Simulation: {BUILTINS[name].help}",
            "created_at": created,
        }
    return {"id": SIM + name, "object": "model", "created": _CREATED, "owned_by": "headrace"}
