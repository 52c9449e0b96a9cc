"""The headers of answers, and the parameters that several calls take."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import Any

from services.gateway.api.description.catalogue import ID
from services.gateway.api.description.operation import Parameter
from services.gateway.ledger.paging import LIMIT, MOST
from services.gateway.submission.labels import IDEMPOTENCY_KEY

_SECONDS = {"type": "integer", "minimum": 0}

HEADERS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "X-Request-Id": {
            "description": "Names this request in the gateway's log lines.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
            "example": ID.hex,
        },
        "Retry-After": {
            "description": "Seconds to wait before another try (RFC 9110, section 10.2.3).",
            "schema": {"type": "integer", "minimum": 1},
            "example": 1,
        },
        "ratelimit-limit": {
            "description": "Requests that this API key may make at once. "
            "Left out where it has no limit, or is not valid.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 10_000,
        },
        "ratelimit-remaining": {
            "description": "Requests that are left of them now.",
            "schema": {"type": "integer", "minimum": 0},
            "example": 9_999,
        },
        "ratelimit-reset": {
            "description": "Seconds until all of them are there again.",
            "schema": _SECONDS,
            "example": 1,
        },
        "X-RateLimit-Limit": {
            "description": "The same as ratelimit-limit, under SendGrid's name.",
            "schema": {"type": "integer", "minimum": 1},
            "example": 10_000,
        },
        "X-RateLimit-Remaining": {
            "description": "The same as ratelimit-remaining, under SendGrid's name.",
            "schema": {"type": "integer", "minimum": 0},
            "example": 0,
        },
        "X-RateLimit-Reset": {
            "description": "When all of the limit is there again, in unix seconds.",
            "schema": _SECONDS,
            "example": 1_767_323_045,
        },
        "Allow": {
            "description": "The methods that the resource knows (RFC 9110, section 10.2.1).",
            "schema": {"type": "string"},
            "example": "GET",
        },
        "WWW-Authenticate": {
            "description": "How to authenticate (RFC 6750, section 3).",
            "schema": {"type": "string"},
            "example": "Bearer",
        },
        "Idempotent-Replayed": {
            "description": "`true` if this is the stored answer to an earlier request of the same key.",
            "schema": {"type": "string", "enum": ["true"]},
            "example": "true",
        },
        "X-Message-Id": {
            "description": "The id of the message; of the first one where there are several.",
            "schema": {"type": "string", "format": "uuid"},
            "example": str(ID),
        },
        "Cache-Control": {
            "description": "`no-store`: the answer holds a secret.",
            "schema": {"type": "string", "enum": ["no-store"]},
            "example": "no-store",
        },
    }
)

ALWAYS = "x-request-id"
"""On every answer."""

RATE_LIMIT = frozenset({"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"})
"""On the answers to a caller whose API key was recognised, unless it has no limit."""

SENDGRID_RATE_LIMIT = frozenset({"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"})
"""The same as SendGrid spells it, where a caller is too fast."""

_SOMETIMES = ".sometimes"


def headers(*, required: Collection[str], possible: Collection[str]) -> dict[str, Any]:
    """Refer to the headers of an answer, named in lower case, of which some are always there."""
    return {
        name: {"$ref": f"#/components/headers/{name}{'' if name.lower() in required else _SOMETIMES}"}
        for name in HEADERS
        if name.lower() in {*required, *possible}
    }


def components() -> dict[str, Any]:
    """Describe every header twice: where it is always there, and where it is sometimes."""
    always = {name: {**header, "required": True} for name, header in HEADERS.items()}
    return always | {name + _SOMETIMES: header for name, header in HEADERS.items()}


REQUEST_ID = Parameter(
    name="X-Request-Id",
    place="header",
    description="A name for this request, handed back and logged: 1 to 128 letters, digits, `.`, `_` or `-`. "
    "One that cannot be used is replaced.",
    schema={"type": "string"},
    example="checkout-1234",
)
IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    description="Names this request: within 24 hours, repeats under the same key are answered as the first "
    "one was, and nothing is sent twice.",
    schema={"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
    example="receipt-1234",
)
_UUID = {"type": "string", "format": "uuid"}
PAGE = (
    Parameter(
        name="limit",
        place="query",
        description="How many items to list at most.",
        schema={"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        example=LIMIT,
    ),
    Parameter(
        name="after",
        place="query",
        description="List what comes after the item with this id: older ones. Not together with `before`.",
        schema=_UUID,
    ),
    Parameter(
        name="before",
        place="query",
        description="List what comes before the item with this id: newer ones. Not together with `after`.",
        schema=_UUID,
    ),
)
"""What every list takes."""


def resource_id(description: str) -> Parameter:
    """Something that has a UUID, in the path."""
    return Parameter(name="id", place="path", description=description, schema=_UUID, example=str(ID))
