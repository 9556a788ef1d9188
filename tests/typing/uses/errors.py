"""Errors: caught by their own names and by the language's, with what had arrived."""

from typing import assert_type

import headrace


def what_went_wrong() -> str:
    try:
        with headrace.stream("sim/demo", "Hi") as s:
            return s.get_final_text()
    except headrace.StreamTimeoutError as error:
        assert_type(error.info.phase, str | None)
        assert_type(error.partial, headrace.Message | None)
        return error.partial.text if error.partial else ""
    except (headrace.RateLimitError, headrace.OverloadedError) as error:
        assert_type(error.retry_after_s, float | None)
        assert_type(error.status, int | None)
        raise
    except headrace.HeadraceError as error:
        assert_type(error.info, headrace.ErrorInfo)
        assert_type(error.info.to_exception(), headrace.HeadraceError)
        return error.info.message


def by_the_language_names(
    timed_out: headrace.StreamTimeoutError, unreachable: headrace.ConnectError, misused: headrace.UsageError
) -> tuple[TimeoutError, ConnectionError, ValueError]:
    return timed_out, unreachable, misused
