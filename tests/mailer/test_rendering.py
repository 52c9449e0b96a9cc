"""What the mailer makes from templates: messages that bring one, and its own."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.mailer.rendering import Welcome, rendered
from services.mailer.templating import TemplateError
from shared.signatures import Address, Lane, SendEmail, SendWelcomeEmail, Tag, Template

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


# Messages that bring a template

PLAIN = SendEmail(
    message_id=MESSAGE_ID,
    tenant="acme",
    lane=Lane.BULK,
    sender=Address(email="shop@acme.example"),
    to=(Address(email="ann@example.org"),),
    subject="Thanks for {{ what }}",
    headers={"X-Order": "{{ what }}"},
    tags=(Tag(name="kind", value="receipt"),),
)
TEMPLATE = Template(
    subject="Thanks for {{ what }}",
    html="<p>{{ what }}</p>",
    text="{{ what }}!",
    variables={"what": "tea & cake"},
)


def templated(**changes: object) -> SendEmail:
    """A message with a template that is different in that."""
    return PLAIN.model_copy(update={"template": TEMPLATE.model_copy(update=changes)})


def test_a_message_without_a_template_is_left_alone() -> None:
    """Even where it looks like one."""
    assert rendered(PLAIN) is PLAIN


def test_a_template_becomes_subject_and_bodies() -> None:
    """And nothing else of the message changes."""
    bodies = {"html": "<p>tea &amp; cake</p>", "text": "tea & cake!"}
    expected = PLAIN.model_copy(update={"subject": "Thanks for tea & cake", **bodies})

    assert expected == rendered(templated())


def test_a_template_is_rendered_as_it_came() -> None:
    """From the broker, where it was JSON."""
    assert rendered(templated()) == rendered(SendEmail.parse(templated().arguments()))


def test_a_subject_of_the_message_is_no_template() -> None:
    """It stands as it is where the template has none."""
    message = rendered(templated(subject=None))

    assert "Thanks for {{ what }}" == message.subject
    assert "tea & cake!" == message.text


@pytest.mark.parametrize(("body", "other"), [("html", "text"), ("text", "html")])
def test_a_body_without_a_source_is_not_made(body: str, other: str) -> None:
    """The message has the other one."""
    message = rendered(templated(**{body: None}))

    assert getattr(message, body) is None
    assert "cake" in getattr(message, other)


def test_a_message_is_rendered_once() -> None:
    """What came out of the variables is no template, whatever it looks like."""
    once = rendered(templated(variables={"what": "{{ what }}"}))

    assert "{{ what }}!" == once.text
    assert rendered(once) is once


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"variables": {}}, "subject, line 1: the variable 'what' is missing"),
        ({"variables": {"what": "a\nb"}}, "subject: becomes several lines"),
        ({"html": "\n{% if %}"}, "html, line 2: "),
        (
            {"text": "{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}"},
            "too much work",
        ),
    ],
)
def test_a_template_that_cannot_be_rendered_is_an_error(changes: dict[str, object], expected: str) -> None:
    """It says in which part and line, and why."""
    with pytest.raises(TemplateError, match=expected):
        rendered(templated(**changes))
