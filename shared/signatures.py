"""The signatures that cross the broker: task name, queue and typed arguments.

This module is the only thing both services import.

Rule of change
--------------
Gateway and mailer are deployed on their own, in any order, so a message may be written by
a version older or newer than the one that reads it.  Therefore:

* a task name or queue name is never renamed and never reused for something else;
* a new field has a default, and a default never changes its meaning;
* a field that the receiver does not know is ignored;
* a field is never removed while a released version still needs it;
* a payload of every released version is kept in ``tests/contract/golden/`` and must parse for ever.

On the wire a signature is an ordinary Celery task message (protocol 2, JSON): ``args`` is
empty, ``kwargs`` are the fields below, and the Celery task id is the message id.  Fields that
hold their default are left out.
https://docs.celeryq.dev/en/stable/internals/protocol.html
"""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

EXCHANGE = "pillarbox"
"""The topic exchange all signatures are published to; the routing key is the queue's name."""

DEAD_LETTER_EXCHANGE = "pillarbox.dead"
"""Where a broker message goes that nobody could process; it keeps its routing key."""


class Lane(StrEnum):
    """Which queue a message travels in, so that a newsletter never delays a password reset."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


class OnUncertain(StrEnum):
    """What to do when nobody can tell whether the provider took the message."""

    RESEND = "resend"
    """Send again: at least once."""
    HOLD = "hold"
    """Leave it to a human: at most once."""


class Event(StrEnum):
    """What became of a message, in the past tense; the actor is the reporter of the event."""

    SENDING = "sending"
    """The mailer began an attempt."""
    SENT = "sent"
    """The provider accepted the message."""
    DEFERRED = "deferred"
    """The attempt certainly did not send; another one follows at ``retry_at``."""
    UNCERTAIN = "uncertain"
    """The attempt may have sent: its answer was lost."""
    SUPPRESSED = "suppressed"
    """The provider does not send to this recipient."""
    FAILED = "failed"
    """Given up; the reason says why another attempt cannot help."""
    EXPIRED = "expired"
    """``expires_at`` passed before the provider accepted the message."""
    HELD = "held"
    """In doubt whether it was sent, and not to be sent again unless a human says so."""


class Feedback(StrEnum):
    """What the provider tells of a message afterwards, in its own time and order.

    It may tell of :attr:`Event.FAILED` and :attr:`Event.SUPPRESSED` too: it took the message, and dropped it.
    """

    PROCESSED = "processed"
    """The provider has it, and is about to deliver it."""
    DELIVERED = "delivered"
    """The receiving mail server took it."""
    DELIVERY_DELAYED = "delivery_delayed"
    """The receiving mail server did not take it yet; the provider goes on trying."""
    SOFT_BOUNCED = "soft_bounced"
    """Not delivered this time (mailbox full, server away); it says nothing about the next message."""
    BOUNCED = "bounced"
    """Not delivered, and nothing to this recipient will be."""
    COMPLAINED = "complained"
    """The recipient marked it as spam."""
    UNSUBSCRIBED = "unsubscribed"
    """The recipient wants no more bulk mail."""
    OPENED = "opened"
    CLICKED = "clicked"


class _Part(BaseModel):
    """Frozen, and indifferent to fields of a newer version."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Address(_Part):
    """One mailbox: an addr-spec that has been validated, and a display name (RFC 5322, 3.4)."""

    email: str
    name: str | None = None


class Attachment(_Part):
    """A file that travels inside the message."""

    filename: str
    content: str
    """The file in base64 (RFC 4648, section 4)."""
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    """Set for an inline image that the HTML refers to as ``cid:…`` (RFC 2392)."""


class Tag(_Part):
    """A name and value that the provider shows in its own reports."""

    name: str
    value: str


class Template(_Part):
    """What the mailer makes subject and bodies from, in Liquid (https://shopify.github.io/liquid/)."""

    subject: str | None = None
    """None where the message has a subject of its own, which stands as it is."""
    html: str | None = None
    text: str | None = None
    variables: dict[str, JsonValue] = Field(default_factory=dict)
    """Data, never rendered itself."""


class Signature(_Part):
    """Arguments of one task, and where they go."""

    task: ClassVar[str]
    """The stable Celery task name."""

    @property
    @abstractmethod
    def queue(self) -> str:
        """The queue, and routing key, that this signature is published to."""

    def arguments(self) -> bytes:
        """The task's keyword arguments as JSON, as they stand in the message body."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True).encode()

    @classmethod
    def parse(cls, arguments: bytes | str) -> Self:
        """Read what :meth:`arguments` wrote, in this version or another one.

        Raises:
            pydantic.ValidationError: A required field is missing or has the wrong type.
        """
        return cls.model_validate_json(arguments)


class SendEmail(Signature):
    """Gateway to mailer: deliver this message."""

    task: ClassVar[str] = "mailer.send_email"

    message_id: UUID
    tenant: str = "default"
    lane: Lane = Lane.TRANSACTIONAL
    sender: Address = Field(alias="from")
    to: tuple[Address, ...]
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str
    """With a ``template`` its source, which the mailer replaces by what it renders."""
    html: str | None = None
    text: str | None = None
    template: Template | None = None
    """Set where subject and bodies are still to be rendered."""
    headers: dict[str, str] = Field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[Tag, ...] = ()
    metadata: dict[str, str] = Field(default_factory=dict)
    expires_at: AwareDatetime | None = None
    """After this moment the message is worthless and must not be sent."""
    on_uncertain: OnUncertain = OnUncertain.RESEND
    series: int = Field(default=0, ge=0, lt=2**15)
    """Which series of attempts this is: each replay of a message that had come to its end begins a new
    one.  To the provider it stays the same message."""

    @property
    def queue(self) -> str:
        return f"mailer.{self.lane}"


class SendWelcomeEmail(Signature):
    """Gateway to mailer: render the mailer's own welcome template and deliver it."""

    task: ClassVar[str] = "mailer.send_welcome_email"
    lane: ClassVar[Lane] = Lane.TRANSACTIONAL

    email: str
    message_id: UUID | None = None
    """Left out by ``send_welcome_email.delay(email)``: then the Celery task id serves."""
    tenant: str = "default"
    series: int = Field(default=0, ge=0, lt=2**15)
    """As in :class:`SendEmail`."""

    @property
    def queue(self) -> str:
        return f"mailer.{self.lane}"


class RecordEvent(Signature):
    """Mailer to gateway, or gateway to gateway what a provider told it: write this event into the ledger."""

    task: ClassVar[str] = "gateway.record_event"
    QUEUE: ClassVar[Literal["gateway.events"]] = "gateway.events"

    message_id: UUID | None = None
    """None where the provider names the message by its own id alone, which is then given below.  Until
    0.3 it was required: an older gateway makes a dead letter of an event without it."""
    event: str
    """One of :class:`Event` or :class:`Feedback`; a plain string, since a newer version may know more."""
    at: AwareDatetime
    attempt: int = Field(default=0, ge=0, lt=2**31)
    """Which attempt this tells of, counted from 1; 0 where there was none."""
    provider: str | None = None
    provider_message_id: str | None = None
    reason: str | None = None
    """Why, for a human; never holds an address or a secret."""
    retry_at: AwareDatetime | None = None
    """When the next attempt is due, if there will be one."""
    series: int = Field(default=0, ge=0, lt=2**15)
    """The series of attempts that this belongs to."""
    provider_event_id: str | None = None
    """Set where a provider told it: what makes the event the same when it is told twice."""
    recipient: str | None = None
    """The one among the recipients that this is about; never logged."""

    @model_validator(mode="after")
    def _about_a_message(self) -> Self:
        if self.message_id is None and not (self.provider and self.provider_message_id):
            raise ValueError("message_id, or provider and provider_message_id: one of them must be given")
        return self

    @property
    def queue(self) -> str:
        return self.QUEUE


class RecordEvents(Signature):
    """The same for many events at once, in a queue of its own: most of what an event costs is its message.

    Gateways before 0.4 do not read that queue.  So events are put together only where some gateway
    consumes it, and go one by one otherwise.
    """

    task: ClassVar[str] = "gateway.record_events"
    QUEUE: ClassVar[Literal["gateway.batches"]] = "gateway.batches"
    MOST: ClassVar[int] = 100
    """Events that writers put together; readers take any number."""

    events: tuple[RecordEvent, ...] = Field(min_length=1)

    @property
    def queue(self) -> str:
        return self.QUEUE


class PostWebhook(Signature):
    """Gateway to mailer: make one attempt to tell a tenant's own server of an event.

    The gateway keeps account of the attempts, so this one is not repeated by the mailer.
    """

    task: ClassVar[str] = "mailer.post_webhook"
    QUEUE: ClassVar[Literal["mailer.webhooks"]] = "mailer.webhooks"

    delivery_id: UUID
    """Which event for which endpoint; the same over all attempts, so that a receiver can tell."""
    attempt: int = Field(ge=1, lt=2**31)
    """Counted from 1."""
    url: str
    payload: str
    """The JSON to be posted, exactly so."""
    secrets: tuple[str, ...]
    """``whsec_`` and base64: what to sign with, the current one first."""

    @property
    def queue(self) -> str:
        return self.QUEUE


class RecordWebhookAttempt(Signature):
    """Mailer to gateway: what became of one :class:`PostWebhook`."""

    task: ClassVar[str] = "gateway.record_webhook_attempt"
    QUEUE: ClassVar[Literal["gateway.events"]] = "gateway.events"

    delivery_id: UUID
    attempt: int = Field(ge=1, lt=2**31)
    at: AwareDatetime
    """When the attempt began."""
    duration_ms: int = Field(default=0, ge=0)
    status_code: int | None = None
    """The HTTP status of the answer; None where there was none."""
    response: str = ""
    """The beginning of the answer's body, for a human."""
    reason: str | None = None
    """Why there was no answer; never holds an address or a secret."""
    retry_after: float | None = Field(default=None, ge=0)
    """Seconds that the receiver asked to be left alone for."""

    @property
    def queue(self) -> str:
        return self.QUEUE


class SlotUse(_Part):
    """What a mailer's slots for one queue do."""

    queue: str
    busy: int = Field(default=0, ge=0)
    slots: int = Field(default=0, ge=0)
    """How many there are."""
    paused: bool = False
    """Whether the queue is left alone, because every account that could serve it is away."""


class AccountUse(_Part):
    """How one account fares, as one mailer sees it."""

    name: str
    """The operator's word for it."""
    kind: str = ""
    """Whose account it is."""
    lanes: tuple[str, ...] = ()
    circuit: str = "closed"
    """``closed``, ``half-open`` or ``open``; a plain string, since a newer version may know more."""
    limit_per_second: float | None = Field(default=None, ge=0)
    """Messages a second that it may do now, for all mailers together; None while no limit is known."""
    sent_per_second: float = Field(default=0.0, ge=0)
    """Messages a second that it took from this mailer lately."""
    in_flight: int = Field(default=0, ge=0)
    waiting: int = Field(default=0, ge=0)
    """Messages that wait for their turn there."""


class RecordMailer(Signature):
    """Mailer to gateway: I am here, and this is what I do.

    Told over and over, and worth nothing once the next one is there: it may be lost, and nobody waits for it.
    """

    task: ClassVar[str] = "gateway.record_mailer"
    QUEUE: ClassVar[Literal["gateway.mailers"]] = "gateway.mailers"

    mailer_id: UUID
    """Of the process, from its start to its end."""
    at: AwareDatetime
    started_at: AwareDatetime
    host: str = ""
    version: str = ""
    every_seconds: float = Field(default=10.0, gt=0)
    """When to expect the next word."""
    ends: bool = False
    """Whether this is the last one."""
    queues: tuple[SlotUse, ...] = ()
    accounts: tuple[AccountUse, ...] = ()

    @property
    def queue(self) -> str:
        return self.QUEUE


MAILER_QUEUES: tuple[str, ...] = tuple(f"mailer.{lane}" for lane in Lane)
