"""The calls that providers make."""

from __future__ import annotations

from services.gateway.api.description.answers import Alive
from services.gateway.api.description.operation import Operation, Parameter, ok

_TAG = "Provider events"
_ACCOUNT = Parameter(
    name="account",
    place="path",
    description="The name of the account in the settings: `sendgrid`, or a name of the operator's.",
    schema={"type": "string", "minLength": 1},
    example="postmark",
)
_OK = {"status": "ok"}
_DELIVERY = {
    "RecordType": "Delivery",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Recipient": "ann@example.org",
    "DeliveredAt": "2026-01-02T03:04:05Z",
    "Details": "smtp;250 OK",
    "Metadata": {"message_id": "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"},
}

OPERATIONS = (
    Operation(
        id="postProviderEvents",
        method="post",
        path="/provider-events/{account}",
        tag=_TAG,
        summary="Tell what became of messages",
        description="For providers: SendGrid, Mandrill, Postmark, Resend, Mailgun, Amazon SES through SNS; "
        "each in its own words and with its own signature. A success means that all of it will be recorded. "
        "Repeats are taken, and recorded once.",
        permission=None,
        parameters=(_ACCOUNT,),
        written={"One of Postmark's": _DELIVERY},
        answers=(ok("All of it is on its way to the ledger.", Alive, _OK),),
        problems=("invalid_signature", "unavailable_broker"),
    ),
    Operation(
        id="getProviderEvents",
        method="get",
        path="/provider-events/{account}",
        tag=_TAG,
        summary="Is this the right address?",
        description="Some providers ask before they use it, by `HEAD` too.",
        permission=None,
        parameters=(_ACCOUNT,),
        answers=(ok("Yes.", Alive, _OK),),
    ),
)
