"""What all tests share: bare settings, scripted servers, and hypothesis without its deadline.

No assertion here measures time.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.servers import Script, Server

os.environ["HEADRACE_NO_LOCAL"] = "1"  # no test looks at the ports of this machine

settings.register_profile("headrace", deadline=None, print_blob=True)
settings.load_profile("headrace")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave nothing around that names a provider, a key, a proxy, certificates or a configuration."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)
    for name in ("HF_TOKEN", "SNOWFLAKE_PAT", "HEADRACE_CONFIG", "HEADRACE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEADRACE_NO_LOCAL", "1")  # no port of this machine is looked at
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off: it shall not be what closes a socket."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start scripted servers, which are closed after the test."""
    servers: list[Server] = []

    def start(*scripts: Script, **options: Any) -> Server:
        servers.append(Server(*scripts, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
