"""The calls that accept messages, and tell what became of them."""

from __future__ import annotations

from services.gateway.api.batch import VALIDATION
from services.gateway.api.description import email_examples as examples
from services.gateway.api.description.answers import Accepted, AcceptedBatch, EmailChanged
from services.gateway.api.description.batch_body import EmailBatch
from services.gateway.api.description.catalogue import ACCEPTING, ID, IDEMPOTENT
from services.gateway.api.description.email_filters import FILTERS
from services.gateway.api.description.headers import IDEMPOTENCY, PAGE, resource_id
from services.gateway.api.description.lists import EmailList
from services.gateway.api.description.operation import Answer, Body, Link, Operation, Parameter, ok
from services.gateway.api.representation import EmailRepresentation, EventList
from services.gateway.submission.email import EmailSubmission, Rescheduling, WelcomeEmailSubmission
from services.gateway.tenants.callers import Permission

_TAG = "Emails"
_ID = resource_id("The message's id, from the 202.")
_USES = ("getEmail", "listEmailEvents", "updateEmail", "cancelEmail", "replayEmail")
_COMMITTED = Answer(
    status=202,
    description="The message is committed to disk, and is on its way or waits for its time.",
    model=Accepted,
    examples={"Accepted": {"id": str(ID)}},
    headers=("Idempotent-Replayed",),
    links=tuple(Link(operation=each) for each in _USES),
)
_CHANGED = ok("Done.", EmailChanged, {"object": "email", "id": str(ID)}, *_USES)
_VALIDATION = Parameter(
    name=VALIDATION,
    place="header",
    description="`strict` accepts all or nothing; `permissive` accepts what is valid, and reports the rest.",
    schema={"type": "string", "enum": ["strict", "permissive"], "default": "strict"},
    example="strict",
)

OPERATIONS = (
    Operation(
        id="sendEmail",
        method="post",
        path="/emails",
        tag=_TAG,
        summary="Send an e-mail",
        description="Says who it is from, a subject, and `html` or `text`; or leaves them to a template. "
        "Answers as soon as the message is committed; it is delivered afterwards. "
        "A message whose recipients are all suppressed is accepted too, and ends as `suppressed`.",
        permission=Permission.SENDING,
        parameters=(IDEMPOTENCY,),
        body=Body(
            model=EmailSubmission,
            examples={
                "A receipt": examples.EMAIL,
                "Later, with a file": examples.LATER,
                "From a template": examples.FROM_TEMPLATE,
            },
        ),
        answers=(_COMMITTED,),
        problems=(*IDEMPOTENT, *ACCEPTING),
    ),
    Operation(
        id="sendBatch",
        method="post",
        path="/emails/batch",
        tag=_TAG,
        summary="Send up to 1,000 e-mails",
        description="One request and one transaction. Each e-mail is what `POST /emails` takes, and may have "
        "an idempotency key of its own.",
        permission=Permission.SENDING,
        parameters=(_VALIDATION, IDEMPOTENCY),
        body=Body(model=EmailBatch, examples={"Two e-mails": examples.BATCH}),
        answers=(
            Answer(
                status=202,
                description="All of it, or all that is valid of it, is committed to disk.",
                model=AcceptedBatch,
                examples={
                    "Strict": {"data": [{"id": str(ID)}]},
                    "Permissive": {
                        "data": [{"id": str(ID)}],
                        "errors": [{"index": 1, "message": "/1/subject: is required"}],
                    },
                },
                headers=("Idempotent-Replayed",),
                links=(Link(operation="getEmail", source="$response.body#/data/0/id"),),
            ),
        ),
        problems=(*IDEMPOTENT, *ACCEPTING),
    ),
    Operation(
        id="sendWelcomeEmail",
        method="post",
        path="/welcome-emails",
        tag=_TAG,
        summary="Welcome a new user",
        description="The walk-through's example: the mailer knows the words.",
        permission=Permission.SENDING,
        parameters=(IDEMPOTENCY,),
        body=Body(model=WelcomeEmailSubmission, examples={"A new user": examples.WELCOME}),
        answers=(_COMMITTED,),
        problems=(*IDEMPOTENT, *ACCEPTING),
    ),
    Operation(
        id="listEmails",
        method="get",
        path="/emails",
        tag=_TAG,
        summary="List messages",
        description="The newest first, without their bodies. Filters narrow the list together.",
        permission=Permission.READING,
        parameters=(*PAGE, *FILTERS),
        answers=(ok("A page of messages.", EmailList, examples.LIST),),
    ),
    Operation(
        id="getEmail",
        method="get",
        path="/emails/{id}",
        tag=_TAG,
        summary="Look up a message",
        description="Attachments are not handed back.",
        permission=Permission.READING,
        parameters=(_ID,),
        answers=(ok("The message and its state.", EmailRepresentation, examples.MESSAGE),),
    ),
    Operation(
        id="listEmailEvents",
        method="get",
        path="/emails/{id}/events",
        tag=_TAG,
        summary="See what happened to a message",
        permission=Permission.READING,
        parameters=(_ID,),
        answers=(ok("The message's timeline, the earliest event first.", EventList, examples.EVENTS),),
    ),
    Operation(
        id="updateEmail",
        method="patch",
        path="/emails/{id}",
        tag=_TAG,
        summary="Give a scheduled message another time",
        permission=Permission.SENDING,
        parameters=(_ID,),
        body=Body(model=Rescheduling, examples={"Tomorrow": {"scheduled_at": "tomorrow at 9am"}}),
        answers=(_CHANGED,),
        problems=("not_scheduled",),
    ),
    Operation(
        id="cancelEmail",
        method="post",
        path="/emails/{id}/cancel",
        tag=_TAG,
        summary="Cancel a scheduled message",
        description="After a 200 it never leaves.",
        permission=Permission.SENDING,
        parameters=(_ID,),
        answers=(_CHANGED,),
        problems=("not_scheduled",),
    ),
)
