"""What the transports share: addresses, certificates, and words for what went wrong."""

import errno
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from headrace import ConfigError, UsageError
from headrace.transport.base import check_url, default_ssl_context, why_not

pytestmark = pytest.mark.usefixtures("bare")


@pytest.mark.parametrize(
    "url", ["http://h", "https://h:8443/v1", "http://[::1]:80/v1", "http://127.0.0.1", "HTTP://H/"]
)
def test_an_address(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url", ["", "h", "h:80", "ftp://h", "sim:", "http://", "http://:80", "http://h:0x", "http://[::1"]
)
def test_no_address(url: str) -> None:
    with pytest.raises(UsageError, match="is not one of http:// or https:// with a host"):
        check_url(url)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("odd"), "odd"),
        (OSError(), "OSError"),
    ],
)
def test_why_there_is_no_connection(error: OSError, reason: str) -> None:
    assert why_not("h", 80, error) == f"no connection to h:80: {reason}"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    file = tmp_path / "bundle.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_of_the_environment(variable: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(default_ssl_context().get_ca_certs())
    monkeypatch.setenv(variable, str(bundle))
    after = len(default_ssl_context().get_ca_certs())
    assert after == (1 if variable == "SSL_CERT_FILE" else before + 1)


def test_a_folder_of_certificates(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSSL looks into it when it needs one: that it is taken is all that can be seen here
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle.parent))
    assert default_ssl_context().verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_certificates_that_cannot_be_read(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bad.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE names .*bad\.pem.*cannot be read as certificates"):
        default_ssl_context()


@pytest.fixture
def without_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has none: it cannot be had here otherwise."""
    made: Any = ssl.SSLContext
    monkeypatch.setattr(ssl, "create_default_context", lambda: made(ssl.PROTOCOL_TLS_CLIENT))
    nothing = ssl.DefaultVerifyPaths(None, None, "", "", "", "")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)


@pytest.mark.usefixtures("without_certificates")
def test_a_system_without_certificates_takes_certifi_s(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("certifi")
    assert default_ssl_context().get_ca_certs()


@pytest.mark.usefixtures("without_certificates")
def test_a_system_without_certificates_and_certifi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "certifi", None)
    assert default_ssl_context().get_ca_certs() == []
