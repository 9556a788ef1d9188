"""Stop a model after so many tokens: here, on our side, by closing its socket.

`max_tokens=…` asks the provider for the same, and ends with the outcome ``length``; a limit of ours counts thinking and
tool calls too, holds whatever the provider does, and ends with ``stopped``. There are also `chars` and `seconds`.

Run it: python examples/token_limit.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

with headrace.stream(model, "Tell me everything").limit(tokens=20) as s:
    for text in s.text_stream:
        print(text, end="", flush=True)

usage = s.message.usage
print(f"\n[{s.message.outcome} after {'about ' * usage.estimated}{usage.output_tokens} tokens]")
