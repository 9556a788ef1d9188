"""Where secrets stand, and that they are known everywhere once they were seen there."""

import base64
from typing import Any

import pytest

from headrace.sim.cassettes.credentials import SECRET_HEADERS, Secrets

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize("name", sorted(SECRET_HEADERS - {"cookie", "set-cookie"}))
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer  "])
def test_secret_headers(name: str, scheme: str) -> None:
    secrets = Secrets()
    headers = ((name, scheme + KEY), ("x-echo", f"you sent {KEY}"), ("accept", "*/*"))
    secrets.learn_headers(headers)
    assert secrets.headers(headers) == ((name, "[redacted]"), ("x-echo", "you sent [redacted]"), ("accept", "*/*"))
    assert secrets.data(b"Incorrect API key: " + KEY.encode()) == b"Incorrect API key: [redacted]"


def test_cookies() -> None:
    secrets = Secrets()
    headers = (
        ("cookie", "session=abcdefghijkl; theme=dark; other=mnopqrstuvwx"),
        ("set-cookie", "__cf_bm=yzyzyzyzyzyz; path=/; domain=.api.example.com; Expires=Thu"),
    )
    secrets.learn_headers(headers)
    assert secrets.headers(headers) == (("cookie", "[redacted]"), ("set-cookie", "[redacted]"))
    text = "abcdefghijkl mnopqrstuvwx yzyzyzyzyzyz dark .api.example.com"
    assert secrets.text(text) == "[redacted] [redacted] [redacted] dark .api.example.com"


def test_basic_authorization_is_opened() -> None:
    secrets = Secrets()
    coded = base64.b64encode(b"somebody:hunter2hunter2").decode()
    secrets.learn_headers((("authorization", f"Basic {coded}"), ("proxy-authorization", "Basic no=base64")))
    assert secrets.text(f"{coded} somebody:hunter2hunter2 hunter2hunter2 somebody") == (
        "[redacted] [redacted] [redacted] [redacted]"
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/v1/models?key=abcdefghijkl&x=1", "/v1/models?key=[redacted]&x=1"),
        ("/v1?x=1&API_KEY=abcdefghijkl", "/v1?x=1&API_KEY=[redacted]"),
        ("/v1?access_token=a%2Dbcdefghijkl#end", "/v1?access_token=[redacted]#end"),
        ("/v1?X-Amz-Signature=abcdefghijkl", "/v1?X-Amz-Signature=[redacted]"),
        ("/v1?key=short", "/v1?key=[redacted]"),
        ("/v1?monkey=abcdefghijkl", "/v1?monkey=abcdefghijkl"),
        ("https://user:pass@host/x?y=1", "https://[redacted]@host/x?y=1"),
        ("https://host/@user", "https://host/@user"),
    ],
)
def test_addresses(text: str, kept: str) -> None:
    secrets = Secrets()
    secrets.learn_address(text)
    assert secrets.address(text) == kept


def test_what_an_address_holds_is_known() -> None:
    secrets = Secrets()
    secrets.learn_address("https://somebody:a%2Dbcdefgh@host/?sig=klmn+opqr%3D")
    text = "a%2Dbcdefgh a-bcdefgh klmn+opqr= klmn opqr= klmn+opqr%3D"
    assert secrets.text(text) == "[redacted] [redacted] [redacted] [redacted] [redacted]"


def test_the_fields_of_a_body() -> None:
    secrets = Secrets()
    body: Any = {
        "mcp_servers": [{"url": "https://host/?key=abcdefghijkl", "authorization_token": "opqrstuvwxyz"}],
        "tools": [
            {"headers": {"Authorization": "Bearer 123456789"}, "required": ["api_key"], "api_key": ["ABCDEFGHIJ"]}
        ],
        "messages": [{"content": "opqrstuvwxyz and ?key=notaurl12 and 123456789"}],
        "number": 123456789,
        "other": [1.5, True, None, 7],
        "opqrstuvwxyz": 1,
    }
    secrets.learn_json(body)
    assert secrets.json(body) == {
        "mcp_servers": [{"url": "https://host/?key=[redacted]", "authorization_token": "[redacted]"}],
        "tools": [{"headers": {"Authorization": "[redacted]"}, "required": ["api_key"], "api_key": ["[redacted]"]}],
        "messages": [{"content": "[redacted] and ?key=notaurl12 and [redacted]"}],
        "number": "[redacted]",
        "other": [1.5, True, None, 7],
        "[redacted]": 1,
    }
    assert secrets.text("abcdefghijkl ABCDEFGHIJ") == "[redacted] [redacted]"


def test_short_words_are_no_secrets_to_look_for() -> None:
    secrets = Secrets(["none", ""])
    headers = (("authorization", "Bearer ollama"),)
    secrets.learn_headers(headers)
    assert secrets.headers(headers) == (("authorization", "[redacted]"),)
    assert secrets.text("ollama: none") == "ollama: none"


def test_what_was_met_is_given_up_some_day_and_what_is_known_never() -> None:
    secrets = Secrets([KEY])
    for number in range(70):
        secrets.learn(f"cookie-{number:04}")
        secrets.learn("again-and-again")
        secrets.learn(KEY)
        secrets.learn("[redacted]")
    assert secrets.text("cookie-0000") == "cookie-0000"
    assert secrets.text(f"cookie-0069 again-and-again {KEY}") == "[redacted] [redacted] [redacted]"
