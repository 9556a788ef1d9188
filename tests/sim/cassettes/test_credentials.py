"""Where secrets stand, and that they are known everywhere once they were seen there."""

import base64
from typing import Any

import pytest

from headrace.sim.cassettes.credentials import Secrets
from headrace.sim.cassettes.memory import Memory

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "x-api-key", "helicone-auth", "x-session-token", "openai-project"]
)
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


def test_headers_whose_names_hold_a_secret_are_left_out() -> None:
    secrets = Secrets([KEY])
    assert secrets.headers(((KEY, "x"), ("x-a", "b"))) == (("x-a", "b"),)


def test_headers_with_several_secrets() -> None:
    secrets = Secrets()
    headers = (
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1"),
        ("x-custom-auth", 'user="me", password="hunter2hunter2"'),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE, SignedHeaders=host, Signature=fe5f80f77d5f",
        ),
    )
    secrets.learn_headers(headers)
    assert {value for _, value in secrets.headers(headers)} == {"[redacted]"}
    assert secrets.text(f"{KEY} hunter2hunter2 fe5f80f77d5f host realtime") == (
        "[redacted] [redacted] [redacted] host realtime"
    )


@pytest.mark.parametrize("text", ["a" * 65_536, "://" * 20_000, "?a" * 30_000, "%25" * 20_000, "a=" * 30_000])
def test_long_headers_take_no_time(text: str) -> None:
    secrets = Secrets()
    headers = (("x-long", text), ("cookie", text), ("x-address", f"?q={text}"))
    secrets.learn_headers(headers)
    assert secrets.headers(headers)[1] == ("cookie", "[redacted]")


def test_an_address_in_an_address() -> None:
    secrets = Secrets()
    path = "/go?to=https%3A%2F%2Fhost%2F%3Faccess_token%3Dabcdefghijkl%26x%3D1"
    secrets.learn_address(path)
    assert secrets.address(path) == "/go?to=https%3A%2F%2Fhost%2F%3Faccess_token%3D[redacted]%26x%3D1"


def test_fields_that_clients_really_send() -> None:
    body: Any = {
        "model": "gpt-4o",
        "max_tokens": 5,
        "openai_api_key": KEY,
        "password": "x",
        "auth": {"token": "abcdefgh-ijkl"},
        "session_id": "two words",
        "headers": [{"name": "Authorization", "value": "Bearer 0123456789abc"}, {"name": "x-y", "value": "left"}],
        "config": {"anything": "sk-live-0123456789abcdefgh"},
        "prompt_cache_key": "cache-0123456789",
        "secret": "",
        "logprobs": [{"token": "abcdefgh12345678"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "login",
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "token": {"type": "string", "enum": ["abcdefgh12345678"]},
                            "password": {"type": "string", "description": "at least 12345678 of them"},
                        },
                        "required": ["token", "password"],
                    },
                },
            },
            {"type": "mcp", "authorization": "opaque"},
        ],
        "messages": [
            {"role": "user", "content": "my token: abcdefgh123"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "…", "signature": "EqQBCgIYAhIMabc0123456789"},
                {"type": "tool_use", "name": "login", "input": {"token": "0123abcd4567", "password": "letmeinnow"}},
                {"type": "tool_use", "name": "ask", "input": {"api_key": "abc123def456"}},
            ]},
        ],
    }  # fmt: skip
    secrets = Secrets()
    assert secrets.learn_json(body)
    kept = secrets.json(body)
    said: Any = body["messages"]
    said[1]["content"][2]["input"]["api_key"] = "[redacted]"
    assert kept == {
        **body,
        "openai_api_key": "[redacted]",
        "password": "[redacted]",
        "auth": {"token": "[redacted]"},
        "headers": [{"name": "Authorization", "value": "[redacted]"}, {"name": "x-y", "value": "left"}],
        "config": {"anything": "[redacted]"},
        "tools": [body["tools"][0], {"type": "mcp", "authorization": "[redacted]"}],
    }


def test_a_body_without_secrets() -> None:
    secrets = Secrets([KEY])
    assert not secrets.learn_json({"messages": [{"image_url": {"url": "https://host/x.png?size=1"}}], "n": 1})
    assert secrets.learn_json({"messages": [{"image_url": {"url": "https://host/x.png?sig=1"}}]})


def test_lines_of_a_key() -> None:
    secrets = Secrets()
    secrets.learn_json(
        {"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\nBgkqhkiG\n-----END PRIVATE KEY-----\n"}
    )
    assert secrets.text("MIIEvQIBADAN\\nBgkqhkiG\n-----BEGIN PRIVATE KEY-----") == (
        "[redacted]\\n[redacted]\n-----BEGIN PRIVATE KEY-----"
    )


def test_bodies_that_are_no_json() -> None:
    secrets = Secrets()
    form = b"client_secret=a%2Bbcdefgh&password=x&note=a%2bbcdefgh&x=%20"
    assert secrets.body(form) == b"client_secret=[redacted]&password=[redacted]&note=[redacted]&x=%20"
    assert secrets.text("a+bcdefgh") == "[redacted]"
    lines = b'{"custom_id": "1", "access_token": "zyxwvuts9876"}\n{"x": "zyxwvuts9876"}\n{broken'
    assert secrets.body(lines) == b'{"custom_id": "1", "access_token": "[redacted]"}\n{"x": "[redacted]"}\n{broken'


def test_an_exchange_forgets_nothing_that_it_showed() -> None:
    memory = Memory()
    secrets = Secrets(memory=memory)
    secrets.learn_headers((("authorization", f"Bearer {KEY}"),))
    for number in range(500):
        secrets.learn_headers((("set-cookie", f"c=cookie-{number:04}"),))
        secrets.learn_address(f"https://host/?X-Amz-Signature=signature-{number:04}")
        secrets.learn_field(f"field-{number:04}")
    shown = f"{KEY} cookie-0000 cookie-0499 signature-0000 field-0000"
    assert secrets.text(shown) == " ".join(["[redacted]"] * 5)
    # in the next one, what comes anew each time is given up; who asked is not
    assert Secrets(memory=memory).text(shown) == "[redacted] cookie-0000 [redacted] signature-0000 field-0000"


def test_signed_requests_push_out_no_key() -> None:
    memory = Memory(["known-beforehand"])
    for number in range(200):
        secrets = Secrets(memory=memory)
        secrets.learn_headers(
            (("x-api-key", f"key-of-{number:04}"), ("authorization", f"X Signature=fe5f80f7{number}"))
        )
    text = Secrets(memory=memory).text("known-beforehand key-of-0000 key-of-0199 fe5f80f70 fe5f80f7199")
    assert text == "[redacted] [redacted] [redacted] fe5f80f70 [redacted]"


def test_what_one_exchange_learns_another_knows_at_once() -> None:
    memory = Memory()
    one, other = Secrets(memory=memory), Secrets(memory=memory)
    assert one.text(KEY) == KEY
    other.learn(KEY)
    assert one.text(KEY) == "[redacted]"
