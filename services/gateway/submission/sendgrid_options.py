"""The parts of a SendGrid request that say how to send: labels, times and settings.

What cannot be honoured is refused with its reason if it asks for something, and passed over if it
asks for nothing, since SDKs write such fields too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictBool

from services.gateway.submission import limits, moments
from services.gateway.submission.headers import Headers, one_line
from services.gateway.submission.labels import Metadata
from services.gateway.submission.texts import MAIL_HEADER, Line, names, text
from services.gateway.submission.validation import Submission

CATEGORY = "category"
"""The name of the tag that a category becomes."""

_CATEGORIES = 10
# SendGrid's own limit, less what the mailer writes before it where a provider's tags are plain words.
_CATEGORY_LENGTH = 255 - len(f"{CATEGORY}:")

# https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
_RESERVED_HEADERS = frozenset({"x-sg-id", "x-sg-eid"})
# Under this name the mailer hands our own id to the provider.
_RESERVED_ARGUMENT = "message_id"


def _category(value: str) -> str:
    if not 1 <= len(value) <= _CATEGORY_LENGTH:
        raise ValueError(f"must be 1 to {_CATEGORY_LENGTH} characters")
    return one_line(value)


def _few_categories(value: object) -> object:
    limits.at_most(_CATEGORIES, value, "categories")
    return () if value is None else value


def _distinct(categories: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(categories)) < len(categories):
        raise ValueError("must not name a category twice")
    return categories


_Category = Annotated[Line, text(minLength=1, maxLength=_CATEGORY_LENGTH)]
Categories = Annotated[
    tuple[Annotated[str, AfterValidator(_category)], ...],
    BeforeValidator(
        _few_categories,
        json_schema_input_type=Annotated[
            list[_Category], Field(max_length=_CATEGORIES, json_schema_extra={"uniqueItems": True})
        ]
        | None,
    ),
    AfterValidator(_distinct),
]
"""Words for the provider's own reports."""


def _not_sendgrids(headers: dict[str, str]) -> dict[str, str]:
    if any(name.lower() in _RESERVED_HEADERS for name in headers):
        raise ValueError("must not name x-sg-id or x-sg-eid, which SendGrid keeps to itself")
    return headers


def _not_ours(arguments: dict[str, str]) -> dict[str, str]:
    if _RESERVED_ARGUMENT in arguments:
        raise ValueError(f"must not use the name {_RESERVED_ARGUMENT}, which is reserved")
    return arguments


MailHeaders = Annotated[Headers, AfterValidator(_not_sendgrids), names(pattern=MAIL_HEADER)]
"""Custom headers: name to value."""
CustomArguments = Annotated[
    Metadata, AfterValidator(_not_ours), Field(json_schema_extra={"not": {"required": [_RESERVED_ARGUMENT]}})
]
"""The caller's own data, handed back with the message."""


def _send_at(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():  # to JSON 1.0 is a whole number, too
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value > time.time():
            moments.scheduled(value)
        return value
    raise ValueError("must be a whole number of unix seconds")


SendAt = Annotated[int | None, PlainValidator(_send_at, json_schema_input_type=int | None)]
"""When to send, in unix seconds; at once if it has passed, as SendGrid does."""


def _nothing(because: str) -> Callable[[object], None]:
    def asks_for_nothing(value: object) -> None:
        if value:
            raise ValueError(f"is not supported: {because}")

    return asks_for_nothing


def _off(value: object) -> None:
    # By identity, because 0 is no false.
    if value and not (isinstance(value, dict) and any(value.get("enable") is off for off in (None, False))):
        raise ValueError("is not supported: leave it out, or set its enable to false")


_EMPTY: dict[str, Any] = {"enum": [None, "", 0, False, [], {}]}
_SWITCHED_OFF = {"type": "object", "properties": {"enable": {"enum": [None, False]}}}


def _only(because: str) -> Any:
    """Take nothing but what asks for nothing."""
    return Annotated[
        None,
        PlainValidator(_nothing(because), json_schema_input_type=Any),
        Field(json_schema_extra=_EMPTY, description=f"Not supported: {because}."),
    ]


UnsubscribeGroups = _only("there are no unsubscribe groups here")
IpPool = _only("the IP address is the provider's affair")
Batch = _only("scheduled messages are canceled one by one, by their ids")
_Off = Annotated[
    None,
    PlainValidator(_off, json_schema_input_type=Any),
    Field(json_schema_extra={"anyOf": [_EMPTY, _SWITCHED_OFF]}, description="Not supported, and off."),
]


class Sandbox(Submission):
    """Whether the request is checked only."""

    enable: StrictBool | None = Field(default=None, description="Whether nothing is to be sent.")


class MailSettings(Submission):
    """Of all of these only the sandbox is supported."""

    sandbox_mode: Sandbox | None = Field(default=None, description="Checks the request, and sends nothing.")
    bypass_list_management: _Off = None
    bypass_spam_management: _Off = None
    bypass_bounce_management: _Off = None
    bypass_unsubscribe_management: _Off = None
    footer: _Off = None
    spam_check: _Off = None
    bcc: _Off = None


class TrackingSettings(Submission):
    """None of these is supported."""

    click_tracking: _Off = None
    open_tracking: _Off = None
    subscription_tracking: _Off = None
    ganalytics: _Off = None
