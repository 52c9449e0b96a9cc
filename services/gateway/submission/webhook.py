"""What a tenant says of the endpoint that it wants to be told at.

Source: https://resend.com/docs/api-reference/webhooks/create-webhook
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from services.gateway.submission import limits
from services.gateway.submission.texts import text
from services.gateway.submission.validation import Submission
from services.gateway.webhooks.endpoint import URL_LENGTH, check_endpoint
from services.gateway.webhooks.payload import EVENT_TYPES

NETWORKS = "networks"
"""What the networks that are allowed although not public are called in the context of validation."""

_TYPES = 64


def _endpoint(url: str, info: ValidationInfo) -> str:
    check_endpoint(url, (info.context or {}).get(NETWORKS, ()))
    return url


def _some(value: object) -> object:
    limits.at_most(_TYPES, value, "types")
    if value == []:
        raise ValueError("must not be empty")
    return value


def _known(value: str) -> str:
    if value not in EVENT_TYPES:
        raise ValueError(f"must be one of {', '.join(EVENT_TYPES)}")
    return value


def _each_once(types: list[str]) -> list[str]:
    return list(dict.fromkeys(types))


_Endpoint = Annotated[
    str,
    AfterValidator(_endpoint),
    # Its length is told in words: who makes one up from a length alone makes one without a host.
    text(format="webhook-endpoint", pattern=r"^https?://[!-\[\]-~]+$"),
]
_Type = Annotated[str, AfterValidator(_known), text(enum=[*EVENT_TYPES])]
_Types = Annotated[
    list[_Type],
    BeforeValidator(
        _some,
        json_schema_input_type=Annotated[list[_Type], Field(min_length=1, max_length=_TYPES)],
    ),
    AfterValidator(_each_once),
]


class WebhookSubmission(Submission):
    """An endpoint that is to be told what happens."""

    endpoint: _Endpoint = Field(
        description=f"A public `https://` URL of at most {URL_LENGTH} characters, without user and fragment."
    )
    events: _Types = Field(description="The types of events that it is told of.")


class WebhookChange(Submission):
    """What is to be different about a webhook; what is left out, or null, stays as it is."""

    endpoint: _Endpoint | None = Field(default=None, description="Where the events are posted to.")
    events: _Types | None = Field(default=None, description="The types of events that it is told of.")
    status: Literal["enabled", "disabled"] | None = Field(
        default=None, description="Whether it is told at all; one that is enabled again starts afresh."
    )
    webhook_id: Any = Field(
        default=None, description="Sent along by Resend's SDK for Python, and ignored: the path names it."
    )
