"""The command line: a thin face over the library.

Laws kept here: stdout is the answer's alone, everything else is said on stderr; what one command needs is imported by
that command, so that ``headrace --help`` and ``headrace decode`` load no HTTP library and no server.
"""

from __future__ import annotations


def main() -> int:
    """Run ``headrace`` with the process's arguments and give its exit code."""
    try:
        from headrace.cli.app import app

        app(prog_name="headrace")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        return 130
    return 0
