"""Making an event of what a provider tells, whatever it is: the same rules for all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from services.gateway.provider_events.reader import Aside
from services.gateway.provider_events.reasons import reason
from shared.signatures import RecordEvent

MESSAGE_ID: Final = "message_id"
"""The name under which a message's metadata, tag or variable carries our id; the mailer sets it."""

_YEARS: Final = range(2000, 2200)
_IDENTIFIER: Final = 255
_EVENT_ID: Final = 128
_ADDRESS: Final = 320  # RFC 5321, 4.5.3.1: 64 and 255, and what is between


@dataclass(frozen=True, slots=True)
class Teller:
    """Speaks for one account."""

    account: str

    def tell(
        self,
        event: str | None,
        *,
        at: object,
        message_id: object = None,
        provider_message_id: object = None,
        event_id: object = None,
        recipient: object = None,
        reasons: tuple[object, ...] = (),
    ) -> RecordEvent | Aside:
        """Give the event, or say why it is none; every argument is what stands in the provider's body."""
        if event is None:
            return Aside.UNKNOWN
        when, ours, theirs = moment(at), our_id(message_id), identifier(provider_message_id)
        if when is None or (ours is None and theirs is None):
            return Aside.UNREADABLE
        whom = address(recipient)
        return RecordEvent(
            message_id=ours,
            event=event,
            at=when,
            provider=self.account,
            provider_message_id=theirs,
            provider_event_id=_event_id(event_id) or fingerprint(event, when, ours, theirs, whom),
            recipient=whom,
            reason=reason(*reasons, recipient=whom),
        )


def fingerprint(*parts: object) -> str:
    """Tell apart what has no id of its own, by what it consists of."""
    joined = "\x1f".join(map(str, parts))
    return hashlib.sha256(joined.encode(errors="backslashreplace")).hexdigest()[:40]


def moment(value: object) -> datetime | None:
    """Read unix seconds, as a number or a text, or ISO 8601, in which a missing zone is UTC."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            when = datetime.fromisoformat(value)
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            when = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return when if when.year in _YEARS else None


def our_id(value: object) -> UUID | None:
    """Read the id that the mailer gave along."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def identifier(value: object) -> str | None:
    """Read a provider's id for a message; None where it is none that could be stored."""
    stripped = value.strip() if isinstance(value, str) else ""
    return stripped if 0 < len(stripped) <= _IDENTIFIER and stripped.isprintable() else None


def address(value: object) -> str | None:
    """Read a recipient, which may stand in angle brackets after a name."""
    bare = value.rpartition("<")[2].partition(">")[0].strip() if isinstance(value, str) else ""
    return bare if "@" in bare and len(bare) <= _ADDRESS and bare.isprintable() else None


def only(addresses: list[object]) -> object:
    """The one of them, if there is but one."""
    return addresses[0] if len(addresses) == 1 else None


def _event_id(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value if len(value) <= _EVENT_ID and value.isprintable() else fingerprint(value)
