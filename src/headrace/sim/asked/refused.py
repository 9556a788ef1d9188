"""What a request is refused with."""

from __future__ import annotations


class Refused(Exception):
    """The request is answered with an error.

    Attributes:
        param: the field that is wrong, or None.
        status: of the answer.
        code: OpenAI's word for it, or None.
        allow: the methods that the path knows, for a wrong one.
    """

    def __init__(
        self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None, allow: str = ""
    ) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code
        self.allow = allow
