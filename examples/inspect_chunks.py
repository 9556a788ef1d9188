"""Look at a stream chunk by chunk: when each came, what it brought, and its JSON as the provider sent it.

Run it: python examples/inspect_chunks.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Write a haiku about rivers") as s:
    for chunk in s.chunks:
        when = f"{chunk.index:3} {chunk.at_s:6.3f} s {chunk.gap_s:+6.3f}"
        print(f"{when}  {chunk.delta!r:16} {chunk.finish_reason or '':6} {chunk.data[:60]}")
