"""From a SendGrid request to its messages, one for each personalization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any
from uuid import UUID

from services.gateway.acceptance.entries import Draft
from services.gateway.problems import FieldError, Problem, invalid_fields
from services.gateway.submission import limits
from services.gateway.submission.headers import UNSAFE
from services.gateway.submission.sendgrid import MailSubmission
from services.gateway.submission.sendgrid_fields import Person
from services.gateway.submission.sendgrid_options import CATEGORY
from services.gateway.submission.sendgrid_personalization import Personalization, merged_headers
from services.gateway.submission.substitutions import Room, TooMuchError
from services.gateway.submission.template_use import TemplateUse
from services.gateway.templates.published import TemplateContent
from shared.signatures import Address, Attachment, SendEmail, Tag

GROWTH = 20_000_000
"""Characters that substitutions may add to a request, and that several messages may have together."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """A request that was read, with what its messages have in common."""

    mail: MailSubmission
    tenant: str
    template: TemplateContent | None
    attachments: tuple[Attachment, ...]
    growth: Room
    """For what substitutions add."""
    total: Room
    """For the messages, where there are several."""

    @classmethod
    def of(cls, mail: MailSubmission, tenant: str, template: TemplateContent | None = None) -> Mailing:
        """Prepare a request; *template* is what stands under its template_id."""
        attachments = tuple(attachment.part() for attachment in mail.attachments)
        return cls(mail, tenant, template, attachments, Room(GROWTH), Room(GROWTH))

    def length_at_most(self, request: int) -> float:
        """Estimate from above how many characters the messages have, of a *request* of so many octets."""
        if self.mail.sections:
            return inf
        sources = (self.template.subject, self.template.html, self.template.text) if self.template else ()
        common = request + sum(len(source or "") for source in sources)
        texts = sum(len(body.value) for body in self.mail.content) + limits.SUBJECT_LENGTH
        return sum(
            common + texts // min(map(len, values), default=1) * max(map(len, values.values()), default=0)
            for values in (own.substitutions for own in self.mail.personalizations)
        )

    def drafts(self, new_id: Callable[[], UUID]) -> list[Draft]:
        """Make the messages, in the order of the personalizations.

        Raises:
            Problem: 422, substitutions make no subject, no body or too much text, or the template
                lacks a subject or a variable.
        """
        now = datetime.now(UTC)
        return [
            Draft(
                self._signature(own, place := f"/personalizations/{index}", new_id()),
                _later(self.mail.send_at if own.send_at is None else own.send_at, now),
                # Where the sender stands, should the caller not be allowed it.
                place=place if own.sender else "",
            )
            for index, own in enumerate(self.mail.personalizations)
        ]

    def _signature(self, own: Personalization, place: str, message_id: UUID) -> SendEmail:
        try:
            words = self._templated(own, place) if self.template else self._filled(own, place)
            signature = self._message(own, message_id, words)
            if len(self.mail.personalizations) > 1:
                self.total.take(len(signature.arguments()))
        except TooMuchError as error:
            raise invalid_fields([FieldError(place, str(error))]) from None
        return signature

    def _message(self, own: Personalization, message_id: UUID, words: dict[str, Any]) -> SendEmail:
        mail = self.mail
        return SendEmail(
            message_id=message_id,
            tenant=self.tenant,
            to=_addresses(own.to),
            cc=_addresses(own.cc),
            bcc=_addresses(own.bcc),
            headers=merged_headers(mail.headers, own.headers),
            attachments=self.attachments,
            tags=tuple(Tag(name=CATEGORY, value=category) for category in mail.categories),
            metadata={**mail.custom_args, **own.custom_args},
            **words,
        )

    def _envelope(self, own: Personalization) -> dict[str, Any]:
        reply_to = (self.mail.reply_to,) if self.mail.reply_to else self.mail.reply_to_list
        return {"sender": (own.sender or self.mail.sender).address(), "reply_to": _addresses(reply_to)}

    def _filled(self, own: Personalization, place: str) -> dict[str, Any]:
        """Give sender, subject and bodies, with the recipient's own in them."""
        values = self.growth.with_sections(own.substitutions, self.mail.sections)
        subject = self.growth.fill(own.subject or self.mail.subject or "", values)
        bodies = {body.type: self.growth.fill(body.value, values) for body in self.mail.content}
        reason = "a body that is not empty" if not any(bodies.values()) else _unfit(subject)
        if reason:
            raise invalid_fields([FieldError(f"{place}/substitutions", f"must make {reason}")])
        return {
            **self._envelope(own),
            "subject": subject,
            "html": bodies.get("text/html") or None,
            "text": bodies.get("text/plain") or None,
        }

    def _templated(self, own: Personalization, place: str) -> dict[str, Any]:
        """Give sender, subject and template, whose subject goes first, as it does at SendGrid."""
        assert self.template is not None  # noqa: S101 - nobody else calls this
        use = TemplateUse(id=self.mail.template_id or "", variables=own.dynamic_template_data)
        subject = None if self.template.subject else own.subject or self.mail.subject
        try:
            return use.apply(self.template, subject=subject, **self._envelope(own))
        except Problem as problem:
            data = f"{place}/dynamic_template_data"
            errors = [
                FieldError(error.pointer.replace("/template/variables", data, 1), error.message)
                for error in problem.errors
            ]
            raise invalid_fields(errors) from None


def _addresses(people: tuple[Person, ...]) -> tuple[Address, ...]:
    return tuple(person.address() for person in people)


def _later(seconds: int | None, now: datetime) -> datetime | None:
    """Give the moment to send at, unless it has passed."""
    if seconds is None or seconds <= now.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _unfit(subject: str) -> str | None:
    """What a subject would have to be, if it is not."""
    if UNSAFE.search(subject):
        return "a subject of one line, without control characters"
    if not 1 <= len(subject) <= limits.SUBJECT_LENGTH:
        return f"a subject of 1 to {limits.SUBJECT_LENGTH} characters"
    return None
