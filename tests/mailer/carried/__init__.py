"""What of a message arrived at a provider, read back from each dialect into one shape.

A provider adds its module here, and a line to the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.mailer.carried import letter, mailgun, mandrill, postmark, resend, sendgrid, ses, smtp
from tests.mailer.carried.shape import Carried, meant

READERS: dict[str, Callable[[Any], Carried]] = {
    "sendgrid": sendgrid.read,
    "mandrill": mandrill.read,
    "postmark": postmark.read,
    "resend": resend.read,
    "mailgun": mailgun.read,
    "ses": ses.read,
    "smtp": smtp.read,
    "outbox": letter.read,
}
"""By kind: reads the ``payload`` of the fake's record; for the outbox the bytes of the file."""

__all__ = ["READERS", "Carried", "meant"]
