"""The small language of the command line."""

from __future__ import annotations

import pytest

from tests.fakes import faults


def test_a_script_is_read() -> None:
    """The small language of the command line says the same as the functions."""
    assert [
        faults.refuse(429, headers={"retry-after": "2"}),
        faults.refuse(503),
        faults.refuse(503),
        faults.refuse(500, accept=True),
        faults.hang(accept=True),
        faults.reset(),
        faults.usual(),
    ] == faults.parse("429:retry-after=2, 503*2,accept-500,accept-hang,reset,202")


@pytest.mark.parametrize("script", ["teapot", "429:retry-after", "503*many"])
def test_a_script_that_makes_no_sense_is_refused(script: str) -> None:
    """A typing error is an error, not a quiet day."""
    with pytest.raises(ValueError, match=r"."):
        faults.parse(script)
