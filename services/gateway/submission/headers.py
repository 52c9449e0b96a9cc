"""What may stand in a header of the message, by a list of what is allowed.

A line break in a value that becomes a header lets a caller write headers, or a whole body, of
their own (header injection).  Such values are refused, never repaired: a repaired value is not
what the caller meant, and repairs have holes.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from services.gateway.submission import limits
from services.gateway.submission.texts import HEADER, ONE_LINE, names, text

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""C0 (CR, LF, NUL…), DEL, C1 (U+0085…), the Unicode line and paragraph separators, lone surrogates."""

# ASCII, because without it "ſ" (U+017F) is an "s" and "K" (U+212A) is a "k" where case does not count.  # noqa: RUF003
_ALLOWED = re.compile(r"X-[A-Z0-9-]{1,60}|List-[A-Z-]{1,60}|References|In-Reply-To", re.IGNORECASE | re.ASCII)


def one_line(value: str) -> str:
    """Hand *value* back if it can stand in a header.

    Raises:
        ValueError: It holds a control character or a line break.
    """
    if UNSAFE.search(value):
        raise ValueError("must not contain control characters or line breaks")
    return value


def _name(name: str) -> str:
    if not _ALLOWED.fullmatch(name):
        raise ValueError("cannot be set: allowed are X-*, List-*, References and In-Reply-To")
    return name


def _value(value: str) -> str:
    if len(value) > limits.HEADER_OCTETS or len(value.encode(errors="replace")) > limits.HEADER_OCTETS:
        raise ValueError(f"must be at most {limits.HEADER_OCTETS} octets")
    return one_line(value)


def _few(headers: object) -> object:
    limits.at_most(limits.HEADERS, headers, "headers")
    return {} if headers is None else headers


def _distinct(headers: dict[str, str]) -> dict[str, str]:
    # Names are compared without case (RFC 5322, section 1.2.2), so the last one would not simply win.
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("must not name the same header twice")
    return headers


_Schema = (
    Annotated[
        dict[str, Annotated[str, text(pattern=ONE_LINE, maxLength=limits.HEADER_OCTETS)]],
        Field(max_length=limits.HEADERS),
        names(pattern=HEADER),
    ]
    | None
)
Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_name)],
        Annotated[str, AfterValidator(_value)],
    ],
    BeforeValidator(_few, json_schema_input_type=_Schema),
    AfterValidator(_distinct),
]
"""Custom headers: name to value."""
