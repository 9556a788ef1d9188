"""Stop a model when its text matches a regular expression, wherever the chunks are cut: here, after one sentence.

`until` takes a text or a predicate over the text so far, too.

Run it: python examples/until_regex.py [MODEL]
"""

import os
import re
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Why is the sky blue?").until(re.compile(r"[.!?](?=\s)")) as s:
    for text in s.text_stream:
        print(text, end="", flush=True)
print(f"\n[{s.message.outcome}]")
