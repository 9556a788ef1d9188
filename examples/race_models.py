"""Ask twice, and take whoever gives a token first; at that moment the other one is stopped.

The second is asked only if the first has said nothing for half a second, or has failed.

Run it: python examples/race_models.py [MODEL [MODEL]]
"""

import os
import sys

import headrace

first = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")
second = sys.argv[2] if sys.argv[2:] else first

prompt = "Why is the sky blue? Answer in one sentence."
streams = {"first": headrace.stream(first, prompt), "second": headrace.stream(second, prompt)}
race = headrace.race(streams, stagger_s=0.5)

with race as s:
    for text in s.text_stream:
        print(text, end="", flush=True)
print(f"\n[{race.winner} won]")
