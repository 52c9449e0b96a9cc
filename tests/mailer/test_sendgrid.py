"""SendGrid's own ways."""

from __future__ import annotations

import pytest

from services.mailer.providers.sendgrid import SendGrid
from shared.signatures import Address
from tests.mailer.limits.values import people, tags
from tests.mailer.made import KEY, made
from tests.mailer.samples import FULL, message


def test_sendgrid_gets_names_with_commas_in_quotes() -> None:
    """Bare, SendGrid reads the part before the comma as an address of its own, and drops the message."""
    body = SendGrid(KEY).build(message(to=(Address(email="ada@example.net", name='Lovelace, "Ada"'),))).body

    assert rb'"name":"\"Lovelace, \\\"Ada\\\"\""' in body


def test_sendgrid_s_recipients_and_tags_may_reach_the_limit() -> None:
    """A thousand recipients and ten tags are as many as it takes."""
    SendGrid(KEY).build(message(to=people(1000), tags=tags(10)))


@pytest.mark.parametrize(("number", "disposition"), [(0, "attachment"), (2, "inline")])
def test_pictures_in_the_text_are_inline(number: int, disposition: str) -> None:
    """What has a content id is shown where the HTML wants it, and the rest is attached."""
    body = made("sendgrid").build(message(html="a", attachments=(FULL.attachments[number],))).body

    assert f'"disposition":"{disposition}"'.encode() in body
