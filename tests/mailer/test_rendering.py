"""The mailer's own messages."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.mailer.rendering import Welcome
from services.mailer.templating import TemplateError
from shared.signatures import Address, Lane, SendEmail, SendWelcomeEmail

MESSAGE_ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
SIGNATURE = SendWelcomeEmail(email="ann@example.org", tenant="acme")

TEXT = """\
Hello,

your address has just been registered with Acme. Good to have you here.

If that was not you, ignore this message: nothing else will follow."""


def welcome(name: str | None) -> SendEmail:
    """A welcome from somebody of that name."""
    return Welcome(Address(email="hello@acme.example", name=name)).render(SIGNATURE, MESSAGE_ID)


def test_a_welcome_is_a_message() -> None:
    """To the address of the signature, from the sender of the settings, with subject and both bodies."""
    message = welcome("Acme")
    expected = SendEmail(
        message_id=MESSAGE_ID,
        tenant="acme",
        lane=Lane.TRANSACTIONAL,
        sender=Address(email="hello@acme.example", name="Acme"),
        to=(Address(email="ann@example.org"),),
        subject="Welcome to Acme",
        text=TEXT,
        html=message.html,
    )

    assert expected == message
    assert '<h1 style="font-size: 1.4em">Welcome to Acme</h1>' in (message.html or "")


def test_a_sender_without_a_name_has_an_address() -> None:
    """So the message never comes from nobody."""
    assert "Welcome to hello@acme.example" == welcome(None).subject


def test_the_name_is_escaped_in_html_only() -> None:
    """It is nobody's HTML."""
    message = welcome("A & <b>")

    assert "Welcome to A & <b>" == message.subject
    assert "registered with A & <b>. Good" in (message.text or "")
    assert ">Welcome to A &amp; &lt;b&gt;</h1>" in (message.html or "")


def test_the_name_is_no_template() -> None:
    """What looks like one stands in the message as it is."""
    assert "Welcome to {{ sender_name }}{% if %}" == welcome("{{ sender_name }}{% if %}").subject


def test_the_name_cannot_write_headers() -> None:
    """A message with a line break in its subject is not made."""
    with pytest.raises(TemplateError, match="subject: becomes several lines"):
        welcome("Acme\r\nBcc: eve@example.org")


def test_a_welcome_is_always_the_same() -> None:
    """Each attempt sends the same bytes."""
    assert welcome("Acme").arguments() == welcome("Acme").arguments()
