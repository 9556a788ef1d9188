"""Wait so long and no longer, and keep what had arrived.

Only a token is progress: a server that sends nothing but pings is silent. The times are (to the first token, between
tokens, in all), in seconds; None is for ever. Here there is one second in all, which is too short on purpose.

Run it: python examples/timeouts.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")

try:
    with headrace.stream(model, "Tell me a long story", timeouts=(30, 10, 1)) as s:
        print(s.get_final_text())
except headrace.StreamTimeoutError as error:
    print(f"{error.info.phase}: {error}")
    if error.partial is not None:
        print(f"until then: {error.partial.text!r}")
