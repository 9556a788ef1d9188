"""Be called back with each piece of text, at the end, and when something fails.

With `headrace.astream` the callbacks may be coroutine functions, and `run` is awaited. A callback that raises ends the
stream, and stops the model.

Run it: python examples/callbacks.py [MODEL]
"""

import os
import sys

import headrace

model = sys.argv[1] if sys.argv[1:] else os.environ.get("HEADRACE_MODEL", "sim/demo")


def show(text: str) -> None:
    print(text, end="", flush=True)


def done(message: headrace.Message) -> None:
    print(f"\n[{message.outcome}: {message.usage.output_tokens} tokens]")


def failed(error: headrace.HeadraceError) -> None:
    print(f"\n[{error}]")  # what had arrived is in error.partial


headrace.stream(model, "Write a haiku about rivers").run(on_text=show, on_done=done, on_error=failed)
