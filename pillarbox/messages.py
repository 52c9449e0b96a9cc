"""What is known of messages here: how they end, and how their story is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import click

from pillarbox.output import STYLES, visible

WELL: Final = frozenset({"sent", "delivered"})
"""Ends that a sender wants."""

ENDS: Final = WELL | {"bounced", "complained", "failed", "suppressed", "canceled", "expired", "held"}
"""After these nothing more happens by itself, but for what providers tell."""

COLUMNS: Final = ("id", "created_at", "status", "to", "subject")

_FIELDS: Final = (
    *("from", "to", "cc", "bcc", "reply_to", "subject", "created_at", "scheduled_at", "expires_at"),
    *("priority", "provider", "provider_message_id", "attempts", "reason", "purged_at"),
)


def described(email: Mapping[str, Any]) -> str:
    """A message for people, without its bodies."""
    lines = [f"{email['id']}  {coloured(email['status'])}", ""]
    for name in _FIELDS:
        value = email.get(name)
        if value or value == 0:
            text = ", ".join(value) if isinstance(value, list) else str(value)
            lines.append(f"  {name.replace('_', ' '):<20}{visible(text)}")
    pairs = [(tag["name"], tag["value"]) for tag in email.get("tags", ())]
    if pairs:
        lines.append(f"  {'tags':<20}{visible(', '.join(f'{name}={value}' for name, value in pairs))}")
    for name, value in email.get("metadata", {}).items():
        lines.append(f"  {visible(f'metadata {name}'):<20}{visible(value)}")
    return "\n".join(lines)


def story(events: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The timeline for people, a line for each event."""
    for event in events:
        yield f"  {clock(event['at'])}  {visible(event['summary'])}"


def clock(at: str) -> str:
    """A moment in local time, to the millisecond."""
    moment = datetime.fromisoformat(at).astimezone()
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"


def coloured(word: str) -> str:
    """A status, in its colour on a terminal."""
    return click.style(visible(word), fg=STYLES.get(word.strip()), bold=True)
