"""The call that tells what happens while it happens."""

from __future__ import annotations

from services.gateway.api.description.operation import Answer, Operation, Parameter
from services.gateway.api.event_stream import LAST_EVENT_ID, TYPES
from services.gateway.tenants.callers import Permission

_PLACE = {"type": "string", "pattern": r"^[0-9]{1,19}-[0-9]{1,19}$"}

OPERATIONS = (
    Operation(
        id="streamEvents",
        method="get",
        path="/events",
        tag="Emails",
        summary="Be told what happens to your messages",
        description="Server-Sent Events, which end when you go away, your API key is revoked, or the gateway "
        "stops; a client comes back with the `id` of the last event that it has seen, and misses none. "
        "`data` is JSON in one line: `type`, `created_at`, and in `data` the event as in the message's "
        "timeline, with `email_id`. The first block has an `id` and no `data`: it says where the stream "
        "begins. The same event may come again after a restore of the database.",
        permission=Permission.READING,
        parameters=(
            Parameter(
                name="types",
                place="query",
                description="Tell of these types of events only: given several times, or with commas.",
                schema={
                    "type": "array",
                    "items": {"type": "string", "enum": list(TYPES)},
                },
            ),
            Parameter(
                name="last_event_id",
                place="query",
                description="Begin behind the event with this `id`, `0-0` being the very beginning; "
                "left out, with what happens from now on.",
                schema=_PLACE,
                example="0-0",
            ),
            Parameter(
                name=LAST_EVENT_ID,
                place="header",
                description="The same, as browsers send it when they come back; goes before the parameter.",
                schema=_PLACE,
                example="0-0",
            ),
        ),
        answers=(
            Answer(
                status=200,
                description="Events as they happen, and a comment now and then as a sign of life.",
                media_type="text/event-stream",
            ),
        ),
        problems=("too_many_streams",),
    ),
)
