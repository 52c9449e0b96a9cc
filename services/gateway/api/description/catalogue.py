"""Every problem that a call can be answered with: a word of what it means, and a true example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from services.gateway import problems
from services.gateway.api.description.operation import Operation
from services.gateway.problems import FieldError, Problem

ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")


class Kind(NamedTuple):
    """One kind of problem."""

    meaning: str
    example: Problem


_REFUSED = FieldError("/to/0", "must look like user@example.com or Name <user@example.com>")
_LEFT_OUT = FieldError("/subject", "is required")

KINDS = {
    "bad_request": Kind(
        "This is no HTTP, or its request line or a header is too long.", problems.bad_request()
    ),
    "invalid_json": Kind(
        "The body is no JSON text.", problems.invalid_json("EOF while parsing a value at line 1 column 0")
    ),
    "invalid_idempotency_key": Kind(
        "The header Idempotency-Key cannot be used.", problems.invalid_idempotency_key(256)
    ),
    "missing_api_key": Kind("The request came without an API key.", problems.missing_api_key()),
    "restricted_api_key": Kind(
        "The API key is good, but its permission does not allow this call.",
        problems.restricted_api_key("sending_access"),
    ),
    "invalid_signature": Kind(
        "The signature or password is missing, wrong or too old.", problems.invalid_signature()
    ),
    "invalid_api_key": Kind("The API key is not valid.", problems.invalid_api_key()),
    "foreign_sender": Kind(
        "The API key is limited to some sender domains, and this is none of them.",
        problems.foreign_sender("/from"),
    ),
    "read_only": Kind(
        "The template comes from the operator's folder, and is changed there.", problems.read_only()
    ),
    "not_found": Kind(
        "There is nothing at this address, or nothing that this API key may see.", problems.not_found()
    ),
    "method_not_allowed": Kind(
        "The resource does not know this method; the header Allow names those it knows.",
        problems.method_not_allowed(["GET"]),
    ),
    "request_timeout": Kind("The body did not arrive in time.", problems.request_timeout(10)),
    "invalid_idempotent_request": Kind(
        "The idempotency key was used before, for another request.", problems.invalid_idempotent_request([])
    ),
    "concurrent_idempotent_requests": Kind(
        "A request with the same idempotency key is under way. Try again after Retry-After.",
        problems.concurrent_idempotent_requests(1),
    ),
    "not_scheduled": Kind(
        "The message is not scheduled, or not any more.", problems.not_scheduled("canceled")
    ),
    "not_replayable": Kind(
        "The message is still under way, or was sent, or canceled.", problems.not_replayable("sent")
    ),
    "not_held": Kind("The message is not held, or not any more.", problems.not_held("failed")),
    "webhook_disabled": Kind("The webhook is disabled.", problems.webhook_disabled()),
    "too_many_webhooks": Kind("The tenant has as many webhooks as it can.", problems.too_many_webhooks(100)),
    "message_expired": Kind("The message's expires_at has passed.", problems.message_expired()),
    "recipients_suppressed": Kind(
        "Everybody in to is on the list of suppressions by now.", problems.recipients_suppressed()
    ),
    "body_purged": Kind(
        "The message's body was removed, because the message ended so long ago.", problems.body_purged()
    ),
    "payload_too_large": Kind("The body is too large.", problems.payload_too_large(10_000_000)),
    "unsupported_media_type": Kind(
        "The body is not JSON by its Content-Type, or is compressed.", problems.unsupported_media_type()
    ),
    "missing_required_field": Kind(
        "A field that is required was left out.", problems.invalid_fields([_LEFT_OUT], missing=True)
    ),
    "validation_error": Kind(
        "The request is JSON, but not what this call takes; every failing field is named.",
        problems.invalid_fields([_REFUSED]),
    ),
    "rate_limit_exceeded": Kind(
        "The API key makes too many requests. Try again after Retry-After.", problems.rate_limit_exceeded(1)
    ),
    "too_many_streams": Kind(
        "The API key has as many streams of events open as it may have. Close one, or try again later.",
        problems.too_many_streams(10, 2),
    ),
    "internal_server_error": Kind("A bug of the gateway.", problems.internal_server_error()),
    "unavailable": Kind(
        "The ledger cannot be reached, and nothing was done. Try again after Retry-After.",
        problems.unavailable(2),
    ),
    "unavailable_broker": Kind(
        "The broker cannot be reached, or not all of it was taken. Try again after Retry-After.",
        problems.unavailable(5),
    ),
    "unavailable_uncertain": Kind(
        "The ledger went away during the commit: the message may have been accepted. "
        "Look it up by its message_id before you repeat the request, or repeat it with its idempotency key.",
        problems.unavailable(2, message_id=ID),
    ),
    "overloaded": Kind(
        "Too many requests are under way. Try again after Retry-After.", problems.overloaded(1)
    ),
}
"""By a key of their own, since one name may have two meanings; in the order of their statuses."""

IDEMPOTENT = ("invalid_idempotency_key", "invalid_idempotent_request", "concurrent_idempotent_requests")
"""What can go wrong with an idempotency key."""

ACCEPTING = ("foreign_sender", "unavailable_uncertain")
"""What can go wrong with a message that is to be accepted."""

REPLAYING = ("message_expired", "recipients_suppressed", "body_purged")
"""What can stand against sending a message once more."""


def of(operation: Operation) -> list[str]:
    """List what the call can be answered with when it cannot be done, in the catalogue's order."""
    possible = {*operation.problems, *_common(operation)}
    return [key for key in KINDS if key in possible]


def _common(operation: Operation) -> Iterator[str]:
    yield from ("bad_request", "method_not_allowed", "internal_server_error")
    if not operation.is_probe:
        yield "overloaded"
    if operation.permission is not None:
        yield from ("missing_api_key", "restricted_api_key", "invalid_api_key")
        yield from ("rate_limit_exceeded", "unavailable")
    if operation.takes("path"):
        yield "not_found"
    if operation.written:
        yield from ("invalid_json", "request_timeout", "payload_too_large", "unsupported_media_type")
    if operation.takes("query"):
        yield "validation_error"
    if operation.body is not None:
        yield from ("invalid_json", "request_timeout", "payload_too_large", "unsupported_media_type")
        yield from ("validation_error", "missing_required_field")
