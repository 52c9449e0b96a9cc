"""E-mails through Resend's Python SDK."""

from __future__ import annotations

import os
import subprocess
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
import resend

from tests.flow.system import BIN
from tests.sdks.gateway import KEY, PICTURE, Pillarbox, after, files, moment, texts

pytestmark = pytest.mark.usefixtures("python_resend")

EMAIL: resend.Emails.SendParams = {
    "from": "Shop <shop@example.com>",
    "to": "ann@example.org",
    "subject": "Hello",
    "text": "It works.",
}

PROGRAM = """
import resend
email = {"from": "shop@example.com", "to": "ann@example.org", "subject": "Hello", "text": "It works."}
print(resend.Emails.send(email)["id"])
"""


def test_a_program_needs_two_variables_and_no_change(pillarbox: Pillarbox) -> None:
    """RESEND_API_URL and RESEND_API_KEY make an existing program send through Pillarbox."""
    run = subprocess.run(
        [str(BIN / "python"), "-c", PROGRAM],
        env={"PATH": os.environ["PATH"], "RESEND_API_URL": pillarbox.url, "RESEND_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "Hello" == pillarbox.letter(run.stdout.strip())["Subject"]


def test_every_field_reaches_the_letter(pillarbox: Pillarbox) -> None:
    """Addresses, bodies, headers, tags and attachments, with content as text or as a list of bytes."""
    email: resend.Emails.SendParams = {
        **EMAIL,
        "to": ["ann@example.org", "Bob <bob@example.org>"],
        "cc": "carol@example.org",
        "bcc": ["dave@example.org"],
        "reply_to": "help@example.com",
        "html": '<p>It works. <img src="cid:logo"></p>',
        "headers": {"X-Campaign": "spring"},
        "tags": [{"name": "kind", "value": "receipt"}],
        "attachments": [
            {
                "filename": "logo.png",
                "content": list(PICTURE),
                "content_type": "image/png",
                "content_id": "logo",
            },
            {"filename": "terms.txt", "content": b64encode(b"Our terms").decode()},
        ],
    }
    letter = pillarbox.letter(resend.Emails.send(email)["id"])

    assert "Shop <shop@example.com>" == letter["From"]
    assert "ann@example.org, Bob <bob@example.org>" == letter["To"]
    assert ("carol@example.org", "dave@example.org") == (letter["Cc"], letter["Bcc"])
    assert "help@example.com" == letter["Reply-To"]
    assert ("spring", "kind:receipt") == (letter["X-Campaign"], letter["X-Pillarbox-Tag"])
    assert {"text/plain": "It works.", "text/html": email["html"]} == texts(letter)
    assert {
        "logo.png": ("image/png", "<logo>", PICTURE),
        "terms.txt": ("text/plain", None, b"Our terms"),
    } == files(letter)


def test_the_older_name_of_the_content_id_works(pillarbox: Pillarbox) -> None:
    """The SDK still offers inline_content_id."""
    email: resend.Emails.SendParams = {
        **EMAIL,
        "html": '<img src="cid:logo">',
        "attachments": [{"filename": "logo.png", "content": list(PICTURE), "inline_content_id": "logo"}],
    }
    letter = pillarbox.letter(resend.Emails.send(email)["id"])

    assert {"logo.png": ("image/png", "<logo>", PICTURE)} == files(letter)


async def test_the_asynchronous_client_sends_too(pillarbox: Pillarbox) -> None:
    """send_async goes through httpx instead of requests."""
    sent = await resend.Emails.send_async(EMAIL)

    assert "Hello" == pillarbox.letter(sent["id"])["Subject"]


def test_a_message_is_shown_as_the_sdk_describes_it(pillarbox: Pillarbox) -> None:
    """Lists where one address was given, the sender as written, and a word that the SDK knows."""
    message_id = resend.Emails.send({**EMAIL, "cc": "carol@example.org"})["id"]
    pillarbox.letter(message_id)
    email: Any = resend.Emails.get(message_id)

    assert ("email", message_id) == (email["object"], email["id"])
    assert (["ann@example.org"], ["carol@example.org"]) == (email["to"], email["cc"])
    assert ("Shop <shop@example.com>", "Hello", "It works.") == (
        email["from"],
        email["subject"],
        email["text"],
    )
    assert email["last_event"] in {"queued", "sent"}
    assert abs(moment(email["created_at"]) - after()) < timedelta(minutes=5)


def test_messages_are_listed_in_pages() -> None:
    """The newest come first; cursors are ids, and go both ways."""
    oldest, middle, newest = (resend.Emails.send(EMAIL)["id"] for _ in range(3))
    first = resend.Emails.list({"limit": 2})
    older = resend.Emails.list({"limit": 1, "after": middle})
    newer = resend.Emails.list({"limit": 1, "before": middle})

    assert ("list", True) == (first["object"], first["has_more"])
    assert [newest, middle] == [email["id"] for email in first["data"]]
    assert [oldest] == [email["id"] for email in older["data"]]
    assert [newest] == [email["id"] for email in newer["data"]]


def test_a_scheduled_message_can_be_moved_and_canceled() -> None:
    """scheduled_at is kept, changed by update, and void after cancel."""
    early, late = after(hours=1), after(hours=2)
    message_id = resend.Emails.send({**EMAIL, "scheduled_at": early.isoformat()})["id"]
    scheduled: Any = resend.Emails.get(message_id)
    moved = resend.Emails.update({"id": message_id, "scheduled_at": late.isoformat()})
    later: Any = resend.Emails.get(message_id)
    canceled = resend.Emails.cancel(message_id)

    assert ("scheduled", early) == (scheduled["last_event"], moment(scheduled["scheduled_at"]))
    assert ("email", message_id) == (moved["object"], moved["id"])
    assert late == moment(later["scheduled_at"])
    assert ("email", message_id) == (canceled["object"], canceled["id"])
    assert "canceled" == resend.Emails.get(message_id)["last_event"]


def test_a_time_may_be_said_in_words() -> None:
    """scheduled_at takes what Resend's documentation shows: in 1 hour."""
    message_id = resend.Emails.send({**EMAIL, "scheduled_at": "in 1 hour"})["id"]
    email: Any = resend.Emails.get(message_id)

    assert "scheduled" == email["last_event"]
    assert abs(moment(email["scheduled_at"]) - after(hours=1)) < timedelta(minutes=1)
