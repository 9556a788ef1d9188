"""Proxies of the environment, as users expect them, in both faces."""

import base64
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from headrace import ConfigError, ConnectError
from headrace.transport.base import proxy_for
from tests.faces import FACES, KEY, Face, ask, read
from tests.servers import STALL, Server, chunked, head, open_sockets, whole
from tests.transport.proxies import Proxy
from tests.wire.streams import DONE, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

HELLO = whole(sse(say("Hello", "stop"), DONE))


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    proxies: list[Proxy] = []

    def start(**options: Any) -> Proxy:
        proxies.append(Proxy(**options))
        return proxies[-1]

    yield start
    for each in proxies:
        each.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_plain_address_is_forwarded(
    face: Face, variable: str, serve: Serve, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, between = serve(HELLO), proxy()
    monkeypatch.setenv(variable, between.url)
    reading = read(face, **ask(server))
    assert (reading.error, reading.text) == (None, "Hello")
    assert between.lines == [f"POST {server.url}/chat/completions"]


@pytest.mark.parametrize("face", FACES)
def test_a_tls_address_is_tunnelled(
    face: Face,
    serve: Serve,
    proxy: Callable[..., Proxy],
    tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, between = serve(HELLO, tls=tls), proxy()
    monkeypatch.setenv("HTTPS_PROXY", between.url)
    reading = read(face, **ask(server, ssl_context=trusting))
    assert (reading.error, reading.text) == (None, "Hello")
    assert between.lines == [f"CONNECT 127.0.0.1:{server.port}"]
    assert KEY not in "".join(between.heads)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("https", [False, True])
def test_credentials_of_the_proxy(
    face: Face,
    https: bool,
    serve: Serve,
    proxy: Callable[..., Proxy],
    tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, between = serve(HELLO, tls=tls if https else None), proxy()
    monkeypatch.setenv("ALL_PROXY", between.url.replace("//", "//me:pa%40ss@"))
    reading = read(face, **ask(server, ssl_context=trusting))
    assert (reading.error, reading.text) == (None, "Hello")
    expected = base64.b64encode(b"me:pa@ss").decode()
    assert f"proxy-authorization: basic {expected}".lower() in between.heads[0].lower()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("exempt", ["127.0.0.1", "localhost,127.0.0.1", "*"])
def test_what_no_proxy_names_is_asked_directly(
    face: Face, exempt: str, serve: Serve, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, between = serve(HELLO), proxy()
    monkeypatch.setenv("HTTP_PROXY", between.url)
    monkeypatch.setenv("NO_PROXY", exempt)
    reading = read(face, **ask(server))
    assert (reading.error, reading.text) == (None, "Hello")
    assert between.lines == []


@pytest.mark.parametrize("face", FACES)
def test_another_scheme_s_proxy_is_left_alone(
    face: Face, serve: Serve, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, between = serve(HELLO), proxy()
    monkeypatch.setenv("HTTPS_PROXY", between.url)
    assert read(face, **ask(server)).text == "Hello"
    assert between.lines == []


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("https", [False, True])
def test_leaving_closes_the_connection_to_the_proxy(
    face: Face,
    https: bool,
    serve: Serve,
    proxy: Callable[..., Proxy],
    tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve([head() + chunked(sse(say("Hel"))), STALL], tls=tls if https else None)
    between = proxy()
    monkeypatch.setenv("ALL_PROXY", between.url)
    reading = read(face, limit={"chars": 3}, **ask(server, ssl_context=trusting))
    assert reading.message.outcome == "stopped"
    assert server.peers[0].wait_gone()
    assert open_sockets(between.port) == 0


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("https", [False, True])
def test_a_proxy_that_is_asked_over_tls(
    face: Face,
    https: bool,
    serve: Serve,
    proxy: Callable[..., Proxy],
    tls: ssl.SSLContext,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # to a TLS address it is TLS within TLS; left in the middle, and read to the end
    script = [head() + chunked(sse(say("Hel"))), STALL]
    server, between = serve(script, HELLO, tls=tls if https else None), proxy(tls=tls)
    monkeypatch.setenv("ALL_PROXY", between.url)
    reading = read(face, limit={"chars": 3}, **ask(server, ssl_context=trusting))
    assert (reading.error, reading.text, reading.message.outcome) == (None, "Hel", "stopped")
    assert server.peers[0].wait_gone()
    reading = read(face, **ask(server, ssl_context=trusting))
    assert (reading.error, reading.text) == (None, "Hello")
    assert open_sockets(between.port) == 0
    assert len(between.lines) == 2


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("https", [False, True])
def test_a_proxy_that_says_nothing(
    face: Face, https: bool, serve: Serve, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, between = serve(HELLO), proxy(silent=True)
    monkeypatch.setenv("ALL_PROXY", between.url)
    url = server.url.replace("http:", "https:") if https else server.url
    error = read(face, **ask(server, base_url=url, connect_s=0.2, timeouts=(0.4, None, None))).error
    if https:
        assert type(error) is ConnectError
        assert str(error) == "no connection within the connect timeout"
    else:
        assert error.info.phase == "first_token"
    assert between.gone.wait(10)
    assert open_sockets(between.port) == 0


@pytest.mark.parametrize("face", FACES)
def test_a_proxy_that_refuses_the_tunnel(
    face: Face, serve: Serve, proxy: Callable[..., Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    between = proxy(refuse=b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
    monkeypatch.setenv("HTTPS_PROXY", between.url.replace("//", "//me:secret-word@"))
    error = read(face, "m", "Hi", base_url="https://127.0.0.1:1/v1").error
    assert type(error) is ConnectError
    assert str(error).startswith("no connection through the proxy: ")
    assert "407 Proxy Authentication Required" in str(error)
    assert "secret-word" not in str(error)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(face: Face, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://me:secret-word@127.0.0.1:1")
    error = read(face, "m", "Hi", base_url=f"{scheme}://example.invalid/v1").error
    assert type(error) is ConnectError
    assert str(error) == "no connection to 127.0.0.1:1: Connection refused"


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://me:secret-word@127.0.0.1:1080", "is of the kind 'socks5': only http(s) is known"),
        ("http://", "the proxy for http has no host, or no good port"),
        ("http://127.0.0.1:port", "the proxy for http has no host, or no good port"),
        ("http://[::1", "the proxy for http has no host, or no good port"),
    ],
)
def test_a_proxy_that_is_none(face: Face, value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    error = read(face, "m", "Hi", base_url="http://example.invalid/v1").error
    assert type(error) is ConfigError
    assert words in str(error)
    assert "secret-word" not in str(error)


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({}, "http://h/v1", None),
        ({"HTTP_PROXY": "p:3128"}, "http://h/v1", "http://p:3128"),
        ({"HTTPS_PROXY": "https://p"}, "https://h/v1", "https://p"),
        ({"HTTPS_PROXY": "http://p"}, "http://h/v1", None),
        ({"ALL_PROXY": "http://p"}, "https://h/v1", "http://p"),
        ({"ALL_PROXY": "http://p", "HTTP_PROXY": "http://q"}, "http://h/v1", "http://q"),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": "h"}, "http://h/v1", None),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": ".example.com"}, "http://a.example.com:8000/v1", None),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": "h:8000"}, "http://h:8000/v1", None),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": "h:8000"}, "http://h:9000/v1", "http://p"),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": "h"}, "http://me:word@h/v1", None),
        ({"HTTP_PROXY": ""}, "http://h/v1", None),
    ],
)
def test_which_proxy(
    environment: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == expected
