"""SendGrid's Node.js SDK against ``POST /v3/mail/send``."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from tests.sdks.gateway import PICTURE, STRANGE_KEY, Pillarbox, after, files, metadata, tags, texts
from tests.sdks.node import Node, ThrownError


def mail(**changes: Any) -> dict[str, Any]:
    """What a program hands to ``send``: text and HTML for two recipients."""
    return {
        "from": "Shop <shop@example.com>",
        "to": ["ann@example.org", "Bob <bob@example.org>"],
        "subject": f"Hello {uuid4()}",
        "text": "It works.",
        "html": "<p>It works.</p>",
        **changes,
    }


def test_text_and_html_are_delivered(pillarbox: Pillarbox, node: Node) -> None:
    """The answer is 202 with no body, and x-message-id is the message's id."""
    message = mail()
    answer = node.sendgrid(message)
    letter = pillarbox.letter(answer["headers"]["x-message-id"])

    assert (202, "") == (answer["statusCode"], answer["body"])
    assert ("Shop <shop@example.com>", message["subject"]) == (letter["From"], letter["Subject"])
    assert "ann@example.org, Bob <bob@example.org>" == letter["To"]
    assert {"text/plain": "It works.", "text/html": "<p>It works.</p>"} == texts(letter)


@pytest.mark.parametrize("content_id", ["content_id", "contentId"])
def test_every_field_reaches_the_letter(pillarbox: Pillarbox, node: Node, content_id: str) -> None:
    """Attachments leave the SDK as they were written, and its documentation writes contentId."""
    attached = {"content": b64encode(PICTURE).decode(), "filename": "logo.png", "type": "image/png"}
    message = mail(
        cc="carol@example.org",
        bcc=["dave@example.org"],
        replyTo="help@example.com",
        html='<img src="cid:logo">',
        headers={"X-Campaign": "spring"},
        categories=["receipt", "spring"],
        customArgs={"order": "42", "orderId": "a"},
        attachments=[{**attached, "disposition": "inline", content_id: "logo"}],
    )
    letter = pillarbox.letter(node.sendgrid(message)["headers"]["x-message-id"])

    assert ("carol@example.org", "dave@example.org") == (letter["Cc"], letter["Bcc"])
    assert ("help@example.com", "spring") == (letter["Reply-To"], letter["X-Campaign"])
    assert {"receipt", "spring"} == tags(letter)
    assert {"order": "42", "orderId": "a"}.items() <= metadata(letter).items()
    assert {"logo.png": ("image/png", "<logo>", PICTURE)} == files(letter)


def test_each_personalization_is_a_message_of_its_own(pillarbox: Pillarbox, node: Node) -> None:
    """With its own recipients and custom arguments; neither sees the other."""
    message = mail(
        personalizations=[
            {"to": [{"email": "ann@example.org"}], "customArgs": {"order": "1"}},
            {"to": [{"email": "bob@example.org"}], "customArgs": {"order": "2"}},
        ]
    )
    node.sendgrid(message)
    letters = pillarbox.letters(message["subject"], count=2)

    assert ["ann@example.org", "bob@example.org"] == [letter["To"] for letter in letters]
    assert ["1", "2"] == [metadata(letter)["order"] for letter in letters]


def test_multiple_recipients_need_not_see_each_other(pillarbox: Pillarbox, node: Node) -> None:
    """isMultiple makes a personalization of each."""
    message = mail(isMultiple=True)
    node.sendgrid(message)
    letters = pillarbox.letters(message["subject"], count=2)

    assert ["Bob <bob@example.org>", "ann@example.org"] == [letter["To"] for letter in letters]


def test_send_at_schedules(pillarbox: Pillarbox, node: Node) -> None:
    """A moment in seconds since 1970."""
    answer = node.sendgrid(mail(sendAt=int(after(hours=1).timestamp())))

    assert "scheduled" == pillarbox.status(answer["headers"]["x-message-id"])


def test_a_sandboxed_mail_is_checked_and_not_sent(pillarbox: Pillarbox, node: Node) -> None:
    """The answer is 200 instead of 202."""
    sandboxed, real = mail(mailSettings={"sandboxMode": {"enable": True}}), mail()
    answer = node.sendgrid(sandboxed)
    node.sendgrid(real)
    pillarbox.letters(real["subject"])

    assert (200, "") == (answer["statusCode"], answer["body"])
    assert sandboxed["subject"] not in pillarbox.subjects()


@pytest.mark.parametrize("key", [STRANGE_KEY, "SG.of.sendgrid"], ids=["unknown", "foreign"])
def test_a_wrong_key_is_unauthorized(node: Node, key: str) -> None:
    """A key that nobody made, and one of SendGrid's."""
    with pytest.raises(ThrownError) as refused:
        node.sendgrid(mail(), key=key)
    error = refused.value.response["body"]["errors"][0]

    assert ("ResponseError", 401) == (refused.value.type, refused.value.code)
    assert error["message"]
    assert None is error["field"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": "nobody@"}, "personalizations.0.to.0.email"),
        ({"to": []}, "personalizations.0.to"),
        ({"from": "shop@"}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"text": "", "html": "<p>It works.</p>"}, "content.0.value"),
    ],
)
def test_a_wrong_field_is_named(node: Node, changes: dict[str, Any], field: str) -> None:
    """400 with the field as SendGrid writes it, and what is wrong with it."""
    with pytest.raises(ThrownError) as refused:
        node.sendgrid(mail(**changes))
    errors = refused.value.response["body"]["errors"]

    assert ("ResponseError", 400) == (refused.value.type, refused.value.code)
    assert field in [error["field"] for error in errors]
    assert all(error["message"] for error in errors)


def test_too_many_requests_are_refused(pillarbox: Pillarbox, node: Node) -> None:
    """A key with one request a second has it used up at once."""
    key = pillarbox.make_key("--permission", "full_access", "--rate", "1")
    with pytest.raises(ThrownError) as refused:  # noqa: PT012 - which of them is refused depends on the clock
        for _ in range(10):
            node.sendgrid(mail(), key=key)

    assert ("ResponseError", 429) == (refused.value.type, refused.value.code)
    assert refused.value.response["body"]["errors"][0]["message"]
