"""Read back the form that Mailgun was sent."""

from __future__ import annotations

import base64
from typing import Any

from tests.mailer.carried.letter import parsed
from tests.mailer.carried.shape import Carried, File, Mailbox


def read(payload: Any) -> Carried:
    """Read a form of ``/v3/{domain}/messages``; an inline file goes by its content id, and has no name."""
    form: dict[str, list[Any]] = payload
    headers = {name[2:]: values[0] for name, values in form.items() if name.startswith("h:")}
    headers["Message-ID"] = headers.pop("Message-Id")  # Which is how Mailgun spells it.
    return Carried(
        sender=_mailboxes(form["from"])[0],
        to=_mailboxes(form["to"]),
        cc=_mailboxes(form.get("cc", [])),
        bcc=_mailboxes(form.get("bcc", [])),
        reply_to=parsed("Reply-To", headers.pop("Reply-To", "")),
        subject=form["subject"][0],
        text=form.get("text", [None])[0],
        html=form.get("html", [None])[0],
        headers=headers,
        tags=form.get("o:tag", []),
        metadata={name[2:]: values[0] for name, values in form.items() if name.startswith("v:")},
        files=sorted(
            [_file(file, None) for file in form.get("attachment", [])]
            + [_file(file, file["filename"]) for file in form.get("inline", [])]
        ),
    )


def _mailboxes(texts: list[str]) -> list[Mailbox]:
    return [mailbox for text in texts for mailbox in parsed("To", text)]


def _file(file: dict[str, str], content_id: str | None) -> File:
    return file["filename"], file["content_type"], base64.b64decode(file["content"]), content_id
