"""How much one submission may hold."""

from __future__ import annotations

RECIPIENTS = 50
"""To, cc and bcc together; what Resend, Postmark and Amazon SES take per message."""

SUBJECT_LENGTH = 998
"""Characters: the longest line of a message (RFC 5322, section 2.1.1)."""

HEADERS = 50
HEADER_OCTETS = 998
"""Octets of a custom header's value (RFC 5322, section 2.1.1)."""

ATTACHMENTS = 20
ATTACHMENT_BYTES = 7_000_000
"""All attachments of a message together, decoded; in base64 they fit a body of 10 MB."""

FILENAME_LENGTH = 255
CONTENT_ID_LENGTH = 128

TAGS = 20
TAG_LENGTH = 256

METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500

IDEMPOTENCY_KEY_LENGTH = 256
"""As Resend has it: https://resend.com/docs/dashboard/emails/idempotency-keys"""

BATCH = 1000
"""Messages of one batch."""

REPLAYS = 1000
"""Messages that one call sends once more."""

TEMPLATE_NAME_LENGTH = 128
TEMPLATE_VARIABLES = 100

SUPPRESSIONS = 1000
"""Added or removed in one call; Resend takes 100."""

REPORTED_ERRORS = 20
"""Failing fields that an answer names; more of them help nobody."""


def at_most(limit: int, value: object, what: str) -> None:
    """Refuse a JSON array or object with more than *limit* members before anything looks inside.

    Raises:
        ValueError: It is too long.
    """
    if isinstance(value, list | dict) and len(value) > limit:
        raise ValueError(f"must hold at most {limit} {what}")
