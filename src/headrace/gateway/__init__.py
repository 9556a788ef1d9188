"""The gateway: an ASGI app that streams answers to browsers and programs, and the server that runs it.

    app = create_app()                       # for any ASGI server, or to be mounted in an app of yours
    run_server(host="127.0.0.1", port=4747)  # what `headrace serve` does

It needs the extra ``serve`` of the package.
"""

from headrace.gateway.app import create_app
from headrace.gateway.server import run_server

__all__ = ["create_app", "run_server"]
