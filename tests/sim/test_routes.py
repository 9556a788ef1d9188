"""Which paths there are, the list of models, and what is said of paths that there are not."""

import json
from typing import Any

import pytest

from headrace.sim.play import Call, Play
from headrace.sim.provider import SimulatedProvider
from headrace.sim.scenarios.builtin import BUILTINS
from tests.sim.asking import body, header, played, read, status

ANTHROPIC = {"anthropic-version": "2023-06-01"}


def ask(method: str, path: str, headers: dict[str, str] | None = None, data: bytes = b"") -> Play:
    return SimulatedProvider(speed="max").play(Call(method=method, path=path, headers=headers or {}, body=data))


def value(play: Play) -> Any:
    assert header(play, "content-type") == "application/json"
    return json.loads(played(play))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/v1/chat/completions?api-version=2026-01-01",
        "/api/v1/chat/completions",
        "/openai/deployments/gpt-x/chat/completions?api-version=1",
    ],
)
def test_paths_of_openais_and_its_followers(path: str) -> None:
    made = ask("POST", path, ANTHROPIC, body())
    assert (made.wire, made.model, read(made).message.outcome) == ("openai-chat", "test", "complete")


@pytest.mark.parametrize("path", ["/v1/messages", "/messages", "/anthropic/v1/messages?beta=true"])
def test_paths_of_anthropics(path: str) -> None:
    made = ask("POST", path, data=body(max_tokens=5))
    assert (made.wire, read(made).message.outcome) == ("anthropic", "length")


def test_a_deployment_is_a_models_name() -> None:
    data = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    made = ask("POST", "/openai/deployments/list%3Bwords=5/chat/completions", data=data)
    assert (made.model, made.label, status(made)) == ("list", "list", 200)


def test_the_list_of_models() -> None:
    listed = value(ask("GET", "/v1/models"))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [f"sim/{name}" for name in BUILTINS]
    assert {model["object"] for model in listed["data"]} == {"model"}
    assert ask("HEAD", "/models").tokens == 0


def test_anthropics_list_of_models() -> None:
    listed = value(ask("GET", "/v1/models?limit=20", ANTHROPIC))
    ids = [model["id"] for model in listed["data"]]
    assert ids == [f"sim/{name}" for name in BUILTINS]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (ids[0], ids[-1], False)
    assert listed["data"][0]["type"] == "model"
    assert listed["data"][0]["created_at"] == "2025-06-15T15:06:40Z"
    assert value(ask("GET", "/v1/models", {"x-api-key": "k"})) == listed


@pytest.mark.parametrize("name", ["sim/prose", "prose", "sim%2Fprose", "prose;speed=max"])
def test_one_model(name: str) -> None:
    assert value(ask("GET", f"/v1/models/{name}"))["id"] == "sim/prose"
    assert (
        value(ask("GET", f"/v1/models/{name}", ANTHROPIC))["display_name"]
        == "Simulation: some paragraphs with headings"
    )


def test_a_model_that_there_is_not() -> None:
    made = ask("GET", "/v1/models/gpt-9")
    assert status(made) == 404
    assert value(made)["error"] == {
        "message": "The model 'gpt-9' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    made = ask("GET", "/v1/models/gpt-9", ANTHROPIC)
    assert status(made) == 404
    assert value(made)["error"] == {"type": "not_found_error", "message": "model: gpt-9"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/completions", "/v1/chat/completions/x", "/v1/modelsx", ""])
def test_a_path_that_there_is_not(path: str) -> None:
    made = ask("POST", f"{path}?key=secret", data=b"{}")
    assert status(made) == 404
    error = value(made)["error"]
    assert (error["message"], error["code"]) == (f"Invalid URL (POST {path})", "unknown_url")
    made = ask("POST", path, ANTHROPIC)
    assert (status(made), value(made)["error"]) == (404, {"type": "not_found_error", "message": "Not Found"})


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("GET", "/v1/messages", "POST"),
        ("PUT", "/v1/messages/count_tokens", "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/sim/prose", "GET, HEAD"),
        ("GE", "/v1/models", "GET, HEAD"),
    ],
)
def test_a_method_that_the_path_does_not_know(method: str, path: str, allow: str) -> None:
    made = ask(method, path)
    assert (status(made), header(made, "allow")) == (405, allow)
    if "messages" in path:
        assert value(made)["error"] == {"type": "invalid_request_error", "message": "Method Not Allowed"}
    else:
        assert value(made)["error"]["message"] == f"Not allowed to {method} on {path}"
        assert value_code(ask(method, path)) == "method_not_supported"


def value_code(play: Play) -> Any:
    return value(play)["error"]["code"]
