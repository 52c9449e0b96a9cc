"""What providers answer, by the rows of their tables, and what each row means.

A provider adds its module here, and a line to each of the three tables.
"""

from __future__ import annotations

from collections.abc import Callable

from services.mailer.outcome import Accepted
from services.mailer.providers.base import Response
from tests.mailer.answers import mailgun, mandrill, outbox, postmark, resend, sendgrid, ses, smtp

ROWS: dict[str, dict[str, tuple[Response, type]]] = {
    "sendgrid": sendgrid.ROWS,
    "mandrill": mandrill.ROWS,
    "postmark": postmark.ROWS,
    "resend": resend.ROWS,
    "mailgun": mailgun.ROWS,
    "ses": ses.ROWS,
    "smtp": smtp.ROWS,
    "outbox": outbox.ROWS,
}
"""By kind and case: the answer, and the class of its outcome."""

ACCEPTANCES: dict[str, list[tuple[Response, Accepted]]] = {
    "sendgrid": sendgrid.ACCEPTANCES,
    "mandrill": mandrill.ACCEPTANCES,
    "postmark": postmark.ACCEPTANCES,
    "resend": resend.ACCEPTANCES,
    "mailgun": mailgun.ACCEPTANCES,
    "ses": ses.ACCEPTANCES,
    "smtp": smtp.ACCEPTANCES,
    "outbox": outbox.ACCEPTANCES,
}
"""By kind: answers that take the message over, and what is kept of them."""

REFUSALS: dict[str, Callable[[str], Response]] = {
    "sendgrid": sendgrid.refusal,
    "mandrill": mandrill.refusal,
    "postmark": postmark.refusal,
    "resend": resend.refusal,
    "mailgun": mailgun.refusal,
    "ses": ses.refusal,
    "smtp": smtp.refusal,
}
"""By kind, for those that explain themselves: the answer that refuses a message in these words."""
