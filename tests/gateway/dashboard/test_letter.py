"""What a letter is made of, and what keeps its HTML from doing anything."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from services.gateway.dashboard.inert import download, framed
from services.gateway.dashboard.letter import Attachment, letter_in, letter_of
from shared.signatures import Address, SendEmail, Template
from shared.signatures import Attachment as Sent

ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
PNG = b"\x89PNG\r\n\x1a\n"


def email(**fields: object) -> SendEmail:
    """A signature."""
    who = {"from": Address(email="shop@example.com", name="Shop"), "to": (Address(email="ann@example.org"),)}
    return SendEmail.model_validate({"message_id": ID, **who, "subject": "Hello", **fields})


def shown(html: str, *attachments: Attachment, images: bool = False) -> tuple[str, str]:
    """Body and policy of what a frame gets."""
    answer = framed(html, attachments, images=images)
    assert isinstance(answer.body, bytes)
    return answer.body.decode(), answer.headers["Content-Security-Policy"]


def test_a_template_is_filled_in_as_the_mailer_does_it() -> None:
    """With the same words and the same escaping."""
    template = Template(
        subject="Hi {{ name }}", html="<p>{{ name }}</p>", text="{{ name }}", variables={"name": "A&B"}
    )
    letter = letter_of(email(subject="Hi {{ name }}", template=template))

    assert ("Hi A&B", "<p>A&amp;B</p>", "A&B") == (letter.subject, letter.html, letter.text)
    assert ("Subject", "Hi A&B") in letter.headers


def test_a_template_that_cannot_be_filled_in_says_why() -> None:
    """In place of a body."""
    letter = letter_of(email(template=Template(text="{{ name }}")))

    assert letter.text is None
    assert "name" in str(letter.complaint)


def test_what_was_purged_says_so() -> None:
    """Who and when stay."""
    letter = letter_of(email(), is_purged=True)

    assert "removed" in str(letter.complaint)
    assert ("To", "ann@example.org") in letter.headers


def test_links_are_listed_once_and_only_if_they_lead_somewhere() -> None:
    """Never scripts or files."""
    html = """<a href="https://a.example/?x=1&amp;y=2">a</a><a HREF = 'http://b.example'>b</a>
    <a href="https://a.example/?x=1&amp;y=2">again</a><a href="javascript:alert(1)">c</a><a href="file:///etc">d</a>"""

    assert ["https://a.example/?x=1&y=2", "http://b.example"] == letter_of(email(html=html)).links()


def test_a_written_letter_is_read_back() -> None:
    """As the outbox writes it: encoded words, two bodies, a picture and a file."""
    source = (
        b"From: =?utf-8?q?J=C3=B6?= <shop@example.com>\r\nTo: ann@example.org\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHall\xc3\xb6chen\r\n"
        b"--b\r\nContent-Type: image/png\r\nContent-ID: <stamp>\r\n"
        b"Content-Disposition: inline; filename=s.png\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(PNG) + b"\r\n--b--\r\n"
    )
    letter = letter_in(source)

    assert ("Grüße", None) == (letter.subject, letter.html)
    assert "Hallöchen" in str(letter.text)
    assert ("From", "Jö <shop@example.com>") in letter.headers
    assert [("s.png", "image/png", PNG, "stamp")] == [
        (each.filename, each.content_type, each.content, each.content_id) for each in letter.attachments
    ]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"no header at all",
        b"Subject: =?nonsense?b?=?=\r\nFrom: <<>>\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"To: (((\r\nContent-Type: ;;;\r\nContent-Disposition: attachment; filename*=x'y\r\n\r\nx",
        b"Date: \xff\xfe\r\nSubject:\r\n\r\n",
    ],
)
def test_whatever_lies_in_the_folder_can_be_looked_at(source: bytes) -> None:
    """However little of a letter it is."""
    letter = letter_in(source)

    assert isinstance(letter.headers, tuple)


def test_a_frame_may_do_nothing_and_load_nothing() -> None:
    """By its policy, even if somebody opens it by itself."""
    _, policy = shown("<p>Hello</p>")

    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "img-src data:;" in policy
    assert "script" not in policy
    assert "allow-" not in policy


def test_pictures_from_elsewhere_are_for_who_asks() -> None:
    """And come over HTTPS."""
    assert "img-src data: https:;" in shown("", images=True)[1]


@pytest.mark.parametrize("tag", ["link", "LINK", "meta", "Base", "iframe", "frame", "object", "embed"])
def test_what_no_policy_is_about_is_no_tag(tag: str) -> None:
    """Connecting ahead, reloading, another base."""
    body, _ = shown(f'<{tag} rel="preconnect" href="https://evil.example">')

    assert f"<x-{tag} " in body


def test_pictures_in_the_letter_are_shown() -> None:
    """From its attachments, if they are pictures."""
    picture, script = (
        Attachment("s.png", "image/png", PNG, "stamp"),
        Attachment("s.html", "text/html", b"x", "page"),
    )
    body, _ = shown('<img src="cid:stamp"><img src="cid:page"><img src="cid:none">', picture, script)

    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in body
    assert "cid:page" in body
    assert "cid:none" in body


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"; x="\r\nSet-Cookie: a=b', "a%22%3B%20x%3D%22__Set-Cookie%3A%20a%3Db"),
        ("Grüße.txt", "Gr%C3%BC%C3%9Fe.txt"),
        ("..", "unnamed"),
    ],
)
def test_a_file_is_only_ever_kept(filename: str, expected: str) -> None:
    """Under a name that is no path and no header."""
    answer = download(Attachment(filename, "text/html", b"<script>"))

    assert f"attachment; filename*=UTF-8''{expected}" == answer.headers["Content-Disposition"]
    assert ("application/octet-stream", "nosniff") == (
        answer.content_type,
        answer.headers["X-Content-Type-Options"],
    )


def test_an_attachment_of_a_signature_is_decoded() -> None:
    """From base64."""
    sent = Sent(filename="a.txt", content="aGVsbG8=", content_type="text/plain")

    assert b"hello" == letter_of(email(attachments=(sent,))).attachments[0].content
