"""No other machine, and no web page of another site, gets through."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.gateway import create_app
from headrace.gateway.guard import Guard
from headrace.sim import Scenario
from tests.gateway.serving import Viewer, answer, config_for, gateway, post, refused, serving

PAGE = "http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def port():
    with serving(create_app(config=config_for("http://127.0.0.1:9/v1"))) as port:
        yield port


FOREIGN = [
    # a form or a script of another site's
    {"origin": "https://evil.example", "content_type": "application/x-www-form-urlencoded"},
    {"origin": "https://evil.example", "content_type": "text/plain"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},  # another server on this machine
    {"origin": "http://localhost:{port}"},  # another name: another site to the browser
    {"origin": "http://127.0.0.1:{port}.evil.example"},
    {"origin": "ftp://127.0.0.1:{port}"},
    {"origin": ""},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:{port}"},
    # a name of another's that points here (DNS rebinding), with the origin that goes with it
    {"host": "evil.example"},
    {"host": "evil.example:{port}", "origin": "http://evil.example:{port}"},
    {"host": "127.0.0.1.evil.example"},
    {"host": "localhost.evil.example"},
    {"host": "evil.example@127.0.0.1"},
    {"host": "192.168.0.7:{port}"},
    {"host": "0.0.0.0:{port}"},
    {"host": "[::2]"},
    {"host": "[127.0.0.1]x"},
    {"host": "127.0.0.1:port"},
    {"host": ""},
    {"host": None},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_what_is_foreign_is_a_403(port: int, headers: dict[str, Any]) -> None:
    given = {name: value and value.format(port=port) for name, value in headers.items()}
    status, kind, message = await refused(port, post(port, {"prompt": "Hi"}, **given))
    assert (status, kind) == (403, "permission_denied")
    assert message


@pytest.mark.parametrize("more", ["host: 127.0.0.1", "origin: http://evil.example"])
async def test_a_header_that_stands_there_twice_is_not_believed(port: int, more: str) -> None:
    data = post(port, {"prompt": "Hi"}, more, origin=PAGE.format(port=port))
    assert (await refused(port, data))[0] == 403


async def test_a_foreign_name_gets_not_even_the_page(port: int) -> None:
    assert (await refused(port, b"GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n"))[0] == 403


async def test_other_methods_are_guarded_too(port: int) -> None:
    data = post(port, {}, origin="https://evil.example").replace(b"POST", b"DELETE", 1)
    assert (await refused(port, data))[0] == 403


async def test_a_preflight_promises_nothing(port: int) -> None:
    data = post(port, b"", origin="https://evil.example", access_control_request_method="POST")
    async with await Viewer.ask(port, raw=data.replace(b"POST", b"OPTIONS", 1)) as viewer:
        await viewer.head()
    assert viewer.status == 405
    assert not [name for name in viewer.headers if name.startswith("access-control")]


OURS = [
    {},
    {"host": "localhost:{port}"},
    {"host": "LOCALHOST", "origin": "http://localhost"},
    {"host": "127.0.0.2"},
    {"host": "[::1]:{port}", "origin": "http://[::1]:{port}"},
    {"origin": PAGE, "sec_fetch_site": "same-origin"},
    {"origin": "https://127.0.0.1:{port}"},
    {"sec_fetch_site": "none"},
]


@pytest.mark.parametrize("headers", OURS, ids=str)
async def test_what_is_ours_gets_through(headers: dict[str, Any]) -> None:
    async with gateway(Scenario(answer="Hi")) as (_, port):
        given = {name: value.format(port=port) for name, value in headers.items()}
        assert (await answer(port, raw=post(port, {"prompt": "Hi"}, **given)))[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        (("127.0.0.1", 1), 204),
        (("::1", 1), 204),
        (("::ffff:127.0.0.1", 1), 204),
        (("192.168.0.7", 1), 403),
        (("::ffff:192.168.0.7", 1), 403),
        (("testclient", 1), 403),
        (None, 403),
    ],
)
async def test_peers_are_on_this_machine(peer: Any, status: int) -> None:
    # Another machine can't be had in a test: the server's word for it stands in.
    assert await _status(Guard(_app, allowed_hosts=("Gate.Local",)), peer) == status


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204})


async def _status(app: Any, peer: Any) -> int:
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"gate.local:80")], "client": peer}
    await app(scope, None, send)
    return said[0]["status"]
