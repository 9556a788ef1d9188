"""Ask several at once, and read their answers side by side under labels.

One that fails ends alone; leaving the block stops all that still write.

Run it: python examples/merge_labels.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

languages = {"PY": "Python", "JS": "JavaScript", "GO": "Go"}
streams = {label: headrace.stream(model, f"In one sentence: {name}") for label, name in languages.items()}

with headrace.merge(streams, max_concurrency=2) as merged:
    for label, text in merged.text_stream:
        print(f"{label} {text!r}", flush=True)

for label, message in merged.messages.items():
    print(f"{label}: {message.outcome}, {len(message.text)} characters", merged.errors.get(label, ""))
