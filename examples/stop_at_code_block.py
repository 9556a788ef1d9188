"""Stop a model as soon as its first code block is whole: what it would say about it is neither read nor paid for.

Run it: python examples/stop_at_code_block.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Show a Python function that reverses a list").until(headrace.has_complete_code_block) as s:
    text = s.get_final_text()

print(text)
print(f"[{s.message.outcome}]")  # stopped; complete, if there was no block
