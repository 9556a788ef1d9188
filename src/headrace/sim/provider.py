"""The simulated provider: from a call to the answer of a model that there is not.

    SimulatedProvider((Scenario(match=Match(text="weather"), answer="It rains."),), seed=7).play(Call(body=…))

A script's functions get what was asked (`headrace.sim.asked.base.Asked`) and give a scenario, an answer, a text, or
None for "not mine".  Any key is taken, and none; a fault ``status:401`` refuses one.

Laws kept here: one seed and the same calls in the same order give the same plays, byte for byte: ids, times and heads
included; what nobody reads is not made; nothing is raised, what is wrong with a call is answered as the vendor would.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from headrace.errors import ErrorInfo, UsageError, type_for_status
from headrace.sim.answering import Answering
from headrace.sim.asked import anthropic, openai_chat
from headrace.sim.asked.options import SPEED_WANTED, dialect_of, speed_of
from headrace.sim.asked.refused import Refused
from headrace.sim.dice import Dice, stable_hash
from headrace.sim.faults.dialects import DIALECTS
from headrace.sim.faults.fault import Fault
from headrace.sim.faults.kinds import KINDS
from headrace.sim.faults.parse import check_faults, format_fault, parse_fault
from headrace.sim.faults.spoil import spoil, spoil_document
from headrace.sim.heads import JSON, SSE, Meter, head_of, plain_head
from headrace.sim.models import models_body
from headrace.sim.pace import Pace, Tempo, tempo_of
from headrace.sim.play import Head, Piece, Play
from headrace.sim.routes import route_of, wire_of
from headrace.sim.scenarios.choose import Chooser
from headrace.sim.scenarios.failing import ScriptError
from headrace.wire.registry import encode_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.sim.asked.base import Asked
    from headrace.sim.play import Call, Step
    from headrace.sim.routes import Route
    from headrace.sim.scenarios.choose import HasScenarios, Rule
    from headrace.sim.scenarios.scenario import Scenario
    from headrace.wire.providers import WireName

SPEED_VARIABLE = "HEADRACE_SIM_SPEED"
"""What the speed is where neither the request, nor the scenario, nor the provider says it."""

_HEAD_SHARE = 0.4  # of the wait for the first token: the headers come before it


def play(call: Call) -> Play:
    """Answer a call of this process's own, as the models' names imply."""
    return _within().play(call)


@cache
def _within() -> SimulatedProvider:
    return SimulatedProvider()


class SimulatedProvider:
    """A source of plays.

    An answer that is not streamed takes as long as its stream would; of the faults and habits it has those that a JSON
    document can have, see `headrace.sim.faults.spoil.spoil_document`.

    Args:
        scenarios: rules in their order, or what has them, as a script does; what none of them matches gets what the
            model's name implies.
        seed: what chance draws by, together with each conversation; None: by the conversation alone.
        speed: a factor on all waits, ``"max"``: no wait at all; None: as the environment says.
        faults: what goes wrong with every answer, but for what contradicts its own faults.
        dialect: whose habits the streams have that have none of their own.

    Raises:
        UsageError: for a speed, a fault or a dialect that is none.
    """

    def __init__(
        self,
        scenarios: Sequence[Rule] | HasScenarios = (),
        *,
        seed: int | None = None,
        speed: float | str | None = None,
        faults: Sequence[Fault | str] = (),
        dialect: str | None = None,
    ) -> None:
        self._chooser = Chooser(scenarios, seed=seed)
        self._seed = seed
        self._speed = None if speed is None else _speed(str(speed), "the speed")
        self._faults = tuple([_fault(fault) for fault in faults])
        check_faults(self._faults)
        self._dialect = None if dialect is None else dialect_of(dialect)
        self._meter = Meter()

    def play(self, call: Call) -> Play:
        """Answer a call."""
        wire = wire_of(call)
        asked: Asked | None = None
        try:
            route = route_of(call)
            match route.task:
                case "models":
                    return self._told(call, wire, models_body(wire, route.name))
                case "count":
                    size = anthropic.count_tokens(call)
                    return self._told(call, wire, msgspec.json.encode({"input_tokens": size}))
                case _:
                    asked = self._read(call, route)
                    return self._answered(asked)
        except Refused as error:
            refused, label = error, "refused"
        except ScriptError as error:
            refused, label = Refused(str(error), status=500), "failed"
        except UsageError as error:
            refused, label = Refused(str(error)), "refused"
        play = self._refused(call, wire, refused)
        play.model = None if asked is None else asked.model
        play.label = label
        play.details = {"why": str(refused)}
        return play

    def _read(self, call: Call, route: Route) -> Asked:
        if route.wire == "anthropic":
            return anthropic.read(call, seed=self._seed)
        return openai_chat.read(call, deployment=route.name, seed=self._seed)

    # -- answers

    def _answered(self, asked: Asked) -> Play:
        scenario = self._chooser.choose(asked)
        dialect = DIALECTS[name] if (name := scenario.dialect or self._dialect) else None
        faults = self._all_faults(scenario)
        if asked.options.context is not None and asked.prompt_tokens > asked.options.context:
            if dialect is None or dialect.wire != asked.wire or dialect.overlong != "empty":
                raise _too_long(asked, asked.options.context)
            faults = (Fault("empty"),)
        tempo = tempo_of(scenario.pace, Tempo(speed=self._default_speed(scenario)))
        answering = Answering(asked, scenario)
        pace = Pace(tempo, Dice(answering.seed, "pace"))
        dice = Dice(answering.seed, "faults")
        spent = self._meter.spend(asked.prompt_tokens, answering.tokens)
        at_s = pace.first_s * _HEAD_SHARE
        head: Head | None
        steps: Any
        if asked.stream:
            headers = head_of(asked.wire, SSE, seed=self._seed or 0, mark=asked.mark, spent=spent, took_s=at_s)
            head, steps = spoil(
                Head(headers=headers, at_s=at_s),
                answering.frames(pace),
                wire=asked.wire,
                faults=faults,
                dialect=dialect,
                dice=dice,
                total_tokens=answering.tokens,
                prompt_tokens=asked.prompt_tokens,
            )
        else:
            document = answering.document(pace)
            if not any("answer" in KINDS[fault.kind].excludes for fault in faults):
                at_s = document.at_s  # but a refusal comes soon
            headers = head_of(asked.wire, JSON, seed=self._seed or 0, mark=asked.mark, spent=spent, took_s=at_s)
            head, steps = spoil_document(
                Head(status=document.status, headers=headers, at_s=at_s, framing="length"),
                document.body,
                at_s=document.at_s,
                tokens=answering.tokens,
                wire=asked.wire,
                faults=faults,
                dice=dice,
            )
        return Play(
            head=head,
            steps=steps,
            wire=asked.wire,
            model=asked.model,
            label=scenario.name,
            faults=tuple([format_fault(fault) for fault in faults]),
            tokens=answering.tokens,
            details={"seed": answering.seed, "dialect": dialect.name if dialect else None},
        )

    def _all_faults(self, scenario: Scenario) -> tuple[Fault, ...]:
        """Give a scenario's faults, and of the provider's those that do not contradict them."""
        faults = tuple([_fault(fault) for fault in scenario.faults])
        for fault in self._faults:
            try:
                check_faults((*faults, fault))
            except UsageError:
                continue
            faults = (*faults, fault)
        return faults

    def _default_speed(self, scenario: Scenario) -> float | None:
        speed = self._speed
        if speed is None:
            said = os.environ.get(SPEED_VARIABLE, "").strip() if scenario.pace.speed is None else ""
            speed = _speed(said, f"the environment's {SPEED_VARIABLE}") if said else Tempo().speed
        return None if isinstance(speed, str) else speed

    # -- what needs no model

    def _told(self, call: Call, wire: WireName, body: bytes) -> Play:
        head = plain_head(wire, JSON, seed=self._seed or 0, mark=stable_hash(call.body), number=self._count())
        return _whole(wire, Head(headers=head, framing="length"), body)

    def _refused(self, call: Call, wire: WireName, refused: Refused) -> Play:
        headers = plain_head(wire, JSON, seed=self._seed or 0, mark=stable_hash(call.body), number=self._count())
        if refused.allow:
            headers = (*headers, ("allow", refused.allow))
        request_id = dict(headers)["request-id"] if wire == "anthropic" else None
        info = ErrorInfo(
            type=type_for_status(refused.status), message=str(refused), status=refused.status, request_id=request_id
        )
        status, body = encode_failure(wire, info)
        if wire == "openai-chat" and status < 500:
            # what OpenAI refuses it calls so, whatever the status, and it names the field
            error = {"message": str(refused), "type": "invalid_request_error"}
            body = msgspec.json.encode({"error": {**error, "param": refused.param, "code": refused.code}})
        return _whole(wire, Head(status=status, headers=headers, framing="length"), body)

    def _count(self) -> int:
        return self._meter.spend().number


def _whole(wire: WireName, head: Head, body: bytes) -> Play:
    steps: list[Step] = [Piece(0.0, body)]
    return Play(head=head, steps=iter(steps), wire=wire, tokens=0)


def _fault(fault: Fault | str) -> Fault:
    return parse_fault(fault) if isinstance(fault, str) else fault


def _speed(said: str, where: str) -> float | str:
    try:
        return speed_of(said)
    except ValueError:
        raise UsageError(f"{where} must be {SPEED_WANTED}, not {said[:80]!r}") from None


def _too_long(asked: Asked, window: int) -> Refused:
    size = asked.prompt_tokens
    if asked.wire == "anthropic":
        return Refused(f"prompt is too long: {size} tokens > {window} maximum")
    return Refused(
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {size} tokens. "
        "Please reduce the length of the messages.",
        "messages",
        code="context_length_exceeded",
    )
