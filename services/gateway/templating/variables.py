"""What may be given for the variables of a template."""

from __future__ import annotations

import json
import re
from typing import Any

from .language import NUMBER

VARIABLES_BYTES, VARIABLES_DEPTH = 65_536, 8
"""What the variables of one message may take as JSON, and how deep arrays and objects may nest."""

_TOO_DEEP = f"must not nest arrays and objects deeper than {VARIABLES_DEPTH}"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_UNFIT = re.compile("[\0\ud800-\udfff]")


def bounded(variables: dict[str, Any]) -> dict[str, Any]:
    """Hand *variables*, which were JSON, back if they are small and flat enough to be rendered.

    Raises:
        ValueError: They are not; says why, without repeating any of them.
    """
    size = 0
    try:
        # Piece by piece, because a body has room for millions of members.
        for piece in _ENCODER.iterencode(variables):
            size += len(piece.encode(errors="replace"))
            if size > VARIABLES_BYTES:
                raise ValueError(f"must be at most {VARIABLES_BYTES:,} bytes as JSON")
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _judge(variables, VARIABLES_DEPTH)
    return variables


def _judge(value: object, depth: int) -> None:
    match value:
        case str() if _UNFIT.search(value):
            raise ValueError("must not contain U+0000 or half a character (a lone surrogate)")
        case int() | float() if not abs(value) < NUMBER:
            raise ValueError("must not contain numbers of 10^18 and more: write them as text")
        case dict() | list() if depth == 0:
            raise ValueError(_TOO_DEEP)
        case dict():
            for member in (*value, *value.values()):
                _judge(member, depth - 1)
        case list():
            for member in value:
                _judge(member, depth - 1)
