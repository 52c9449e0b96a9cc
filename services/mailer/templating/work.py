"""What things cost, in units of work."""

from __future__ import annotations

STEP = 50
"""Units for a tag, a name or a turn of a loop."""

_MEMBER = 10
"""Units for a member of an array or object, beside its own."""


def size(value: object) -> int:
    """Units for looking at all of *value*.

    Raises:
        RecursionError: It nests too deep.
    """
    match value:
        case str():
            return len(value)
        case dict():
            return sum(_MEMBER + size(key) + size(member) for key, member in value.items())
        case list() | tuple() | range():
            return sum(_MEMBER + size(member) for member in value)
    return 1
