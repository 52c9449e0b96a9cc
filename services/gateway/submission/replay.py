"""Which messages are to be sent once more: the filters of ``GET /emails``, in a body."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

from pydantic import Field, PlainValidator

from services.gateway.ledger.filters import Filters
from services.gateway.submission import filters, limits
from services.gateway.submission.texts import NO_NUL, Mailbox, text
from services.gateway.submission.validation import Submission

Ended = Literal["failed", "suppressed", "held"]
ENDED: Final[tuple[str, ...]] = get_args(Ended)
"""What messages can be brought back from."""

_LIMIT: Final = 100


def _text(read: Callable[[str], Any], words: Any) -> PlainValidator:
    """A text that *read* understands and *words* describe; null counts as left out."""

    def validate(value: object) -> Any:
        if isinstance(value, str):
            return read(value)
        if value is None:
            return None
        raise ValueError("must be a string")

    return PlainValidator(validate, json_schema_input_type=words | None)


def _cursor(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise ValueError("must be next from the answer before") from None


def _status(value: object) -> object:
    if value not in ENDED:
        raise ValueError(f"must be one of {', '.join(ENDED)}")
    return value


def _limit(value: object) -> int:
    if value is None:
        return _LIMIT
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # in JSON Schema 5.0 is an integer, too
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limits.REPLAYS:
        raise ValueError(f"must be a whole number from 1 to {limits.REPLAYS}")
    return value


def _switch(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - pydantic reports only ValueErrors
    return value


_Tag = Annotated[str, text(maxLength=filters.LONGEST_TAG, pattern=filters.TAG_PATTERN)]
_Date = Annotated[str, text(format="date-time")]
_Words = Annotated[str, text(minLength=1, maxLength=filters.REASON_LENGTH, pattern=NO_NUL)]
_Limit = Annotated[int, Field(ge=1, le=limits.REPLAYS)]

_Moment = Annotated[datetime | None, _text(filters.moment, _Date)]


class ReplaySubmission(Submission):
    """Messages that are to be sent once more: those that fit all of this, the newest first."""

    status: Annotated[str, PlainValidator(_status, json_schema_input_type=Ended)] = Field(
        description="What has become of them."
    )
    to: Annotated[str | None, _text(filters.recipient, Mailbox)] = Field(
        default=None, description="Only messages to this address, in to, cc or bcc."
    )
    tag: Annotated[str | None, _text(filters.tag, _Tag)] = Field(
        default=None, description="Only messages with this tag, as name and value."
    )
    since: _Moment = Field(default=None, description="Only messages that were accepted then or later.")
    until: _Moment = Field(default=None, description="Only messages that were accepted before then.")
    reason: Annotated[str | None, _text(filters.reason, _Words)] = Field(
        default=None, description="Only messages whose reason begins like this, such as `given_up`."
    )
    after: Annotated[UUID | None, _text(_cursor, Annotated[str, text(format="uuid")])] = Field(
        default=None, description="Go on behind this message: `next` of the answer before."
    )
    limit: Annotated[int, PlainValidator(_limit, json_schema_input_type=_Limit | None)] = Field(
        default=_LIMIT, description="How many to send at most; it may be fewer if they are large."
    )
    dry_run: Annotated[bool, PlainValidator(_switch, json_schema_input_type=bool | None)] = Field(
        default=False, description="Count them, and touch nothing."
    )

    def wanted(self) -> Filters:
        """What they have to fit."""
        return Filters(self.status, self.to, self.tag, self.since, self.until, self.reason)
