"""A bounded queue between the threads that read streams and the one that reads the merge.

Laws kept here: a full box holds its senders back, so that a slow reader bounds what is kept; closing it wakes everybody
at once, which `queue.Queue` cannot do before Python 3.13.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Pass items from many threads to one.

    Args:
        size: how many items may wait.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: T) -> bool:
        """Wait for room and put an item in; False: the box is closed, and the item is dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> T | None:
        """Wait for an item and take it; None: the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Drop what waits, and whatever is still put in."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
