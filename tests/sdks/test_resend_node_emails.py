"""E-mails through Resend's Node.js SDK; the arguments are those of its methods, as a program writes them."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.sdks.gateway import KEY, PICTURE, Pillarbox, after, files, moment, texts
from tests.sdks.node import Node, buffer

EMAIL: dict[str, Any] = {
    "from": "Shop <shop@example.com>",
    "to": "ann@example.org",
    "subject": "Hello",
    "text": "It works.",
}


def test_a_program_needs_two_variables_and_no_change(
    pillarbox: Pillarbox, node: Node, tmp_path: Path
) -> None:
    """RESEND_BASE_URL and RESEND_API_KEY make an existing program send through Pillarbox."""
    del node  # which has installed the SDK, or skipped this test
    variables = {"RESEND_BASE_URL": pillarbox.url, "RESEND_API_KEY": KEY}
    with Node(tmp_path / "node.log", url=None, key=None, **variables) as program:
        sent = program.data("emails.send", EMAIL)

    assert "Hello" == pillarbox.letter(sent["id"])["Subject"]


def test_every_field_reaches_the_letter(pillarbox: Pillarbox, node: Node) -> None:
    """Addresses, bodies, headers, tags and attachments, with content as text or as a Buffer."""
    email = {
        **EMAIL,
        "to": ["ann@example.org", "Bob <bob@example.org>"],
        "cc": "carol@example.org",
        "bcc": ["dave@example.org"],
        "replyTo": "help@example.com",
        "html": '<p>It works. <img src="cid:logo"></p>',
        "headers": {"X-Campaign": "spring"},
        "tags": [{"name": "kind", "value": "receipt"}],
        "attachments": [
            {
                "filename": "logo.png",
                "content": buffer(PICTURE),
                "contentType": "image/png",
                "contentId": "logo",
            },
            {"filename": "terms.txt", "content": b64encode(b"Our terms").decode()},
        ],
    }
    letter = pillarbox.letter(node.data("emails.send", email)["id"])

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


def test_a_message_is_shown_as_the_sdk_describes_it(pillarbox: Pillarbox, node: Node) -> None:
    """Lists where one address was given, the sender as written, and a word that the SDK knows."""
    message_id = node.data("emails.send", {**EMAIL, "cc": "carol@example.org"})["id"]
    pillarbox.letter(message_id)
    email = node.data("emails.get", message_id)

    assert ("email", message_id) == (email["object"], email["id"])
    assert (["ann@example.org"], ["carol@example.org"]) == (email["to"], email["cc"])
    assert ("Shop <shop@example.com>", "Hello", "It works.") == (
        email["from"],
        email["subject"],
        email["text"],
    )
    assert (None, None) == (email["html"], email["scheduled_at"])
    assert email["last_event"] in {"queued", "sent"}


def test_messages_are_listed_in_pages(node: Node) -> None:
    """The newest come first; cursors are ids, and go both ways."""
    oldest, middle, newest = (node.data("emails.send", EMAIL)["id"] for _ in range(3))
    first = node.data("emails.list", {"limit": 2})
    older = node.data("emails.list", {"limit": 1, "after": middle})
    newer = node.data("emails.list", {"limit": 1, "before": middle})

    assert ("list", True) == (first["object"], first["has_more"])
    assert [newest, middle] == [email["id"] for email in first["data"]]
    assert [oldest] == [email["id"] for email in older["data"]]
    assert [newest] == [email["id"] for email in newer["data"]]


def test_a_scheduled_message_can_be_moved_and_canceled(node: Node) -> None:
    """The time is kept, changed by update, and void after cancel, whose request has no body."""
    early, late = after(hours=1), after(hours=2)
    message_id = node.data("emails.send", {**EMAIL, "scheduledAt": early.isoformat()})["id"]
    scheduled = node.data("emails.get", message_id)
    moved = node.data("emails.update", {"id": message_id, "scheduledAt": late.isoformat()})
    later = node.data("emails.get", message_id)
    canceled = node.data("emails.cancel", message_id)

    assert ("scheduled", early) == (scheduled["last_event"], moment(scheduled["scheduled_at"]))
    assert {"object": "email", "id": message_id} == moved
    assert late == moment(later["scheduled_at"])
    assert {"object": "email", "id": message_id} == canceled
    assert "canceled" == node.data("emails.get", message_id)["last_event"]


def test_a_time_may_be_said_in_words(node: Node) -> None:
    """scheduledAt takes what Resend's documentation shows: in 1 hour."""
    message_id = node.data("emails.send", {**EMAIL, "scheduledAt": "in 1 hour"})["id"]
    email = node.data("emails.get", message_id)

    assert abs(moment(email["scheduled_at"]) - after(hours=1)) < timedelta(minutes=1)
