"""What Amazon SES means by an error, and by the result of one message in a batch."""

from __future__ import annotations

from collections.abc import Iterable

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Trouble,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers.base import Response
from services.mailer.providers.hints import quota_wait, retry_after
from services.mailer.providers.replies import by_status, identifier, parse, words

_NEXT_SECOND = 1.0
"""Seconds; the sending rate is one per second."""

_PACE = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})
_QUOTA = frozenset({"LimitExceededException"})
_DAILY = "quota exceeded"
# The only thing that a request names and that may be missing is the account's own configuration set.
_ACCOUNT = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AccountSuspendedException", "ExpiredToken",
        "ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException",
        "InvalidClientTokenId", "InvalidSignatureException", "MailFromDomainNotVerifiedException",
        "MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized",
        "NotFoundException", "OptInRequired", "RequestExpired", "SendingPausedException",
        "SignatureDoesNotMatch", "UnrecognizedClientException",
    }
)  # fmt: skip
_MESSAGE = frozenset({"BadRequestException", "MessageRejected"})
_UNVERIFIED = "not verified"

_ENTRY_ACCOUNT = frozenset(
    {
        "MAIL_FROM_DOMAIN_NOT_VERIFIED", "CONFIGURATION_SET_NOT_FOUND", "ACCOUNT_SUSPENDED",
        "INVALID_SENDING_POOL_NAME", "ACCOUNT_SENDING_PAUSED", "CONFIGURATION_SET_SENDING_PAUSED",
    }
)  # fmt: skip
_ENTRY_ALONE = frozenset({"TEMPLATE_NOT_FOUND", "INVALID_PARAMETER", "FAILED"})


def refusal(response: Response, *, secrets: Iterable[str]) -> Outcome:
    """Classify an answer that is no success, by the name of its error.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
    """
    document = parse(response.body)
    body = document if isinstance(document, dict) else {}
    kind = _kind(response, body)
    said = _words(f"{kind}: {body.get('message') or body.get('Message') or ''}".strip(": "), secrets)
    why = reason(f"HTTP {response.status}", said)
    if kind in _QUOTA or (kind in _PACE and _DAILY in said.lower()):
        return Unauthorised(why, quota_wait(response.headers))
    if kind in _PACE:
        return Deferred(why, retry_after(response.headers) or _NEXT_SECOND, Trouble.PACE)
    if kind in _ACCOUNT or (kind in _MESSAGE and _UNVERIFIED in said.lower()):
        return Unauthorised(why)
    return Rejected(why) if kind in _MESSAGE else by_status(response, said)


def entry(result: object, *, secrets: Iterable[str]) -> Outcome:
    """Classify the result of one message in a batch.

    https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_BulkEmailEntryResult.html
    """
    fields = result if isinstance(result, dict) else {}
    status = str(fields.get("Status"))
    if status == "SUCCESS":
        return Accepted(identifier(fields.get("MessageId")))
    why = reason(_words(f"{status}: {fields.get('Error') or ''}".strip(": "), secrets))
    if status in _ENTRY_ACCOUNT:
        return Unauthorised(why)
    if status == "ACCOUNT_DAILY_QUOTA_EXCEEDED":
        return Unauthorised(why, quota_wait({}))
    if status == "ACCOUNT_THROTTLED":
        return Deferred(why, _NEXT_SECOND, Trouble.PACE)
    if status == "TRANSIENT_FAILURE":
        return Deferred(why)
    if status in _ENTRY_ALONE:
        # By itself it takes another road, on which there is no template, and no limit to its headers.
        return Deferred(why, 0.0, Trouble.MESSAGE)
    return Rejected(why) if status == "MESSAGE_REJECTED" else Uncertain(why)


def _kind(response: Response, body: dict[str, object]) -> str:
    """Give the error's name, without the namespace before it and the address after it.

    https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization
    """
    named = response.headers.get("x-amzn-errortype") or body.get("__type") or body.get("code")
    return named.partition(":")[0].rpartition("#")[2].strip() if isinstance(named, str) else ""


def _words(said: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        said = words(said, secret=secret)
    return said
