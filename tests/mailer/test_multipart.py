"""Forms with files."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest

from services.mailer.providers.base import UnsupportedError
from services.mailer.providers.multipart import File, form

PDF = File("attachment", "Rechnung Größe.pdf", "application/pdf", b"\r\n--seed-0--\r\n\x00\xff")


def test_a_form_is_read_back_by_any_parser() -> None:
    """The standard library's parser of MIME finds every part with its name and bytes."""
    body, content_type = form([("text", "a\nb"), ("größe", "")], [PDF], seed="seed")
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    parts = list(message_from_bytes(head + body, policy=policy.HTTP).iter_parts())

    assert [b"a\nb", b"", PDF.content] == [part.get_payload(decode=True) for part in parts]
    assert "application/pdf" == parts[2].get_content_type()


def test_names_stand_in_plain_utf_8() -> None:
    """RFC 7578 forbids the encodings that mail has for them, and Mailgun loses what is written so."""
    body, _ = form([("größe", "XL")], [PDF], seed="seed")

    assert 'name="größe"\r\n'.encode() in body
    assert 'name="attachment"; filename="Rechnung Größe.pdf"\r\n'.encode() in body


@pytest.mark.parametrize("content", ["seed-0", "\r\n--seed-0", "seed-0 and seed-1"])
def test_the_boundary_is_in_no_part(content: str) -> None:
    """Whatever a text says, it does not end its part."""
    body, content_type = form([("text", content)], [], seed="seed")
    boundary = content_type.partition("boundary=")[2]

    assert boundary not in content
    assert 2 == body.count(f"--{boundary}".encode())


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\r\nb", "a\x00b"])
def test_a_name_that_would_need_escapes_is_refused(name: str) -> None:
    """Servers disagree on how they are written."""
    with pytest.raises(UnsupportedError):
        form([(name, "")], [], seed="seed")
    with pytest.raises(UnsupportedError):
        form([], [File("attachment", name, "text/plain", b"")], seed="seed")
