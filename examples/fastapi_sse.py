"""An endpoint of your own that streams answers as server-sent events, and a page that shows them.

Whoever leaves stops the model: before the first token, while it is silent, and while they do not read. A failure is a
frame of its own, and only an answer that came to its end has a ``[DONE]``. It wants FastAPI 0.118 or newer and uvicorn.

Run it: HEADRACE_MODEL=… uvicorn --app-dir examples fastapi_sse:app
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

import headrace

model = os.environ.get("HEADRACE_MODEL", "sim/demo")
app = FastAPI()
# No page of another site may spend your keys: a body must be JSON (FastAPI sees to it), and the host this machine.
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
app.mount("/headrace", StaticFiles(packages=[("headrace", "ui")]))  # has headrace.js, which reads such streams


async def answer(prompt: Annotated[str, Body(embed=True, min_length=1)]) -> AsyncIterator[headrace.AsyncStream]:
    async with aclosing(headrace.astream(model, prompt)) as stream:  # closed once the response is over, however it ends
        yield stream


@app.post("/chat/stream")
async def chat(stream: Annotated[headrace.AsyncStream, Depends(answer)]) -> StreamingResponse:
    return StreamingResponse(frames(stream), media_type="text/event-stream", headers={"cache-control": "no-cache"})


async def frames(stream: headrace.AsyncStream) -> AsyncIterator[str]:
    try:
        async with stream:  # here, not in `answer`: who leaves before the first token is noticed while we write
            async for text in stream.text_stream:
                yield frame({"content": text})
        yield frame({"outcome": stream.message.outcome}) + "data: [DONE]\n\n"
    except headrace.HeadraceError as error:
        yield frame({"error": {"type": error.info.type, "message": error.info.message}})


def frame(said: dict[str, Any]) -> str:
    return f"data: {json.dumps(said)}\n\n"


PAGE = """<!doctype html><meta charset="utf-8"><title>Ask</title>
<form><input size="60" value="Why is the sky blue?"> <button>Ask</button> <button type="button">Stop</button></form>
<p style="white-space: pre-wrap"></p>
<script type="module">
  import { streamChat } from "/headrace/headrace.js";
  const [prompt, , stop] = document.forms[0], answer = document.querySelector("p");
  let asking = new AbortController();
  stop.onclick = () => asking.abort();
  document.forms[0].onsubmit = async (submitted) => {
    submitted.preventDefault();
    asking.abort();
    const { signal } = (asking = new AbortController());
    answer.textContent = "";
    try {
      for await (const event of streamChat({ prompt: prompt.value, signal })) {
        if (event.type === "text") answer.append(event.text);
        if (event.type === "end") answer.append(`\\n[${event.outcome}]`);
      }
    } catch (error) {
      if (signal === asking.signal) answer.append(signal.aborted ? "\\n[stopped]" : `\\n[${error.message}]`);
    }
  };
</script>"""


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)
