"""The gateway inside an app of your own: its page on /ask/, its endpoint on /ask/chat/stream.

It answers this machine only; behind a login of yours, write an endpoint of your own (fastapi_sse.py).

Run it: HEADRACE_MODEL=… uvicorn --app-dir examples mount_gateway:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from headrace.gateway import create_app

gateway = create_app(model=os.environ.get("HEADRACE_MODEL", "sim/demo"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
    async with gateway.router.lifespan_context(gateway):  # a mounted app's own is not run by itself
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/ask", gateway)


@app.get("/")
async def hello() -> dict[str, str]:
    return {"ask": "/ask/"}
