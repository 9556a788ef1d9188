"""Callbacks: functions in blocking code, and coroutine functions too in async code; what they give is nobody's."""

from typing import assert_type

import headrace
from headrace import Event, HeadraceError, Message

pieces: list[str] = []


def on_event(event: Event) -> int:
    return hash(event)


def on_done(message: Message) -> None:
    pieces.append(message.text)


def on_error(error: HeadraceError) -> None:
    pieces.append(str(error))


async def later(text: str) -> None:
    pieces.append(text)


def blocking(s: headrace.Stream) -> None:
    assert_type(s.run(on_text=pieces.append, on_event=on_event, on_done=on_done, on_error=on_error), Message)
    assert_type(s.run(on_text=lambda text: print(text, end="")), Message)
    assert_type(s.run(), Message)


async def asynchronous(s: headrace.AsyncStream) -> None:
    assert_type(await s.run(on_text=later, on_event=on_event, on_done=on_done, on_error=on_error), Message)
    assert_type(await s.run(on_text=pieces.append), Message)
