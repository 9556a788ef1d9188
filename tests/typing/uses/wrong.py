"""What must be an error: an ignore that is not needed is one itself."""

import re

import headrace
from headrace.sim import Scenario, Simulator


def requests() -> None:
    headrace.stream(5, "Hi")  # type: ignore[arg-type]
    headrace.stream("sim/demo", "Hi", max_token=5)  # type: ignore[call-arg]
    headrace.stream("sim/demo", "Hi", max_tokens="5")  # type: ignore[arg-type]
    headrace.stream("sim/demo", "Hi", timeouts=5)  # type: ignore[arg-type]
    headrace.stream("sim/demo", "Hi", timeouts=(5, 5))  # type: ignore[arg-type]
    headrace.stream("sim/demo", 5)  # type: ignore[arg-type]
    headrace.Client("key")  # type: ignore[call-arg]
    headrace.Client().stream("m", "Hi", base_url="http://a")  # type: ignore[call-arg]


def reading(s: headrace.Stream, a: headrace.AsyncStream) -> None:
    with a:  # type: ignore[attr-defined]
        pass
    for _ in a:  # type: ignore[attr-defined]
        pass
    for _ in a.text_stream:  # type: ignore[attr-defined]
        pass
    s.text_stream()  # type: ignore[operator]
    s.message = s.message  # type: ignore[misc]
    s.message.text = "mine"  # type: ignore[misc]
    s.message.usage.output_tokens + 1  # type: ignore[operator]


def bounds(s: headrace.Stream) -> None:
    s.limit(5)  # type: ignore[call-arg]
    s.limit(words=5)  # type: ignore[call-arg]
    s.until(5)  # type: ignore[arg-type]
    s.until(re.compile(b"bytes"))  # type: ignore[arg-type]
    s.until(lambda text, more: True)  # type: ignore[arg-type, misc]


def callbacks(s: headrace.Stream) -> None:
    s.run(print)  # type: ignore[call-arg]
    s.run(on_text=lambda: None)  # type: ignore[arg-type, misc]
    s.run(on_end=print)  # type: ignore[call-arg]

    def wants_bytes(data: bytes) -> None:
        raise NotImplementedError

    s.run(on_text=wants_bytes)  # type: ignore[arg-type]
    s.run(on_done=wants_bytes)  # type: ignore[arg-type]


def several(s: headrace.Stream, a: headrace.AsyncStream) -> None:
    headrace.merge(s)  # type: ignore[call-overload]
    headrace.merge(s, s)  # type: ignore[call-overload]
    headrace.merge([s], max_concurrency="2")  # type: ignore[call-overload]
    headrace.merge({"a": s}).cancel(1)  # type: ignore[arg-type]
    headrace.race([s], stagger="1")  # type: ignore[call-overload]
    with headrace.race([a]):  # type: ignore[attr-defined]
        pass
    headrace.gather([s, a])  # type: ignore[list-item]


def outcomes(message: headrace.Message) -> bool:
    headrace.End(outcome="completed")  # type: ignore[arg-type]
    return message.outcome == "completed"  # type: ignore[comparison-overlap]


def simulator(sim: Simulator) -> None:
    Scenario(text="Hi")  # type: ignore[call-arg]
    Scenario("Hi")  # type: ignore[call-arg]
    Simulator(spede=1)  # type: ignore[call-arg]
    sim.journal.wait("client")  # type: ignore[arg-type]
