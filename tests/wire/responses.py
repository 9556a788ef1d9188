"""Streams of openai-responses, written by hand: frames in the shape that OpenAI's API reference gives them."""

import json
from typing import Any, cast

from headrace.wire.framing import SSEFramer
from tests.wire.streams import MODEL, Json

RESPONSE = "resp_1"


def numbered(*frames: Json | str, first: int = 0) -> bytes:
    """Write frames with their names and numbers, as OpenAI does; a text stands as it is."""
    blocks: list[str] = []
    for frame in frames:
        if isinstance(frame, str):
            blocks.append(frame)
            continue
        fields = {**frame, "sequence_number": first}
        first += 1
        blocks.append(f"event: {frame.get('type')}\ndata: {json.dumps(fields)}")
    return "".join(block + "\n\n" for block in blocks).encode("utf-8", "surrogatepass")


def response(status: str = "completed", output: Any = None, **more: Any) -> Json:
    """Write a response as it stands."""
    fields = {"id": RESPONSE, "object": "response", "status": status, "model": MODEL, "error": None}
    return {**fields, "output": output if output is not None else [], **more}


def lifecycle(word: str, **more: Any) -> Json:
    """Write a frame that carries the whole response."""
    status = "in_progress" if word == "created" else word
    return {"type": f"response.{word}", "response": response(status, **more)}


def created(**more: Any) -> list[Json]:
    return [lifecycle("created", **more), lifecycle("in_progress", **more)]


def used(read: int = 5, said: int = 7, *, cached: int = 0, thought: int = 0, **more: Any) -> Json:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + said,
        **more,
    }


def completed(output: Any = None, **more: Any) -> Json:
    fields = {"status": "completed", "output": output, "usage": used(), **more}
    return {"type": "response.completed", "response": response(**fields)}


def incomplete(reason: str | None = "max_output_tokens", **more: Any) -> Json:
    details = {"reason": reason} if reason else None
    return {"type": "response.incomplete", "response": response("incomplete", incomplete_details=details, **more)}


def added(index: int, word: str, **fields: Any) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": {"type": word, **fields}}


def done(index: int, word: str, **fields: Any) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": {"type": word, **fields}}


def at(word: str, index: int = 0, **fields: Any) -> Json:
    """Write any other frame of an item."""
    return {"type": f"response.{word}", "item_id": f"item_{index}", "output_index": index, **fields}


def text_part(text: str = "", **more: Any) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}


def text_delta(text: str, index: int = 0, content: int = 0, **more: Any) -> Json:
    fields = {"content_index": content, "delta": text, "logprobs": [], "obfuscation": "Xq7"}
    return at("output_text.delta", index, **{**fields, **more})


def message(index: int, *pieces: str, name: str = "msg_1", **more: Any) -> list[Json]:
    """Write a message of one text, all its frames."""
    text = "".join(pieces)
    fields = {"id": name, "role": "assistant", **more}
    return [
        added(index, "message", **fields, status="in_progress", content=[]),
        at("content_part.added", index, content_index=0, part=text_part()),
        *[text_delta(piece, index) for piece in pieces],
        at("output_text.done", index, content_index=0, text=text, logprobs=[]),
        at("content_part.done", index, content_index=0, part=text_part(text)),
        done(index, "message", **fields, status="completed", content=[text_part(text)]),
    ]


def summary(index: int, *texts: str, name: str = "rs_1", **more: Any) -> list[Json]:
    """Write a reasoning with parts of a summary, a delta each."""
    frames = [added(index, "reasoning", id=name, summary=[])]
    for number, text in enumerate(texts):
        part = {"type": "summary_text", "text": text}
        frames += [
            at("reasoning_summary_part.added", index, summary_index=number, part={**part, "text": ""}),
            at("reasoning_summary_text.delta", index, summary_index=number, delta=text),
            at("reasoning_summary_text.done", index, summary_index=number, text=text),
            at("reasoning_summary_part.done", index, summary_index=number, part=part),
        ]
    parts = [{"type": "summary_text", "text": text} for text in texts]
    return [*frames, done(index, "reasoning", id=name, summary=parts, **more)]


def call(index: int, *pieces: str, name: str = "f", call_id: str = "call_1", item: str = "fc_1") -> list[Json]:
    """Write a call of a function, all its frames."""
    fields = {"id": item, "call_id": call_id, "name": name}
    arguments = "".join(pieces)
    return [
        added(index, "function_call", **fields, status="in_progress", arguments=""),
        *[at("function_call_arguments.delta", index, delta=piece) for piece in pieces],
        at("function_call_arguments.done", index, arguments=arguments),
        done(index, "function_call", **fields, status="completed", arguments=arguments),
    ]


def answer(*frames: Json | str, **more: Any) -> bytes:
    """Write a whole response around these frames."""
    return numbered(*created(), *frames, completed(**more))


def read_frames(data: bytes) -> list[Json]:
    """Read frames, in the shape that every client relies on."""
    frames = list(SSEFramer().feed(data))
    out = [cast("Json", json.loads(frame.data)) for frame in frames]
    kinds = [fields["type"] for fields in out]
    assert [frame.event for frame in frames] == kinds
    assert [fields["sequence_number"] for fields in out] == list(range(len(out)))
    if kinds == ["error"]:
        return out
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.created") == 1
    assert sum(kind in TERMINAL for kind in kinds) == 1
    assert kinds[-1] in TERMINAL
    items: dict[int, str] = {}
    final = out[-1]["response"]["output"]
    for fields in out:
        index = fields.get("output_index")
        if fields["type"] == "response.output_item.added":
            assert index == len(items)
            items[index] = fields["item"]["id"]
        elif fields["type"] == "response.output_item.done":
            assert items[index] == fields["item"]["id"] == final[index]["id"]
        elif index is not None and not fields["type"].startswith("response.novel"):
            assert index in items
    assert [item["id"] for item in final] == list(items.values())
    return out


TERMINAL = ("response.completed", "response.incomplete", "response.failed")
