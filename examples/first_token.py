"""Measure why one streams: how soon the first token is there, and how long the whole answer takes.

Run it: python examples/first_token.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Write a haiku about rivers") as s:
    message = s.get_final_message()

first_s, total_s = s.timing.first_token_s, s.timing.total_s  # from the sending of the request
if first_s is None or total_s is None:
    print("the answer is empty")
else:
    print(f"first token after {first_s:.3f} s, all of it after {total_s:.3f} s")
    tokens = message.usage.output_tokens
    if tokens and total_s > first_s:
        print(f"{tokens / (total_s - first_s):.0f} tokens a second")
