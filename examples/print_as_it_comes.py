"""Print an answer while it is written.

Run it: python examples/print_as_it_comes.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Write a haiku about rivers") as s:
    for text in s.text_stream:
        print(text, end="", flush=True)
print()
