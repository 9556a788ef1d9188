"""Collect a whole answer. It is streamed all the same: a stall is noticed, and what had arrived is never lost.

Run it: python examples/collect.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Write a haiku about rivers") as s:
    text = s.get_final_text()  # raises if the answer broke off: half of one is not taken for the whole
print(f"{len(text)} characters: {text!r}")
