"""Streams of openai-responses, one of each sort."""

from tests.wire.responses import (
    added,
    answer,
    at,
    call,
    completed,
    created,
    done,
    incomplete,
    lifecycle,
    message,
    numbered,
    summary,
    text_delta,
    text_part,
    used,
)

URL = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
PROBS = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]


def samples(text: str) -> dict[str, bytes]:
    """Give the streams; the one with plenty of text says this one."""
    return {
        "text": answer(*message(0, *text), usage=used(3, 2, cached=1)),
        "crlf": answer(*message(0, "a", "b")).replace(b"\n", b"\r\n"),
        "cr": answer(*message(0, "a", "b")).replace(b"\n", b"\r"),
        "comments and a marker": numbered(": WAIT", *created(), ":", *message(0, "a"), completed(), "data: [DONE]"),
        "thinking": answer(
            *summary(0, "hm", "so", encrypted_content="gAAAA"),
            *summary(1, name="rs_2", encrypted_content="gAAAB"),
            added(2, "reasoning", id="rs_3"),
            at("reasoning_text.delta", 2, content_index=0, delta="raw"),
            at("reasoning_text.done", 2, content_index=0, text="raw"),
            done(2, "reasoning", id="rs_3", summary=[], content=[{"type": "reasoning_text", "text": "raw"}]),
            *message(3, "a", phase="final_answer"),
        ),
        "calls": answer(
            *call(0, '{"city": "Zür', 'ich"}'),
            *call(2, "{}", name="g", call_id="call_2", item="fc_2"),
            added(3, "custom_tool_call", id="ctc_1", call_id="call_3", name="sql", input="", status="in_progress"),
            at("custom_tool_call_input.delta", 3, delta="SELECT 1"),
            done(3, "custom_tool_call", id="ctc_1", call_id="call_3", name="sql", input="SELECT 1"),
        ),
        "side by side": answer(
            *[
                frame
                for pair in zip(call(0, "{", "}"), call(1, "[", "]", call_id="c2", item="i2"), strict=True)
                for frame in pair
            ]
        ),
        "halves of pairs": answer(
            text_delta("a\ud83d"), text_delta("\ude00"), text_delta("\ud83d"), at("output_text.done", content_index=0)
        ),
        "citations, refusal and chances": answer(
            added(0, "message", id="msg_1", content=[]),
            at("content_part.added", content_index=0, part=text_part()),
            text_delta("a", logprobs=PROBS),
            at("output_text.annotation.added", content_index=0, annotation_index=0, annotation=URL),
            at("content_part.done", content_index=0, part=text_part("a", annotations=[URL], logprobs=PROBS)),
            at("content_part.added", content_index=1, part={"type": "refusal", "refusal": ""}),
            at("refusal.delta", content_index=1, delta="No."),
            at("refusal.done", content_index=1, refusal="No."),
            at("content_part.done", content_index=1, part={"type": "refusal", "refusal": "No."}),
            done(
                0,
                "message",
                id="msg_1",
                content=[text_part("a", annotations=[URL]), {"type": "refusal", "refusal": "No."}],
            ),
        ),
        "the API's own tools": answer(
            added(0, "web_search_call", id="ws_1", status="in_progress"),
            at("web_search_call.in_progress"),
            at("web_search_call.searching"),
            at("web_search_call.completed"),
            done(0, "web_search_call", id="ws_1", status="completed", action={"type": "search", "query": "q"}),
            added(1, "code_interpreter_call", id="ci_1", status="in_progress", code="", container_id="c", outputs=[]),
            at("code_interpreter_call_code.delta", 1, delta="1+"),
            at("code_interpreter_call_code.delta", 1, delta="1"),
            at("code_interpreter_call_code.done", 1, code="1+1"),
            at("code_interpreter_call.interpreting", 1),
            done(1, "code_interpreter_call", id="ci_1", status="completed", code="1+1", container_id="c", outputs=[]),
            added(2, "mcp_call", id="mcp_1", name="f", server_label="s", arguments=""),
            at("mcp_call_arguments.delta", 2, delta="{}"),
            at("mcp_call_arguments.done", 2, arguments="{}"),
            at("mcp_call.completed", 2),
            done(2, "mcp_call", id="mcp_1", name="f", server_label="s", arguments="{}", output="o"),
            added(3, "shell_call", id="sh_1", call_id="c3", action={"commands": []}),
            at("shell_call_command.added", 3, command_index=0, command=""),
            at("shell_call_command.delta", 3, command_index=0, delta="ls"),
            at("shell_call_command.done", 3, command_index=0, command="ls"),
            done(3, "shell_call", id="sh_1", call_id="c3", action={"commands": ["ls"]}),
            added(4, "shell_call_output", id="sho_1", call_id="c3", output=[]),
            at("shell_call_output_content.delta", 4, command_index=0, delta={"stdout": "x"}),
            at("shell_call_output_content.done", 4, command_index=0, output=[{"stdout": "x", "stderr": ""}]),
            done(4, "shell_call_output", id="sho_1", call_id="c3", output=[{"stdout": "x", "stderr": ""}]),
            added(5, "apply_patch_call", id="apc_1", call_id="c5", operation={"type": "create_file", "diff": ""}),
            at("apply_patch_call_operation_diff.delta", 5, delta="+a"),
            at("apply_patch_call_operation_diff.done", 5, diff="+a"),
            done(5, "apply_patch_call", id="apc_1", call_id="c5", operation={"type": "create_file", "diff": "+a"}),
        ),
        "an image": answer(
            added(0, "image_generation_call", id="ig_1", status="in_progress"),
            at("image_generation_call.generating"),
            at("image_generation_call.partial_image", partial_image_index=0, partial_image_b64="AAAA"),
            at("image_generation_call.completed"),
            done(0, "image_generation_call", id="ig_1", status="completed", result="BBBB", size="1x1"),
        ),
        "sound": answer(
            {"type": "response.audio.delta", "delta": "AAAA"},
            {"type": "response.audio.transcript.delta", "delta": "hi"},
            {"type": "response.audio.done"},
            {"type": "response.audio.transcript.done"},
        ),
        "compaction and novelties": answer(
            added(0, "compaction", id="cmp_1", encrypted_content="A"),
            done(0, "compaction", id="cmp_1", encrypted_content="AB"),
            added(1, "novel", id="n_1", x=1),
            at("novel.delta", 1, delta="?"),
            done(1, "novel", id="n_1", x=2),
        ),
        "only added and done": answer(
            done(0, "message", id="msg_1", content=[text_part("a"), {"type": "novel"}]),
            done(1, "function_call", id="fc_1", call_id="c", name="f", arguments={"a": 1}),
        ),
        "only completed": numbered(
            *created(), completed([{"type": "message", "id": "msg_1", "content": [text_part("a")]}])
        ),
        "resumed": numbered(lifecycle("queued"), *message(0, "a"), completed(), first=1),
        "without brackets": numbered(text_delta("a"), at("refusal.delta", 1, delta="b"), completed(id="")),
        "incomplete": numbered(*created(), *message(0, "a"), incomplete()),
        "filtered": numbered(*created(), *message(0, "a"), incomplete("content_filter")),
        "spliced": numbered(
            *created(), *message(0, "a"), *created(id="resp_2"), *message(0, "b"), completed(id="resp_2")
        ),
        "started twice": numbered(*created(), *message(0, "a"), *created(), completed()),
        "an error": numbered(
            *created(), *message(0, "a"), {"type": "error", "code": "server_error", "message": "no", "param": None}
        ),
        "an error that is nested": numbered(
            *created(),
            {"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "no"}},
            lifecycle("failed", error={"code": "insufficient_quota", "message": "no"}),
        ),
        "failed": numbered(*created(), *message(0, "a"), lifecycle("failed", error={"code": "x", "message": "no"})),
        "cut": numbered(*created(), *call(0, '{"a')[:2]),
        "nothing": b"",
    }
