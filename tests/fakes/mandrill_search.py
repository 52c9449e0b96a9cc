"""Mandrill's ``POST /api/1.0/messages/search.json``: who finds what.

https://mailchimp.com/developer/transactional/api/messages/search-messages/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.fakes.dialect import at
from tests.fakes.entry import Entry

PATH = re.compile(r"/api/1\.\d/messages/search\.json")
_OURS = re.compile(r'u_message_id:"([^"]*)"')
_EMAIL = re.compile(r'email:"((?:[^"\\]|\\.)*)"')
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST = 1000


def wanted(payload: Any) -> str:
    """Give our message id in the query; empty if there is none."""
    found = _OURS.search(str(at(payload, "query")))
    return found[1] if found else ""


def problem(payload: Any) -> dict[str, str] | None:
    """Find what makes the call invalid."""
    if not isinstance(payload.get("query", "*"), str):
        return {"query": "Please enter a string"}
    if not _DATE.fullmatch(str(payload.get("date_from", "2026-01-01"))):
        return {"date_from": "Please enter a date"}
    if not isinstance(payload.get("limit", 100), int) or not 0 < payload.get("limit", 100) <= _MOST:
        return {"limit": f"At most {_MOST}"}
    return None


def rows(payload: Any, entries: Iterable[Entry], *, registered: bool) -> list[dict[str, Any]]:
    """Give a row for each recipient of the messages that the query finds.

    Args:
        payload: Of the search.
        entries: Every message that the index knows.
        registered: Whether ``message_id`` is among the account's Custom Metadata.  Otherwise nothing
            is found by it, and it is not shown.
    """
    emails = {re.sub(r"\\(.)", r"\1", email).lower() for email in _EMAIL.findall(payload.get("query", ""))}
    found = [
        _row(entry, person, registered=registered)
        for entry in entries
        if _day(entry) >= payload.get("date_from", "")
        for person in entry.payload["message"]["to"]
        if person["email"].lower() in emails or (registered and entry.message_id == wanted(payload))
    ]
    return found[: payload.get("limit", 100)]


def _day(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.accepted_at or 0, UTC).strftime("%Y-%m-%d")


def _row(entry: Entry, person: dict[str, str], *, registered: bool) -> dict[str, Any]:
    message = entry.payload["message"]
    first = person is message["to"][0]
    other = hashlib.md5(f"{entry.provider_message_id} {person['email']}".encode(), usedforsecurity=False)
    return {
        "ts": int(entry.accepted_at or 0),
        "_id": entry.provider_message_id if first else other.hexdigest(),
        "sender": message["from_email"],
        "subject": message.get("subject"),
        "email": person["email"],
        "tags": message.get("tags", []),
        "state": "sent",
        # Without any it is an empty list, as PHP writes an empty object.
        "metadata": message.get("metadata", []) if registered else [],
    }
