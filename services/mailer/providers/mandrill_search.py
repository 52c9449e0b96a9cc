"""Ask Mandrill for a message: https://mailchimp.com/developer/transactional/api/messages/search-messages/.

Its index knows our message id (``u_message_id:…``) only in an account that has registered that name
under *Custom Metadata*; in any other such a search finds nothing, ever, and would have us send again
what has been sent.  So the messages to the same recipients are asked for as well, which every account
finds, and their metadata is looked at here.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from services.mailer.providers import fields
from services.mailer.providers.base import Absent, Finding, Found, Unclear
from services.mailer.providers.replies import identifier

if TYPE_CHECKING:
    from datetime import datetime

    from shared.signatures import SendEmail

_MOST = 1000
_CLOCKS_DIFFER = timedelta(hours=1)


def question(message: SendEmail, since: datetime) -> dict[str, object]:
    """Give the parameters of the search, in the query language of Lucene."""
    people = dict.fromkeys(address.email for address in (*message.to, *message.cc, *message.bcc))
    terms = [f'u_{fields.MESSAGE_ID}:"{message.message_id}"']
    terms += [f'email:"{_escaped(email)}"' for email in people]
    return {
        "query": " OR ".join(terms),
        "date_from": (since.astimezone(UTC) - _CLOCKS_DIFFER).strftime("%Y-%m-%d"),
        "limit": _MOST,
    }


def judge(rows: list[object], message: SendEmail) -> Finding:
    """Say whether the message is among those that were found.

    That it is not there is said only of a complete list, and only if none that looks like it has lost
    its metadata.
    """
    entries = [row for row in rows if isinstance(row, dict)]
    for entry in entries:
        if _message_id(entry) == str(message.message_id):
            return Found(identifier(entry.get("_id")))
    if len(entries) < len(rows):
        return Unclear("the search: a list of something else than messages")
    if len(rows) >= _MOST:
        return Unclear(f"the search: {_MOST} messages to these recipients, and maybe more")
    if any(_message_id(entry) is None and _looks_like(entry, message) for entry in entries):
        return Unclear(
            "the search: one that looks like it came back without metadata;"
            f" is {fields.MESSAGE_ID} registered in Mandrill under Custom Metadata?"
        )
    return Absent()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _message_id(entry: dict[str, object]) -> object:
    metadata = entry.get("metadata")
    return metadata.get(fields.MESSAGE_ID) if isinstance(metadata, dict) else None


def _looks_like(entry: dict[str, object], message: SendEmail) -> bool:
    sender = message.sender.email
    return (
        str(entry.get("sender", sender)).lower() == sender.lower()
        and str(entry.get("subject")).split() == message.subject.split()
    )
