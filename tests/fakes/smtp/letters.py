"""What a mail server could see of a message, and this one looks at."""

from __future__ import annotations

from email import message_from_string, policy


def message_id(content: str) -> str | None:
    """Find our message id where the provider put it."""
    return _header(content, "X-Pillarbox-Message-Id")


def subject(content: str) -> str | None:
    return _header(content, "Subject")


def _header(content: str, name: str) -> str | None:
    head, _, _ = content.partition("\r\n\r\n")
    value = message_from_string(head + "\r\n\r\n", policy=policy.default)[name]
    return None if value is None else str(value)
