"""JSON Schema in words: what kind of value is taken, and its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from services.gateway.submission.labels import IDEMPOTENCY_KEY
from services.gateway.submission.limits import CONTENT_ID_LENGTH, IDEMPOTENCY_KEY_LENGTH
from services.gateway.submission.texts import BASE64, CONTENT_ID, FILENAME, NO_NUL, ONE_LINE

Schema = dict[str, Any]

_PATTERNS: Final = {
    BASE64: "base64 with padding, without line breaks",
    CONTENT_ID: f"at most {CONTENT_ID_LENGTH} visible ASCII characters, without quotes or brackets",
    FILENAME: "without folders",
    f"^{IDEMPOTENCY_KEY.pattern}$": f"1 to {IDEMPOTENCY_KEY_LENGTH} printable ASCII characters",
    NO_NUL: "without U+0000",
    ONE_LINE: "one line without control characters",
}
_FORMATS: Final = {
    "alias": "not an id",
    "date-time": "a moment as 2026-01-02T15:04:05Z, in the future",
    "idn-email": "an e-mail address",
    "idn-hostname": "a domain name",
    "liquid": "in the template language",
    "mailbox": "an e-mail address, with or without a name",
    "moment": "a moment as 2026-01-02T15:04:05Z, or words",
    "tag": "",
    "template": "",
    "uuid": "a UUID",
}
_LONGEST_PATTERN: Final = 50
_NOUNS: Final = {"string": "character", "array": "item", "object": "member"}
_BOUNDS: Final = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def kind(schema: Schema) -> str:
    """Name the type of one alternative."""
    if "const" in schema:
        return json.dumps(schema["const"])
    return str(schema.get("type", "one of these" if "enum" in schema else "any JSON"))


def limits(schema: Schema) -> Iterator[str]:
    """Say what one alternative asks of its values, a few words at a time."""
    if "enum" in schema:
        yield ", ".join(json.dumps(value) for value in schema["enum"])
    if words := _FORMATS.get(schema.get("format", ""), schema.get("format", "")):
        yield words
    yield from _size(schema)
    yield from _range(schema)
    pattern = schema.get("pattern")
    if pattern in _PATTERNS:
        yield _PATTERNS[pattern]
    elif pattern is not None and "format" not in schema and len(pattern) <= _LONGEST_PATTERN:
        yield f"matches `{pattern}`"
    if names := schema.get("propertyNames"):
        yield from (f"each name {words}" for words in limits({"type": "string", **names}))


def _size(schema: Schema) -> Iterator[str]:
    name = schema.get("type")
    if name not in _BOUNDS:
        return
    least, most = (schema.get(bound) for bound in _BOUNDS[name])
    if most is not None:
        few = f"{least:,} to {most:,}" if least else f"at most {most:,}"
        yield f"{few} {_NOUNS[name]}{'' if most == 1 else 's'}"
    elif least:
        yield "not empty" if least == 1 else f"at least {least:,} {_NOUNS[name]}s"


def _range(schema: Schema) -> Iterator[str]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}"
    elif least is not None:
        yield f"at least {least:,}"
    if "exclusiveMaximum" in schema:
        yield f"less than {schema['exclusiveMaximum']:,} in size"
