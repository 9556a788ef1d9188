"""Read the events: text, thinking and tool calls as they come, then why it ended and what it used.

Run it: python examples/events.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Write a haiku about rivers") as s:
    for event in s:
        match event:
            case headrace.PartDelta(kind="text", text=text):
                print(text, end="", flush=True)
            case headrace.PartDelta(kind=kind, text=text):
                print(f"[{kind}: {text}]", end="", flush=True)
            case headrace.End(outcome=outcome, native_stop_reason=reason):
                print(f"\noutcome: {outcome} (the provider says {reason!r})")
            case _:
                pass  # parts that start and end, usage, warnings, and what later versions will bring

usage = s.message.usage  # a figure is None where the provider gave none
print(f"tokens: {usage.input_tokens} in, {usage.output_tokens} out")
