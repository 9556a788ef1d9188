"""The short form of the fuzzer: a few seconds, the same cases each time."""

import pytest

from tests.wire.fuzz import case
from tests.wire.streams import WIRES


@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("wire", WIRES)
def test_nothing_but_wire_errors_escapes(wire: str, part: int) -> None:
    for number in range(part * 150, part * 150 + 150):
        try:
            case(wire, 0, number)
        except Exception as error:
            error.add_note(f"python -m tests.wire.fuzz --wire {wire} --seed 0 --case {number}")
            raise
