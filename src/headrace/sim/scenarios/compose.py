"""What is said: an answer's parts, before any wire or pace has a say.

Laws kept here: what a script says is said as it stands; a built-in does what the request demands (JSON, a call of a
tool) and says first that it is a simulation; the same request and seed give the same parts, ids included.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from headrace.events import PartKind, StopReason
from headrace.sim.dice import Dice
from headrace.sim.scenarios.builtin import implied
from headrace.sim.scenarios.scenario import Answer
from headrace.sim.writing import phrases
from headrace.sim.writing.answers import WRITTEN, thought, written
from headrace.sim.writing.instances import json_text
from headrace.sim.writing.tokens import cut
from headrace.sim.writing.tool_arguments import arguments_for

if TYPE_CHECKING:
    from headrace.sim.asked.base import Asked
    from headrace.sim.scenarios.scenario import Scenario, ToolUse

_SCHEMA = "schema"  # in place of a value: one that fits
_PARALLEL = 2  # calls at once
_CUT_TOKENS = (40, 160)  # how many come of an answer that is cut short


class SaidPart(Struct, frozen=True):
    """A piece of what is said.

    Attributes:
        kind: ``text``, ``thinking``, ``refusal`` or ``tool_call``.
        text: of a tool call, its arguments' raw JSON.
        name: of the tool.
        call_id: of the call.
        data: further attributes, as the wire has them.
    """

    kind: PartKind
    text: str
    name: str | None = None
    call_id: str | None = None
    data: dict[str, Any] | None = None


class Said(Struct, frozen=True):
    """All that is said in one of a request's answers, if nothing cuts it short.

    Attributes:
        parts: in their order.
        stop_reason: how it ends.
        native_stop_reason: the provider's word for it; None: the wire's own.
        usage: figures in place of those counted, by the names of `headrace.Usage`.
    """

    parts: tuple[SaidPart, ...]
    stop_reason: StopReason = "complete"
    native_stop_reason: str | None = None
    usage: dict[str, int] = {}


def compose(asked: Asked, scenario: Scenario, index: int) -> Said:
    """Compose one of a request's answers.

    Args:
        asked: the request.
        scenario: as it was chosen; without an answer it gets what the model's name implies.
        index: which of the answers it is, from 0.
    """
    given = implied(asked.model).answer if scenario.answer is None else scenario.answer
    answer = given if isinstance(given, Answer) else Answer(text=given)
    composer = _Composer(asked, asked.seed if scenario.seed is None else scenario.seed, index)
    said = composer.explicit(answer) if answer.builtin is None else composer.builtin(answer.builtin)
    return replace(
        said,
        stop_reason=answer.stop_reason or said.stop_reason,
        native_stop_reason=answer.native_stop_reason,
        usage=answer.usage,
    )


class _Composer:
    def __init__(self, asked: Asked, seed: int, index: int) -> None:
        self._asked = asked
        self._seed = seed
        self._index = index
        self._dice = Dice(seed, f"answer {index}")
        self._calls = 0

    def explicit(self, answer: Answer) -> Said:
        """Say what a script says."""
        parts: list[SaidPart] = []
        reason: StopReason = "complete"
        if answer.thinking is not None:
            parts.append(self._thinking(answer.thinking))
        if answer.text is not None:
            parts.append(SaidPart("text", answer.text))
        elif answer.json is not None:
            schema = isinstance(answer.json, str) and answer.json == _SCHEMA
            parts.append(SaidPart("text", self._written("json") if schema else json_text(answer.json)))
        elif answer.refusal is not None:
            parts.append(SaidPart("refusal", answer.refusal))
            reason = self._refused()
        if answer.tools:
            parts += [self._use(tool) for tool in answer.tools]
            reason = "tool_calls"
        return Said(tuple(parts), reason)

    def builtin(self, name: str) -> Said:
        """Say what a built-in answer says."""
        match name:
            case "empty":
                return Said(())
            case "refusal":
                return Said((SaidPart("refusal", phrases.REFUSAL),), self._refused())
            case "length":
                return Said(_shortened(self._demanded(name).parts, self._dice), "length")
            case "filtered":
                return Said(_shortened((SaidPart("text", self._written(name)),), self._dice), "filtered")
            case "tools":
                return self._tools()
            case _:
                return self._demanded(name)

    # -- parts

    def _demanded(self, name: str) -> Said:
        """Call a tool if one must be called; else write."""
        asked = self._asked
        thinking = [self._thinking(self._thought())] if asked.thinking or name == "thinking" else []
        if asked.functions:
            function = self._dice.pick(asked.functions)
            return Said((*thinking, self._call(function["name"])), "tool_calls")
        return Said((*thinking, SaidPart("text", self._written(name if name in WRITTEN else "prose"))))

    def _tools(self) -> Said:
        asked = self._asked
        if asked.functions:
            return self._demanded("tools")
        offered = [] if asked.tool_choice == "none" else list(asked.tools)
        if asked.answered or not offered:
            why = phrases.TOOLS_ANSWERED if asked.answered else phrases.NO_TOOLS
            return Said((SaidPart("text", f"{phrases.SIMULATED} {why}"),))
        names = self._dice.shuffled(offered)[:_PARALLEL]
        text = SaidPart("text", f"{phrases.SIMULATED} {phrases.CALLING.format(names=', '.join(names))}")
        return Said((text, *[self._call(name) for name in names]), "tool_calls")

    def _written(self, name: str) -> str:
        return written(name, self._asked, self._dice, self._seed)

    def _thought(self) -> str:
        return thought(self._asked, Dice(self._seed, f"thinking {self._index}"))

    def _thinking(self, text: str) -> SaidPart:
        if self._asked.wire != "anthropic":
            return SaidPart("thinking", text)
        dice = Dice(self._asked.mark, f"signature {self._index}")
        signature = "".join([f"{dice.between(0, 2**32 - 1):08x}" for _ in range(16)])
        return SaidPart("thinking", text, data={"signature": signature})

    def _refused(self) -> StopReason:
        """Say how a refusal ends: on one wire it is a field, on the other a reason."""
        return "refused" if self._asked.wire == "anthropic" else "complete"

    # -- tools

    def _call(self, name: str) -> SaidPart:
        return SaidPart("tool_call", self._arguments(name), name, self._call_id())

    def _use(self, tool: ToolUse) -> SaidPart:
        if tool.arguments == _SCHEMA:
            arguments = self._arguments(tool.name)
        else:
            arguments = tool.arguments if isinstance(tool.arguments, str) else json_text(tool.arguments)
        call_id = self._call_id()
        return SaidPart("tool_call", arguments, tool.name, call_id if tool.id is None else tool.id)

    def _arguments(self, name: str) -> str:
        return arguments_for(self._asked.tools.get(name), self._asked.prompt, self._dice)

    def _call_id(self) -> str:
        number = f".{self._calls}" if self._calls else ""
        self._calls += 1
        dice = Dice(self._asked.mark, f"call {self._index}{number}")
        prefix = "toolu" if self._asked.wire == "anthropic" else "call"
        return f"{prefix}_sim_{dice.between(0, 2**48 - 1):012x}"


def _shortened(parts: tuple[SaidPart, ...], dice: Dice) -> tuple[SaidPart, ...]:
    """Break off within the last part."""
    *before, last = parts
    text = "".join(islice(cut(last.text), dice.between(*_CUT_TOKENS)))
    return (*before, replace(last, text=text))
