"""The filter ``date``, without the library's guesses at what a moment may look like."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"(?:[^%]|%-?[aAbBdeHIjmMpSyYzZ%]){0,100}", re.DOTALL)


def date(moment: object, form: str) -> str:
    """Write ISO 8601, or seconds since 1970, as ``strftime`` does.

    Raises:
        ValueError: It is neither, or *form* is too long or asks for what is not offered.
    """
    if not _FORM.fullmatch(form):
        raise ValueError(form)
    if isinstance(moment, int):
        return datetime.fromtimestamp(moment, UTC).strftime(form)
    return datetime.fromisoformat(str(moment)).strftime(form)
