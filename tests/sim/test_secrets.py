"""Names that hold secrets and names that only look so; values that are credentials and values that are words."""

import pytest

from headrace.sim.secrets import Strength, is_key, is_secret_name, is_word, looks_random, strength

SECRET = """
authorization Proxy-Authorization x-auth-token x-portkey-api-key x-litellm-api-key helicone-auth cf-aig-authorization
ocp-apim-subscription-key private-token x-session-token cf-access-client-secret sec-websocket-protocol x-api-key api-key
x-goog-api-key cookie set-cookie openai-organization openai-project anthropic-organization-id x-amz-security-token
cf-access-jwt-assertion x-functions-key x-auth-key x-access-tokens password client_secret access-token access.token key
sig X-Amz-Signature X-Amz-Credential x-goog-signature token secret apikey subscription-key openAiApiKey pwd user_pwd
"""

HARMLESS = """
monkey max_tokens x-ratelimit-remaining-tokens anthropic-ratelimit-input-tokens-limit x-ratelimit-reset-tokens
x-ratelimit-limit-tokens_per_minute token_type author x-author authority www-authenticate proxy-authenticate
access-control-allow-credentials idempotency-key x-amzn-bedrock-input-token-count pageToken api-version content-type
x-request-id anthropic-beta prompt_cache_key auth_type x-keyword llm-total-tokens time-to-first-token etag user-agent
"""

FIELDS = {
    Strength.SURE: """
password client_secret secret refresh_token access_token openai_api_key aws_secret_access_key aws_access_key_id apiKey
accessToken clientSecret authorization Authorization authorization_token private_key id_token openai-organization
""",
    Strength.LIKELY: "token auth credential session_id cookie jwt",
    Strength.NONE: """
max_tokens max_completion_tokens tokens input_tokens prompt_tokens_details completion_tokens_details token_type
promptTokenCount candidatesTokenCount token_logprobs eos_token stop_token_ids next_page_token nextPageToken signature
thought_signature tokenizer author token_ids cached_tokens decoded_token return_token_type_ids client_secret_expires_at
tokenUsage key value prompt_cache_key model token_endpoint
""",
}


@pytest.mark.parametrize("name", SECRET.split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", [*HARMLESS.split(), "x" * 100_000, ""])
def test_names_that_are_harmless(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(("name", "says"), [(name, says) for says, names in FIELDS.items() for name in names.split()])
def test_fields(name: str, says: Strength) -> None:
    assert strength(name) is says


@pytest.mark.parametrize(
    ("text", "word", "random"),
    [
        ("sk-test-0123456789abcdef", True, True),
        ("Bearer sk-test-0123456789abcdef", True, True),
        ("eyJhbGciOi.eyJzdWIiOi.SflKxwRJS1", True, True),
        ("QWxhZGRpbjpvcGVuIHNlc2FtZQ", True, True),
        ("qWxhZGRpbjpvcGVuIHNlcFtZa", True, True),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n", True, True),
        ("authorization_code", True, False),
        ("aaaaaaa1", True, False),
        ("12345678", True, False),
        ("f(x1)=y[2]", True, False),
        ("short1", False, False),
        ("two words 12", False, False),
        ("https://auth.example.com/oauth2", False, False),
        ("a1" * 5000, False, False),
    ],
)
def test_values(text: str, word: bool, random: bool) -> None:
    assert (is_word(text), looks_random(text)) == (word, random)


def test_keys_of_well_known_providers() -> None:
    assert is_key("ek_68af296e8e408191a1120ab6383263c2")
    assert is_key("sk-proj-abcdefghijklmnop")
    assert not is_key("sk-short")
    assert not is_key("chatcmpl-0123456789abcdefghij")
