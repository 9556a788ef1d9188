"""No connection, or none that can be trusted: what a user reads."""

import socket
import ssl
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import trustme

import headrace
from headrace import ConnectError, TLSError
from tests.faces import FACES, KEY, Face, ask, read
from tests.servers import Server, whole
from tests.wire.streams import DONE, say, sse

pytestmark = pytest.mark.usefixtures("bare")

Serve = Callable[..., Server]

HELLO = whole(sse(say("Hello", "stop"), DONE))


# -- no connection


@pytest.mark.parametrize("face", FACES)
def test_a_refused_connection(face: Face) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, so that nobody else gets it, and not listening
        port = unused.getsockname()[1]
        reading = read(face, "openai/m", "Hi", base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY)
    assert type(reading.error) is ConnectError
    assert isinstance(reading.error, ConnectionError)
    assert str(reading.error) == f"no connection to 127.0.0.1:{port}: Connection refused"
    assert reading.error.info.provider == "openai"
    assert reading.message.outcome == "failed"
    assert KEY not in "".join([repr(reading.error.info), *traceback.format_exception(reading.error)])


@pytest.mark.parametrize("face", FACES)
def test_no_such_host(face: Face) -> None:
    error = read(face, "m", "Hi", base_url="http://no-such-host.invalid/v1").error
    assert type(error) is ConnectError
    assert str(error).startswith("no connection to no-such-host.invalid:80: ")


@pytest.mark.parametrize("face", FACES)
def test_a_connection_that_takes_too_long(face: Face) -> None:
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (one, two):
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        error = read(face, "m", "Hi", base_url=url, connect_s=0.3).error
    assert type(error) is ConnectError
    assert str(error) == "no connection within the connect timeout"


@pytest.mark.parametrize("face", FACES)
def test_a_handshake_that_takes_too_long(face: Face) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        error = read(face, "m", "Hi", base_url=url, connect_s=0.3).error
    assert type(error) is ConnectError
    assert str(error) == "no connection within the connect timeout"


@pytest.mark.parametrize("face", FACES)
def test_the_error_is_this_stream_s_not_the_one_that_is_being_handled(face: Face) -> None:
    # as in a loop that retries: what went wrong before must not be told again
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        try:
            raise ssl.SSLCertVerificationError("of another stream")
        except ssl.SSLError:
            try:
                raise TimeoutError("of yet another")
            except TimeoutError:
                error = read(face, "m", "Hi", base_url=url).error
    assert type(error) is ConnectError
    assert "another" not in str(error)


# -- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("face", FACES)
def test_a_certificate_that_nobody_trusts(face: Face, tls: ssl.SSLContext, serve: Serve) -> None:
    server = serve(HELLO, tls=tls)
    error = read(face, **ask(server)).error
    assert type(error) is TLSError
    assert isinstance(error, ConnectError)
    assert str(error).startswith("the server's certificate is not trusted: ")
    assert "certificate verify failed" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("face", FACES)
def test_a_certificate_of_another_host(face: Face, authority: trustme.CA, serve: Serve) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    server = serve(HELLO, tls=context)
    error = read(face, **ask(server, ssl_context=ours)).error
    assert type(error) is TLSError
    assert "127.0.0.1" in str(error)
    assert server.requests == []


@pytest.mark.parametrize("face", FACES)
def test_no_tls_on_the_other_side(face: Face, serve: Serve) -> None:
    server = serve(HELLO, greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    error = read(face, **ask(server, base_url=server.url.replace("http:", "https:"))).error
    assert type(error) is TLSError
    assert str(error).startswith("no TLS connection: ")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_named_by_the_environment(
    face: Face,
    variable: str,
    tls: ssl.SSLContext,
    authority: trustme.CA,
    serve: Serve,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv(variable, str(bundle))
    reading = read(face, **ask(serve(HELLO, tls=tls)))
    assert (reading.error, reading.text) == (None, "Hello")


@pytest.mark.parametrize("face", FACES)
def test_a_context_of_the_user_s_own(face: Face, tls: ssl.SSLContext, authority: trustme.CA, serve: Serve) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    reading = read(face, **ask(serve(HELLO, tls=tls), ssl_context=context))
    assert (reading.error, reading.text) == (None, "Hello")


@pytest.mark.parametrize("face", FACES)
def test_certificates_that_cannot_be_read(
    face: Face, tls: ssl.SSLContext, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    error = read(face, **ask(serve(HELLO, tls=tls))).error
    assert isinstance(error, headrace.ConfigError)
    assert "REQUESTS_CA_BUNDLE names '/no/such/file.pem', which cannot be read as certificates" in str(error)
