"""Stop a model from another thread: one reads the answer, the other waits for Enter.

`cancel` closes the provider's socket at once, also before the first token and while the model is silent.

Run it: python examples/cancel_from_thread.py [MODEL]
"""

import os
import sys
import threading

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")


def read() -> None:
    with s:
        for text in s.text_stream:
            print(text, end="", flush=True)
    print(f"\n[{s.message.outcome}]")  # cancelled, with the text up to there in s.message


s = headrace.stream(model, "Tell me a long story")
reader = threading.Thread(target=read)
reader.start()
sys.stdin.readline()
s.cancel()
reader.join()
