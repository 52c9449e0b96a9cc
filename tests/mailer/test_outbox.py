"""The outbox's own ways."""

from __future__ import annotations

import pathlib

import pytest

from services.mailer.providers.outbox import Outbox
from tests.mailer.made import made
from tests.mailer.samples import FULL, MESSAGE_ID, PLAIN, message


def test_the_outbox_file_is_dated_by_the_message_id() -> None:
    """A UUIDv7 holds the moment of acceptance, which stays the same over attempts."""
    body = made("outbox").build(PLAIN).body

    assert b"\r\nDate: Wed, 19 Nov 2025 18:26:46 +0000\r\n" in body


@pytest.mark.parametrize(
    "number", ["6ba7b810-9dad-41d1-80b4-00c04fd430c8", "ffffffff-ffff-7fff-bfff-ffffffffffff"]
)
def test_the_outbox_file_without_a_moment_has_no_date(number: str) -> None:
    """An id of another version, or of a year that no clock reaches, tells no time."""
    assert b"\r\nDate:" not in made("outbox").build(message(message_id=number)).body


def test_outbox_lines_are_as_long_as_mail_allows() -> None:
    """RFC 5322 wants lines of at most 998 octets, and CRLF at each end."""
    long = message(html=FULL.html, headers={"X-Long": "word " * 400}, metadata={"long": "words " * 400})
    lines = made("outbox").build(long).body.split(b"\r\n")

    assert max(len(line) for line in lines) <= 998
    assert not any(b"\n" in line or b"\r" in line for line in lines)


def test_a_relative_outbox_has_an_absolute_url() -> None:
    """A file URL knows no working directory."""
    url = Outbox(pathlib.Path("var/outbox")).build(PLAIN).url

    assert (pathlib.Path.cwd() / f"var/outbox/{MESSAGE_ID}.eml").as_uri() == url


def test_the_outbox_file_is_named_by_the_message_id() -> None:
    """Another attempt overwrites the file, so that a message is in the mailbox once."""
    assert f"file:///srv/outbox/{MESSAGE_ID}.eml" == Outbox(pathlib.Path("/srv/outbox")).build(PLAIN).url


@pytest.mark.parametrize(("number", "disposition"), [(0, "attachment"), (2, "inline")])
def test_pictures_in_the_text_are_inline(number: int, disposition: str) -> None:
    """What has a content id is shown where the HTML wants it, and the rest is attached."""
    body = made("outbox").build(message(html="a", attachments=(FULL.attachments[number],))).body

    assert f"Content-Disposition: {disposition};".encode() in body
