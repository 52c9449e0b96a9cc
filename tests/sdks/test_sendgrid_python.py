"""SendGrid's Python SDK against ``POST /v3/mail/send``."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest
from python_http_client.exceptions import BadRequestsError  # type: ignore[import-untyped]  # ships no types
from sendgrid.helpers.mail import (  # type: ignore[import-untyped]  # ships no types
    Attachment,
    Bcc,
    Category,
    Cc,
    ContentId,
    CustomArg,
    Disposition,
    FileContent,
    FileName,
    FileType,
    Header,
    Mail,
    MailSettings,
    Personalization,
    SandBoxMode,
    To,
)

from tests.sdks.gateway import PICTURE, Pillarbox, after, files, metadata, tags, texts


def mail(**changes: Any) -> Any:
    """A mail of the SDK with text and HTML."""
    return Mail(
        **{
            "from_email": ("shop@example.com", "Shop"),
            "to_emails": ["ann@example.org", ("bob@example.org", "Bob")],
            "subject": f"Hello {uuid4()}",
            "plain_text_content": "It works.",
            "html_content": "<p>It works.</p>",
            **changes,
        }
    )


def test_text_and_html_are_delivered(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """The answer is 202 with no body, and X-Message-Id is the message's id."""
    message = mail()
    answer = python_sendgrid.send(message)
    letter = pillarbox.letter(answer.headers["X-Message-Id"])

    assert (202, b"") == (answer.status_code, answer.body)
    assert ("Shop <shop@example.com>", str(message.subject)) == (letter["From"], letter["Subject"])
    assert "ann@example.org, Bob <bob@example.org>" == letter["To"]
    assert {"text/plain": "It works.", "text/html": "<p>It works.</p>"} == texts(letter)


def test_every_field_reaches_the_letter(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """Copies, Reply-To, headers, categories, custom arguments and attachments."""
    message = mail(html_content='<img src="cid:logo">')
    message.add_cc(Cc("carol@example.org"))
    message.add_bcc(Bcc("dave@example.org"))
    message.reply_to = "help@example.com"
    message.add_header(Header("X-Campaign", "spring"))
    message.category = [Category("receipt"), Category("spring")]
    message.custom_arg = [CustomArg("order", "42"), CustomArg("orderId", "a")]
    message.add_attachment(
        Attachment(
            FileContent(b64encode(PICTURE).decode()),
            FileName("logo.png"),
            FileType("image/png"),
            Disposition("inline"),
            ContentId("logo"),
        )
    )
    message.add_attachment(Attachment(FileContent(b64encode(b"Our terms").decode()), FileName("terms.txt")))
    letter = pillarbox.letter(python_sendgrid.send(message).headers["X-Message-Id"])

    assert ("carol@example.org", "dave@example.org") == (letter["Cc"], letter["Bcc"])
    assert ("help@example.com", "spring") == (letter["Reply-To"], letter["X-Campaign"])
    assert {"receipt", "spring"} == tags(letter)
    assert {"order": "42", "orderId": "a"}.items() <= metadata(letter).items()
    assert {
        "logo.png": ("image/png", "<logo>", PICTURE),
        "terms.txt": ("text/plain", None, b"Our terms"),
    } == files(letter)


def test_each_personalization_is_a_message_of_its_own(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """With its own recipients and custom arguments; neither sees the other."""
    message = mail(to_emails=None)
    for address, order in (("ann@example.org", "1"), ("bob@example.org", "2")):
        person = Personalization()
        person.add_to(To(address))
        person.add_custom_arg(CustomArg("order", order))
        message.add_personalization(person)
    python_sendgrid.send(message)
    letters = pillarbox.letters(str(message.subject), count=2)

    assert ["ann@example.org", "bob@example.org"] == [letter["To"] for letter in letters]
    assert ["1", "2"] == [metadata(letter)["order"] for letter in letters]


def test_a_personalization_may_have_its_own_subject(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """It wins over the subject of the whole mail."""
    own = f"For Ann {uuid4()}"
    python_sendgrid.send(mail(to_emails=To("ann@example.org", subject=own)))

    assert "ann@example.org" == pillarbox.letters(own)[0]["To"]


def test_send_at_schedules(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """A moment in seconds since 1970."""
    message = mail()
    message.send_at = int(after(hours=1).timestamp())

    assert "scheduled" == pillarbox.status(python_sendgrid.send(message).headers["X-Message-Id"])


def test_a_sandboxed_mail_is_checked_and_not_sent(pillarbox: Pillarbox, python_sendgrid: Any) -> None:
    """The answer is 200 instead of 202; what is wrong is refused as ever."""
    sandboxed, real, wrong = mail(), mail(), mail(to_emails=("nobody@", "Nobody"))
    sandboxed.mail_settings = wrong.mail_settings = MailSettings(sandbox_mode=SandBoxMode(enable=True))
    answer = python_sendgrid.send(sandboxed)
    python_sendgrid.send(real)
    pillarbox.letters(str(real.subject))

    assert (200, b"") == (answer.status_code, answer.body)
    assert str(sandboxed.subject) not in pillarbox.subjects()
    with pytest.raises(BadRequestsError):
        python_sendgrid.send(wrong)
