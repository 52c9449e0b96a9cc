"""Any server that takes mail over by SMTP: RFC 5321; for submission RFC 6409."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from services.mailer.outcome import Accepted, Deferred, Outcome, Rejected, Unauthorised, Uncertain, reason
from services.mailer.providers import fields
from services.mailer.providers.base import Response, Submission, Traits, UnsupportedError
from services.mailer.providers.letter import compose
from services.mailer.providers.replies import words
from services.mailer.providers.smtp_replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.signatures import Address, SendEmail

_MESSAGE_ID = "X-Pillarbox-Message-Id"
_ADDED_ON_THE_WAY = "return-path"  # by the server that delivers, and by no other (RFC 5321, 4.4)
_RESERVED = frozenset({_MESSAGE_ID.lower(), _ADDED_ON_THE_WAY})


@dataclass(frozen=True, slots=True)
class Smtp:
    """One account at one mail server.

    SMTP knows no idempotency key, and a mail server cannot be searched.  Nor has it a place for tags and
    metadata: they are for a provider's reports, of which there are none here, and as headers every
    recipient would see them.  So they stay in our own ledger, where the API shows them; everything else
    of a message is carried.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """As in :class:`.Submission`; ``tls`` goes with port 465."""
    username: str | None = field(default=None, repr=False)
    """None where the server takes our mail without asking who we are."""
    password: str | None = field(default=None, repr=False)

    kind: ClassVar[str] = "smtp"
    traits: ClassVar[Traits] = Traits()

    def build(self, message: SendEmail) -> Submission:
        """See :meth:`.Provider.build`.

        Addresses have to be ASCII: those that are not need SMTPUTF8 (RFC 6531), which a server further on
        may not speak, and then the message is lost after it was taken over.
        """
        fields.headers(message, reserved=_RESERVED)
        fields.metadata(message)  # The other providers refuse a reserved name; a failover must not matter.
        recipients = tuple(dict.fromkeys(_paths((*message.to, *message.cc, *message.bcc))))
        if not recipients:
            raise UnsupportedError("the message has no recipient")
        ours = f"{_MESSAGE_ID}: {message.message_id}\r\n".encode()
        return Submission(
            host=self.host,
            port=self.port,
            security=self.security,
            username=self.username,
            password=self.password,
            sender=message.sender.email,
            recipients=recipients,
            body=ours + compose(message, disclosed=False),
        )

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        The first digit decides (RFC 5321, 4.2.1).  A 2yz counts after the final dot alone; before it the
        transport does not let one stand as the end of an attempt.
        """
        reply = Reply.of(response)
        said = words(reply.text, secret=self.password or "")
        why = reason(f"{response.status} at {reply.stage}", said)
        if reply.is_acceptance:
            return Accepted(reply.queue_id, self._missed(reply))
        if reply.is_temporary:
            if reply.is_too_many_recipients:
                return Rejected(reason("the server takes fewer recipients at once", why))
            return Deferred(why, trouble=reply.trouble)
        if reply.is_permanent:
            return Unauthorised(why) if reply.is_about_account else Rejected(why)
        return Uncertain(reason(why, "not an answer that ends a transaction"))

    def _missed(self, reply: Reply) -> str | None:
        """Say who does not get the message, though others do."""
        if not reply.refused:
            return None
        count = f"{reply.refused} of {reply.recipients} recipients were refused"
        return reason(count, words(reply.refusal, secret=self.password or ""))


def _paths(addresses: tuple[Address, ...]) -> Iterator[str]:
    """Give the forward-paths, with the domain in lower case alone (RFC 5321, 2.4)."""
    for address in addresses:
        local_part, at, domain = address.email.rpartition("@")
        yield f"{local_part}{at}{domain.lower()}"
