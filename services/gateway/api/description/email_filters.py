"""The filters that ``GET /emails`` takes."""

from __future__ import annotations

from services.gateway.api.description.operation import Parameter
from services.gateway.api.representation import LAST_EVENT
from services.gateway.submission.filters import LONGEST_TAG, PROVIDER_LENGTH, TAG_PATTERN
from services.gateway.submission.texts import CONTROLS
from shared.signatures import Lane

_MOMENT = {"type": "string", "format": "date-time"}

FILTERS = (
    Parameter(
        name="status",
        place="query",
        description="Only messages that have come this far.",
        schema={"type": "string", "enum": [*LAST_EVENT]},
    ),
    Parameter(
        name="to",
        place="query",
        description="Only messages to this address, in to, cc or bcc.",
        schema={"$ref": "#/components/schemas/Mailbox"},
    ),
    Parameter(
        name="tag",
        place="query",
        description="Only messages with this tag, as name and value.",
        schema={"type": "string", "maxLength": LONGEST_TAG, "pattern": TAG_PATTERN},
        example="category:receipt",
    ),
    Parameter(
        name="priority",
        place="query",
        description="Only messages of this lane.",
        schema={"type": "string", "enum": [*Lane]},
    ),
    Parameter(
        name="provider",
        place="query",
        description="Only messages whose last attempt this account made. Together with nothing else it looks "
        "through all messages; name a time, too, where there are many.",
        schema={"type": "string", "maxLength": PROVIDER_LENGTH, "pattern": f"^[^{CONTROLS}]+$"},
        example="sendgrid",
    ),
    Parameter(
        name="since",
        place="query",
        description="Only messages that were accepted then or later; in a URL + is written %2B.",
        schema=_MOMENT,
        example="2026-01-02T15:04:05Z",
    ),
    Parameter(
        name="until",
        place="query",
        description="Only messages that were accepted before then.",
        schema=_MOMENT,
        example="2026-01-02T15:04:05Z",
    ),
)
