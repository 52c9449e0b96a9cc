"""Reading JSON that may be anything, in small steps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from services.gateway.provider_events.reader import UnreadableError

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


def parse(body: bytes | str) -> object:
    """Read a JSON text.

    Raises:
        UnreadableError: It is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(_where(error)) from None


def elements(body: bytes) -> Iterator[object]:
    """Read a JSON array one element after the other, so that a long one need not be read at once.

    Raises:
        UnreadableError: It is none; what was yielded until then may have been read in vain.
    """
    try:
        text = body.decode()
        place = _after(text, 0, "[")
        goes_on = not text.startswith("]", place)
        while goes_on:
            element, place = _DECODER.raw_decode(text, place)
            yield element
            place = _after(text, place)
            goes_on = text.startswith(",", place)
            place = _after(text, place, ",") if goes_on else place
        _after(text, _after(text, place, "]"), end=True)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(_where(error)) from None


def _after(text: str, place: int, token: str = "", *, end: bool = False) -> int:
    """Where the text goes on after blanks and this *token*, or has to end."""
    blanks = _BLANKS.match(text, place)
    place = blanks.end() if blanks else place
    if not text.startswith(token, place) or (end and place < len(text)):
        raise UnreadableError(f"unexpected character at {place}")
    blanks = _BLANKS.match(text, place + len(token))
    return blanks.end() if blanks else place


def _where(error: ValueError | RecursionError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at line {error.lineno} column {error.colno}"
        case UnicodeDecodeError():
            return f"invalid UTF-8 at byte {error.start}"
        case RecursionError():
            return "nested too deeply"
    return "a number is too long"


def inside(document: object, *names: str) -> object:
    """What stands in nested objects under these names; None where there is no such thing."""
    for name in names:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def text(document: object, *names: str) -> str:
    """The same where it is a text; empty if it is something else."""
    found = inside(document, *names)
    return found if isinstance(found, str) else ""


def listed(document: object, *names: str) -> list[object]:
    """The same where it is an array; empty if it is something else."""
    found = inside(document, *names)
    return found if isinstance(found, list) else []
