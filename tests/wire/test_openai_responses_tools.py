"""openai-responses: tools that the API has of its own, images, sound, and what is not known."""

from typing import Any

import pytest

from headrace.events import PartDelta, PartEnd, PartReplace, PartStart, PartUpdate, Raw
from headrace.message import Part
from tests.wire.responses import added, answer, at, done
from tests.wire.streams import Decoded, Json, decode


def told_of(*frames: Json | str) -> Decoded:
    told = decode("openai-responses", answer(*frames))
    assert told.message.outcome == "complete"
    assert told.message.tool_calls == []
    return told


def only(told: Decoded) -> Part:
    [part] = told.message.parts
    return part


def test_a_search_says_what_it_is_at() -> None:
    action = {"type": "search", "query": "q"}
    told = told_of(
        added(0, "web_search_call", id="ws_1", status="in_progress"),
        at("web_search_call.in_progress"),
        at("web_search_call.searching"),
        at("web_search_call.completed"),
        done(0, "web_search_call", id="ws_1", status="completed", action=action),
        at("web_search_call.completed"),
    )
    assert told.events[1:-3] == [
        PartStart(
            "0.0.0",
            "server_tool_call",
            0,
            "web_search_call",
            None,
            0,
            {"type": "web_search_call", "id": "ws_1", "status": "in_progress"},
        ),
        PartUpdate("0.0.0", data={"status": "searching"}),
        PartUpdate("0.0.0", data={"status": "completed"}),
        PartUpdate("0.0.0", data={"action": action}),
        PartEnd("0.0.0"),
    ]


GROWING: dict[str, tuple[str, str, Json, Json]] = {
    "code_interpreter_call": ("code_interpreter_call_code", "code", {"code": ""}, {"code": "ab", "outputs": []}),
    "mcp_call": ("mcp_call_arguments", "arguments", {"arguments": ""}, {"arguments": "ab", "output": "o"}),
    "apply_patch_call": (
        "apply_patch_call_operation_diff",
        "diff",
        {"operation": {"type": "create_file", "diff": ""}},
        {"operation": {"type": "create_file", "diff": "ab"}},
    ),
}


@pytest.mark.parametrize("word", GROWING)
@pytest.mark.parametrize("missed", [0, 1, 2])
def test_what_a_tool_is_given_grows(word: str, missed: int) -> None:
    base, field, before, after = GROWING[word]
    deltas = [at(f"{base}.delta", delta=c) for c in "ab"][: 2 - missed]
    told = told_of(
        added(0, word, id="x_1", **before), *deltas, at(f"{base}.done", **{field: "ab"}), done(0, word, **after)
    )
    part = only(told)
    assert (part.kind, part.name, part.text) == ("server_tool_call", word, "ab")
    assert told.of(PartReplace) == []
    kept = {key: value for key, value in after.items() if key != field}
    assert part.data == {"type": word, "id": "x_1", **kept}
    unannounced = told_of(*deltas, at(f"{base}.done", **{field: "ab"}))
    assert (only(unannounced).kind, only(unannounced).text) == ("server_tool_call", "ab")


def test_the_commands_of_a_shell_are_lines() -> None:
    told = told_of(
        added(0, "shell_call", id="sh_1", call_id="c", action={"commands": []}),
        *[
            {"type": f"response.shell_call_command.{verb}", "output_index": 0, "command_index": n, **more}
            for n, command in enumerate(["ls", "cd x"])
            for verb, more in (
                ("added", {"command": ""}),
                ("delta", {"delta": command[:2]}),
                ("delta", {"delta": command[2:]}),
                ("done", {"command": command}),
            )
        ],
        done(0, "shell_call", id="sh_1", call_id="c", action={"commands": ["ls", "cd x"]}),
    )
    part = only(told)
    assert (part.text, part.call_id, told.of(PartReplace)) == ("ls\ncd x", "c", [])
    assert part.data == {"type": "shell_call", "id": "sh_1", "action": {"commands": ["ls", "cd x"]}}
    unannounced = told_of({"type": "response.shell_call_command.delta", "delta": "ls"})
    assert only(unannounced).text == "ls"


def test_what_a_shell_writes_is_a_result() -> None:
    output = [{"stdout": "a", "stderr": "b", "outcome": {"type": "exit", "exit_code": 0}}]
    told = told_of(
        added(0, "shell_call_output", id="o", call_id="c", output=[]),
        at("shell_call_output_content.delta", command_index=0, delta={"stderr": "b"}),
        at("shell_call_output_content.delta", command_index=0, delta={"stdout": "a"}),
        at("shell_call_output_content.delta", command_index=0, delta="odd"),
        at("shell_call_output_content.done", command_index=0, output=output),
        done(0, "shell_call_output", id="o", call_id="c", output=output),
    )
    part = only(told)
    assert (part.kind, part.name, part.call_id) == ("tool_result", "shell_call_output", "c")
    assert (part.text, part.data) == ("ba", {"type": "shell_call_output", "id": "o", "output": output})
    assert only(told_of(done(0, "shell_call_output", output=output))).text == "ab"


WHOLE: dict[str, tuple[str, Json]] = {
    "file_search_call": ("server_tool_call", {"queries": ["q"], "results": [{"file_id": "f"}]}),
    "computer_call": ("server_tool_call", {"call_id": "c", "action": {"type": "click"}}),
    "local_shell_call": ("server_tool_call", {"call_id": "c", "action": {"command": ["ls"]}}),
    "tool_search_call": ("server_tool_call", {"call_id": "c", "arguments": {"goal": "x"}, "execution": "client"}),
    "tool_search_output": ("tool_result", {"call_id": "c", "tools": []}),
    "mcp_list_tools": ("server_tool_call", {"server_label": "s", "tools": []}),
    "program_output": ("tool_result", {"call_id": "c", "result": "r"}),
    "compaction": ("compaction", {"encrypted_content": "gA"}),
    "novel": ("raw", {"x": 1}),
}


@pytest.mark.parametrize("word", WHOLE)
def test_items_that_come_only_added_and_done_or_only_done(word: str) -> None:
    kind, fields = WHOLE[word]
    told = told_of(added(0, word, id="i"), done(0, word, id="i", **fields))
    part = only(told)
    assert (part.kind, part.name, part.text, part.call_id) == (kind, word, "", fields.get("call_id"))
    assert part.data == {"type": word, "id": "i", **{k: v for k, v in fields.items() if k != "call_id"}}
    late = only(told_of(done(0, word, id="i", **fields)))
    assert (late.kind, late.data, late.call_id) == (part.kind, part.data, part.call_id)


@pytest.mark.parametrize(
    ("word", "field", "text"), [("program", "code", "f()"), ("mcp_approval_request", "arguments", "{}")]
)
def test_items_whose_text_comes_with_their_end(word: str, field: str, text: str) -> None:
    told = told_of(added(0, word, id="i", name="n", **{field: ""}), done(0, word, id="i", name="n", **{field: text}))
    part = only(told)
    assert (part.kind, part.name, part.text, part.data) == ("server_tool_call", "n", text, {"type": word, "id": "i"})


def test_an_image_is_drawn_over_and_over() -> None:
    told = told_of(
        added(0, "image_generation_call", id="ig_1", status="in_progress"),
        at("image_generation_call.in_progress"),
        at("image_generation_call.generating"),
        *[
            at("image_generation_call.partial_image", partial_image_index=n, partial_image_b64=image)
            for n, image in enumerate(["AAAA", "BBBB"])
        ],
        at("image_generation_call.completed"),
        done(0, "image_generation_call", id="ig_1", status="completed", result="CCCC", size="1x1"),
    )
    part = only(told)
    assert (part.kind, part.text) == ("media", "CCCC")
    assert part.data == {"type": "image_generation_call", "id": "ig_1", "status": "completed", "size": "1x1"}
    assert [e.text for e in told.of(PartReplace)] == ["AAAA", "BBBB", "CCCC"]
    at_once = told_of(done(0, "image_generation_call", id="ig_1", result="CCCC"))
    assert [e.text for e in at_once.of(PartDelta)] == ["CCCC"]
    alone = told_of(at("image_generation_call.partial_image", partial_image_b64="AAAA"))
    assert (only(alone).kind, only(alone).text) == ("media", "AAAA")


def test_sound_and_what_is_said_in_it() -> None:
    told = told_of(
        {"type": "response.audio.delta", "delta": "AA"},
        {"type": "response.audio.transcript.delta", "delta": "h"},
        {"type": "response.audio.transcript.delta", "delta": "i"},
        {"type": "response.audio.delta", "delta": "BB"},
        {"type": "response.audio.done"},
        {"type": "response.audio.transcript.done"},
    )
    assert [(p.kind, p.text) for p in told.message.parts] == [("media", "AABB"), ("text", "hi")]
    assert all(not e.implicit for e in told.of(PartEnd))


def test_a_tool_that_is_told_of_before_its_item_begins() -> None:
    part = only(told_of(at("web_search_call.searching")))
    assert (part.kind, part.data) == ("server_tool_call", {"type": "web_search_call", "status": "searching"})


def test_what_a_novel_item_streams_is_raw() -> None:
    told = told_of(added(0, "novel", id="i"), at("novel.delta", delta="a"), at("novel.searching"))
    assert [e.name for e in told.of(Raw)] == ["response.novel.delta", "response.novel.searching"]


def test_items_that_change_their_minds() -> None:
    told = told_of(added(0, "mcp_call", id="i", name="f"), done(0, "mcp_call", id="j", name="g", call_id="c", odd=None))
    assert told.of(PartUpdate) == [PartUpdate("0.0.0", "g", "c", {"id": "j"})]
    again = told_of(
        added(0, "mcp_call", id="i", name="f"),
        added(0, "mcp_call", id="i", name="f"),
        done(0, "mcp_call", id="i", name="f"),
        done(0, "mcp_call", id="i", name="z"),
    )
    assert again.of(PartUpdate) == []


def test_an_item_of_one_type_may_grow_as_another() -> None:
    odd: list[Any] = [added(0, "message", id="i"), at("function_call_arguments.delta", delta="{}")]
    told = decode("openai-responses", answer(*odd, done(0, "function_call", call_id="c", name="f", arguments="{}")))
    assert [(c.id, c.name, c.arguments) for c in told.message.tool_calls] == [("c", "f", "{}")]
    closed = [*odd, done(0, "message", content=[]), done(0, "function_call", name="f")]
    assert len(decode("openai-responses", answer(*closed)).message.tool_calls) == 1
