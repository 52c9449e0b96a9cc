"""What a provider cannot carry, and what is left of the samples that ask for too much.

A provider adds its module here, and a line to the tables that concern it.
"""

from __future__ import annotations

from shared.signatures import SendEmail
from tests.mailer.limits import mailgun, mandrill, outbox, postmark, resend, sendgrid, ses, smtp
from tests.mailer.samples import SAMPLES

UNSUPPORTED: dict[str, list[tuple[dict[str, object], str]]] = {
    "sendgrid": sendgrid.UNSUPPORTED,
    "mandrill": mandrill.UNSUPPORTED,
    "postmark": postmark.UNSUPPORTED,
    "resend": resend.UNSUPPORTED,
    "mailgun": mailgun.UNSUPPORTED,
    "ses": ses.UNSUPPORTED,
    "smtp": smtp.UNSUPPORTED,
    "outbox": outbox.UNSUPPORTED,
}
"""By kind: fields that make a message one too much for it, and words of the reason."""

FITTING: dict[str, dict[str, dict[str, object]]] = {
    "postmark": {"full": postmark.FITTING},
    "resend": {"full": resend.FITTING, "literal": resend.LITERAL},
    "ses": {"full": ses.FITTING},
    "smtp": {"full": smtp.FITTING},
}
"""By kind and name, for those that cannot carry that sample: the fields of it that are other ones then."""


def sample(kind: str, name: str) -> SendEmail:
    """Give the sample as far as this provider can carry it."""
    return SAMPLES[name].model_copy(update=FITTING.get(kind, {}).get(name, {}))
