"""What a submission carries along for its sender: tags for the provider's reports, and metadata."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from services.gateway.submission import limits
from services.gateway.submission.headers import one_line
from services.gateway.submission.texts import ONE_LINE, Line, names, text
from services.gateway.submission.validation import Submission

IDEMPOTENCY_KEY = re.compile(
    rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{limits.IDEMPOTENCY_KEY_LENGTH - 2}}}[\x21-\x7e])?"
)
"""What can be an idempotency key: printable ASCII characters, no blank at either end."""

_TAG = re.compile(rf"[A-Za-z0-9_-]{{1,{limits.TAG_LENGTH}}}")


def _tag(value: str) -> str:
    if not _TAG.fullmatch(value):
        raise ValueError(f"must be 1 to {limits.TAG_LENGTH} ASCII letters, digits, _ or -")
    return value


def _few_tags(value: object) -> object:
    limits.at_most(limits.TAGS, value, "tags")
    return () if value is None else value


def _few_keys(value: object) -> object:
    limits.at_most(limits.METADATA_KEYS, value, "keys")
    return {} if value is None else value


_TagText = Annotated[str, AfterValidator(_tag), Field(json_schema_extra={"pattern": f"^{_TAG.pattern}$"})]


class TagSubmission(Submission):
    """A name and value that the provider shows in its own reports."""

    name: _TagText = Field(description="What kind of word it is.")
    value: _TagText = Field(description="The word itself.")


Tags = Annotated[
    tuple[TagSubmission, ...],
    BeforeValidator(
        _few_tags,
        json_schema_input_type=Annotated[list[TagSubmission], Field(max_length=limits.TAGS)] | None,
    ),
]
"""Words that the provider shows in its own reports."""

_RESERVED = "message_id"  # under this name the mailer hands our own id to the provider


def _not_ours(metadata: dict[str, str]) -> dict[str, str]:
    if _RESERVED in metadata:
        raise ValueError(f"must not use the name {_RESERVED}, which is reserved")
    return metadata


_Key = Annotated[Line, Field(min_length=1, max_length=limits.METADATA_KEY_LENGTH), AfterValidator(one_line)]
_Value = Annotated[Line, Field(max_length=limits.METADATA_VALUE_LENGTH), AfterValidator(one_line)]
Metadata = Annotated[
    dict[_Key, _Value],
    BeforeValidator(
        _few_keys,
        json_schema_input_type=Annotated[
            dict[str, _Value],
            Field(max_length=limits.METADATA_KEYS),
            names(minLength=1, maxLength=limits.METADATA_KEY_LENGTH, pattern=ONE_LINE),
        ]
        | None,
    ),
    AfterValidator(_not_ours),
    Field(json_schema_extra={"not": {"required": [_RESERVED]}}),
]
"""The caller's own data, handed back with the message."""


def _key(key: str) -> str:
    if not IDEMPOTENCY_KEY.fullmatch(key):
        raise ValueError(f"must be 1 to {limits.IDEMPOTENCY_KEY_LENGTH} printable ASCII characters")
    return key


IdempotencyKey = Annotated[
    str,
    AfterValidator(_key),
    text(pattern=f"^{IDEMPOTENCY_KEY.pattern}$"),
]
"""What the repeats of a request have in common, so that it is done once."""
