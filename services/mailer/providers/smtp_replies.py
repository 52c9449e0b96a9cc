"""What a reply of an SMTP server says, beyond its first digit.

Codes: RFC 5321, 4.2; enhanced ones, as 4.7.1: RFC 3463 and
https://www.iana.org/assignments/smtp-enhanced-status-codes.  Where servers agree on neither, their words
have to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.mailer.outcome import Trouble
from services.mailer.providers.replies import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.mailer.providers.base import Response

_READ_LENGTH = 2000
_TRANSACTION = frozenset({"mail", "rcpt", "data", "body"})
_CREDENTIALS = frozenset({530, 534, 535, 538})  # RFC 4954, 6
_GOODBYE = 421
_MAIL_IS_FULL = 452
_ADDRESS, _MAILBOX, _SYSTEM, _PROTOCOL, _CONTENT, _POLICY = 1, 2, 3, 5, 6, 7  # RFC 3463, 3.1

_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.(\d{1,3})\b")
_QUEUE_ID = re.compile(
    r"\bqueued as ([\w.-]+)"  # Postfix and those that follow it
    r"|\bid=([\w.-]+)"  # Exim
    r"|\A(?:2\.\d\.\d )?Ok ([0-9a-f]{16}-[0-9a-f-]+)\s*\Z",  # Amazon SES
    re.IGNORECASE,
)
_TOO_FAST = re.compile(
    r"too many(?! hops)|too (?:fast|quickly)|throttl|rate.?limit"
    r"|\b(?:rate|limit|quota)\b[^.;\n]{0,30}\bexceeded|exceed(?:s|ed)\b[^.;\n]{0,40}\b(?:rate|limit|quota)\b",
    re.IGNORECASE,
)
_TOO_MANY_RECIPIENTS = re.compile(r"too many recipients", re.IGNORECASE)
_ABOUT_ACCOUNT = re.compile(
    r"\brelay|not authenticated|authentication (?:is )?required|must (?:authenticate|issue a starttls)"
    r"|\bsend ?as ?denied|not (?:owned by|allowed to send|permitted to send|authori[sz]ed to send)"
    r"|\bclient host\b|not verified"
    r"|\b(?:daily|hourly|monthly|sending|submission)\b[^.;\n]{0,40}\b(?:limit|quota)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply that decided a transaction, as the transport hands it over."""

    status: int
    stage: str
    """What it answered: ``greeting``, ``ehlo``, ``starttls``, ``auth``, ``mail``, ``rcpt``, ``data``,
    or ``body``, which is the final dot."""
    text: str
    recipients: int
    taken: int
    """Of the recipients, how many the server took before this reply."""
    refused: int
    refusal: str
    """Code and text of the first of them."""

    @classmethod
    def of(cls, response: Response) -> Reply:
        """Take the transport's answer apart; whatever is missing counts as none."""
        return cls(
            response.status,
            response.headers.get("stage", "unknown"),
            response.body.decode(errors="replace"),
            _count(response.headers, "recipients"),
            _count(response.headers, "recipients-taken"),
            _count(response.headers, "recipients-refused"),
            response.headers.get("refusal", ""),
        )

    @property
    def is_acceptance(self) -> bool:
        return self.status // 100 == 2 and self.stage == "body"

    @property
    def is_temporary(self) -> bool:
        return self.status // 100 == 4

    @property
    def is_permanent(self) -> bool:
        return self.status // 100 == 5

    @property
    def queue_id(self) -> str | None:
        """The server's own name for the message, if it tells."""
        found = _QUEUE_ID.search(self.text[:_READ_LENGTH])
        return identifier(found[found.lastindex or 0]) if found else None

    @property
    def is_too_many_recipients(self) -> bool:
        """Whether the server took some and no more (RFC 5321, 4.5.3.1.10).

        That the others may come in a transaction of their own is of no use to one message that has one
        outcome: the same would happen to it each time.
        """
        said = self._enhanced in {None, (_PROTOCOL, 3)} and _TOO_MANY_RECIPIENTS.search(self._start)
        full = self.status == _MAIL_IS_FULL and (said or self._enhanced == (_PROTOCOL, 3))
        return self.taken > 0 and bool(full)

    @property
    def trouble(self) -> Trouble:
        """Whose trouble a temporary refusal is."""
        subject = self._enhanced[0] if self._enhanced else None
        about_recipient = subject in {_ADDRESS, _MAILBOX}
        if _TOO_FAST.search(self._start) and not about_recipient:
            return Trouble.PACE
        if self.status == _GOODBYE or self.stage not in _TRANSACTION or subject == _SYSTEM:
            return Trouble.PROVIDER
        if self.stage == "rcpt" or about_recipient or subject in {_CONTENT, _POLICY}:
            return Trouble.MESSAGE
        return Trouble.PROVIDER

    @property
    def is_about_account(self) -> bool:
        """Whether a permanent refusal would hit every other message as well.

        Many servers tell only at RCPT what they have against client or sender, so that there words decide.
        """
        if self.status in _CREDENTIALS or self.stage not in _TRANSACTION:
            return True
        by_policy = self._enhanced is not None and self._enhanced[0] == _POLICY
        return (self.stage == "mail" and by_policy) or bool(_ABOUT_ACCOUNT.search(self._start))

    @property
    def _start(self) -> str:
        return self.text[:_READ_LENGTH]

    @property
    def _enhanced(self) -> tuple[int, int] | None:
        """Subject and detail of the enhanced code."""
        found = _ENHANCED.match(self.text)
        return (int(found[1]), int(found[2])) if found else None


def _count(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
