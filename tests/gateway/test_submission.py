"""What the public API takes as an e-mail, and how it refuses the rest."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from services.gateway.problems import FieldError, Problem
from services.gateway.submission.email import parse_email, parse_welcome_email
from services.gateway.templates.published import TemplateContent
from shared.signatures import (
    Address,
    Attachment,
    Lane,
    OnUncertain,
    SendEmail,
    SendWelcomeEmail,
    Tag,
    Template,
)

MESSAGE_ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
HELLO = "aGVsbG8="

LEAST: dict[str, Any] = {
    "from": "Acme <letters@example.com>",
    "to": "ann@example.org",
    "subject": "Hi",
    "text": "Hello",
}


def body(**fields: object) -> bytes:
    """Write a valid body with some fields replaced, or left out where they are ``...``."""
    whole = {**LEAST, **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def attached(**fields: object) -> bytes:
    """Write a valid body with one attachment, some of whose fields are replaced or left out."""
    whole = {"filename": "a.txt", "content": HELLO, **fields}
    return body(attachments=[{name: value for name, value in whole.items() if value is not ...}])


def sent(raw: bytes) -> SendEmail:
    """Read a body and give what would be queued."""
    return parse_email(raw).signature(MESSAGE_ID, "default")


def refused(raw: bytes) -> Problem:
    """Read a body that must be refused."""
    with pytest.raises(Problem) as caught:
        parse_email(raw)
    return caught.value


def pointers(raw: bytes) -> list[str]:
    """Name the failing fields of a body."""
    return [error.pointer for error in refused(raw).errors]


def test_the_least_that_is_needed() -> None:
    """Sender, one recipient, subject and one body make an e-mail."""
    expected = SendEmail.model_validate(
        {
            "message_id": MESSAGE_ID,
            "from": {"email": "letters@example.com", "name": "Acme"},
            "to": [{"email": "ann@example.org"}],
            "subject": "Hi",
            "text": "Hello",
        }
    )

    assert expected == sent(body())


def test_everything_at_once() -> None:
    """Every field arrives in the signature, and survives the way over the broker."""
    ann, bob = Address(email="ann@example.org"), Address(email="bob@example.org", name="Bob")
    email = sent(
        body(
            to=["ann@example.org", "Bob <bob@example.org>"],
            cc="ann@example.org",
            bcc=["bob@example.org"],
            reply_to=["Bob <bob@Example.org>"],
            html="<p>\u2028\x0b\t\r\n</p>",
            headers={"X-Entity-Ref-ID": "1", "list-unsubscribe": "<https://example.com/u>"},
            attachments=[{"filename": "a.pdf", "content": HELLO, "content_id": "logo"}],
            tags=[{"name": "kind", "value": "receipt"}],
            metadata={"order": "1234"},
        )
    )

    assert (ann, bob) == email.to
    assert (ann,) == email.cc
    assert (Address(email="bob@example.org"),) == email.bcc
    assert (bob,) == email.reply_to
    assert ("<p>\u2028\x0b\t\r\n</p>", "Hello") == (email.html, email.text)
    assert {"X-Entity-Ref-ID": "1", "list-unsubscribe": "<https://example.com/u>"} == email.headers
    assert (
        Attachment(filename="a.pdf", content=HELLO, content_type="application/pdf", content_id="logo"),
    ) == email.attachments
    assert (Tag(name="kind", value="receipt"),) == email.tags
    assert {"order": "1234"} == email.metadata
    assert email == SendEmail.parse(email.arguments())


def test_null_is_left_out() -> None:
    """Optional fields may be null, as SDKs write them that always write all."""
    optional = ("cc", "bcc", "reply_to", "html", "headers", "attachments", "tags", "metadata")

    assert sent(body()) == sent(body(**dict.fromkeys(optional)))


NOT_JSON = {
    "nothing": b"",
    "space": b"  ",
    "word": b"hello",
    "form": b"to=ann",
    "cut off": b'{"from":',
    "two texts": b"{} {}",
    "single quotes": b"{'to': 1}",
    "trailing comma": b'{"to": 1,}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"to":1}'.encode("utf-16"),
    "invalid UTF-8": b'{"subject":"\xff"}',
    "overlong UTF-8": b'{"subject":"\xc0\x80"}',
    "UTF-8 of a surrogate": b'{"subject":"\xed\xa0\x80"}',
    "lone high surrogate": b'{"subject":"\\ud800"}',
    "lone low surrogate": b'{"subject":"\\udc00"}',
    "surrogates in the wrong order": b'{"subject":"\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"\\ud800":1}',
    "raw line break": b'{"subject":"a\nb"}',
    "raw NUL": b'{"subject":"a\x00b"}',
    "NaN": b'{"subject":NaN}',
    "Infinity": b"Infinity",
    "integer of 5,000 digits": b'{"subject":' + b"1" * 5_000 + b"}",
    "10,000 arrays": b"[" * 10_000,
    "10,000 objects": b'{"a":' * 10_000,
    "10,000 arrays in a field": b'{"to":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
}


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json(raw: bytes) -> None:
    """A body that is no JSON text is a 400, which says where parsing stopped."""
    problem = refused(raw)

    assert (400, "invalid_json", ()) == (problem.status, problem.name, problem.errors)
    assert "line 1 column" in problem.message or "line 2 column" in problem.message


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"1", b"true", b"1e400", b"[" + body() + b"]"])
def test_json_that_is_no_object(raw: bytes) -> None:
    """JSON of another kind is a 422 about the whole body."""
    problem = refused(raw)

    assert (422, "validation_error") == (problem.status, problem.name)
    assert (FieldError("", "must be a JSON object"),) == problem.errors


MISSING = {
    "all": (b"{}", ["/from", "/to", "/subject", "/html"]),
    "from": (body(**{"from": ...}), ["/from"]),
    "to": (body(to=...), ["/to"]),
    "subject": (body(subject=...), ["/subject"]),
    "both bodies": (body(text=...), ["/html"]),
    "both bodies empty": (body(text="", html=""), ["/html"]),
    "both bodies null": (body(text=None, html=None), ["/html"]),
    "content": (attached(content=...), ["/attachments/0/content"]),
}


@pytest.mark.parametrize(("raw", "expected"), MISSING.values(), ids=MISSING.keys())
def test_missing_fields(raw: bytes, expected: list[str]) -> None:
    """All missing fields are named, under Resend's word for it."""
    problem = refused(raw)

    assert (422, "missing_required_field") == (problem.status, problem.name)
    assert expected == [error.pointer for error in problem.errors]


HOSTILE = {
    # Addresses.
    "recipient": (body(to="nobody"), ["/to"]),
    "recipients": (body(to=["a@example.com", "x", "b@example.com", "y"]), ["/to/1", "/to/3"]),
    "no recipient": (body(to=[]), ["/to"]),
    "null recipient": (body(to=None), ["/to"]),
    "empty recipient": (body(to=""), ["/to"]),
    "two in one string": (body(to="a@example.com, b@example.com"), ["/to"]),
    "nested recipients": (body(to=[["a@example.com"]]), ["/to/0"]),
    "object as recipient": (body(to=[{"email": "a@example.com"}]), ["/to/0"]),
    "numbers": (body(to=[1, None, True, 1.5]), ["/to/0", "/to/1", "/to/2", "/to/3"]),
    "number": (body(to=1), ["/to"]),
    "object": (body(to={}, cc={}), ["/to", "/cc"]),
    "line break in recipient": (body(to="a@example.com\r\nBcc: b@example.com"), ["/to"]),
    "line break in name": (body(**{"from": "A\r\nBcc: x <a@example.com>"}), ["/from"]),
    "from as array": (body(**{"from": ["a@example.com"]}), ["/from"]),
    "null from": (body(**{"from": None}), ["/from"]),
    "reply_to": (body(reply_to=["x"]), ["/reply_to/0"]),
    "51 recipients": (body(to=["a@example.com"] * 51), ["/to"]),
    "51 with cc": (body(to=["a@example.com"] * 26, cc=["a@example.com"] * 25), ["/cc"]),
    "51 with bcc": (body(cc=["a@example.com"] * 25, bcc=["a@example.com"] * 25), ["/bcc"]),
    # Subject and bodies.
    "subject of two lines": (body(subject="a\nb"), ["/subject"]),
    "subject with NUL": (body(subject="a\0"), ["/subject"]),
    "subject with NEL": (body(subject="a\x85"), ["/subject"]),
    "subject with line separator": (body(subject="a\u2028"), ["/subject"]),
    "empty subject": (body(subject=""), ["/subject"]),
    "long subject": (body(subject="a" * 999), ["/subject"]),
    "number as subject": (body(subject=1e300), ["/subject"]),
    "null subject": (body(subject=None), ["/subject"]),
    "NUL in the bodies": (body(text="a\0", html="\0"), ["/text", "/html"]),
    "array as text": (body(text=["Hello"]), ["/text"]),
    # Headers.
    "From": (body(headers={"From": "a"}), ["/headers/From"]),
    "bCc": (body(headers={"bCc": "a"}), ["/headers/bCc"]),
    "Content-Type": (body(headers={"Content-Type": "a"}), ["/headers/Content-Type"]),
    "Message-ID": (body(headers={"Message-ID": "a"}), ["/headers/Message-ID"]),
    "DKIM-Signature": (body(headers={"DKIM-Signature": "a"}), ["/headers/DKIM-Signature"]),
    "X- alone": (body(headers={"X-": "a"}), ["/headers/X-"]),
    "X- of 61": (body(headers={f"X-{'a' * 61}": "a"}), [f"/headers/X-{'a' * 61}"]),
    "name with colon": (body(headers={"X-A: b\r\nBcc": "a"}), ["/headers"]),
    "name that ends with a line break": (body(headers={"X-A\n": "a"}), ["/headers"]),
    "name that only looks like List-Id": (body(headers={"Li\u017ft-Id": "a"}), ["/headers"]),
    "name twice": (body(headers={"X-A": "1", "x-a": "2"}), ["/headers"]),
    "line break in a header": (body(headers={"X-A": "a\r\nBcc: b"}), ["/headers/X-A"]),
    "tab in a header": (body(headers={"X-A": "a\tb"}), ["/headers/X-A"]),
    "long header": (body(headers={"X-A": "a" * 999}), ["/headers/X-A"]),
    "long header in octets": (body(headers={"X-A": "é" * 500}), ["/headers/X-A"]),
    "number in a header": (body(headers={"X-A": 1}), ["/headers/X-A"]),
    "array of headers": (body(headers=[{"name": "X-A", "value": "1"}]), ["/headers"]),
    "51 headers": (body(headers={f"X-{n}": "" for n in range(51)}), ["/headers"]),
    # Attachments.
    "path": (attached(path="https://example.com/a"), ["/attachments/0/path"]),
    "path only": (
        attached(content=..., path="file:///etc/passwd"),
        ["/attachments/0/path", "/attachments/0/content"],
    ),
    "no base64": (attached(content="hello!"), ["/attachments/0/content"]),
    "no padding": (attached(content="aGVsbG8"), ["/attachments/0/content"]),
    "too much padding": (attached(content="aGVsbG8=="), ["/attachments/0/content"]),
    "padding inside": (attached(content="aG==bG8="), ["/attachments/0/content"]),
    "only padding": (attached(content="===="), ["/attachments/0/content"]),
    "line break in base64": (attached(content="aGVs\nbG8="), ["/attachments/0/content"]),
    "URL-safe base64": (attached(content="_-_-"), ["/attachments/0/content"]),
    "data URL": (attached(content=f"data:text/plain;base64,{HELLO}"), ["/attachments/0/content"]),
    "no ASCII": (attached(content="é==="), ["/attachments/0/content"]),
    "empty content": (attached(content=""), ["/attachments/0/content"]),
    "empty array": (attached(content=[]), ["/attachments/0/content"]),
    "no byte": (attached(content=[256]), ["/attachments/0/content"]),
    "true as a byte": (attached(content=[1, True]), ["/attachments/0/content"]),
    "Buffer with more in it": (
        attached(content={"type": "Buffer", "data": [1], "x": 1}),
        ["/attachments/0/content"],
    ),
    "half a byte": (attached(content=[1.5]), ["/attachments/0/content"]),
    "huge length": (attached(content=2**40), ["/attachments/0/content"]),
    "Buffer of strings": (attached(content={"type": "Buffer", "data": "x"}), ["/attachments/0/content"]),
    "Buffer with a length": (attached(content={"type": "Buffer", "data": 9}), ["/attachments/0/content"]),
    "folder": (attached(filename="../a"), ["/attachments/0/filename"]),
    "Windows folder": (attached(filename="c:\\a"), ["/attachments/0/filename"]),
    "dots": (attached(filename=".."), ["/attachments/0/filename"]),
    "filename of two lines": (attached(filename="a\r\nb"), ["/attachments/0/filename"]),
    "long filename": (attached(filename="a" * 256), ["/attachments/0/filename"]),
    "empty filename": (attached(filename=""), ["/attachments/0/filename"]),
    "type": (attached(content_type="text"), ["/attachments/0/content_type"]),
    "type with parameter": (attached(content_type="text/html; x=y"), ["/attachments/0/content_type"]),
    "type of two lines": (attached(content_type="a/b\r\nX: y"), ["/attachments/0/content_type"]),
    "type with line break": (attached(content_type="a/b\n"), ["/attachments/0/content_type"]),
    "content id": (attached(content_id="<a>"), ["/attachments/0/content_id"]),
    "content id of two lines": (attached(content_id="a\r\nb"), ["/attachments/0/content_id"]),
    "long content id": (attached(content_id="a" * 129), ["/attachments/0/content_id"]),
    "camel case": (attached(contentType="text/plain"), ["/attachments/0/contentType"]),
    "21 attachments": (body(attachments=[{"filename": "a", "content": HELLO}] * 21), ["/attachments"]),
    "attachments as object": (body(attachments={}), ["/attachments"]),
    "string as attachment": (body(attachments=["a"]), ["/attachments/0"]),
    # Tags and metadata.
    "tag": (body(tags=[{"name": "a b", "value": ""}]), ["/tags/0/name", "/tags/0/value"]),
    "long tag": (body(tags=[{"name": "a" * 257, "value": "a"}]), ["/tags/0/name"]),
    "tag with more": (body(tags=[{"name": "a", "value": "b", "x": 1}]), ["/tags/0/x"]),
    "21 tags": (body(tags=[{"name": "a", "value": "b"}] * 21), ["/tags"]),
    "strings as tags": (body(tags=["a"]), ["/tags/0"]),
    "metadata": (
        body(metadata={"a": 1, "b": None, "c": ["x"]}),
        ["/metadata/a", "/metadata/b", "/metadata/c"],
    ),
    "long key": (body(metadata={"k" * 41: ""}), [f"/metadata/{'k' * 41}"]),
    "empty key": (body(metadata={"": ""}), ["/metadata"]),
    "long value": (body(metadata={"k": "v" * 501}), ["/metadata/k"]),
    "value of two lines": (body(metadata={"k": "a\nb"}), ["/metadata/k"]),
    "51 keys": (body(metadata={str(n): "" for n in range(51)}), ["/metadata"]),
    # Unknown fields.
    "misspelt": (body(repy_to="a@example.com"), ["/repy_to"]),
    "Python's name": (body(sender="a@example.com"), ["/sender"]),
    "__proto__": (body(__proto__={"to": "x"}), ["/__proto__"]),
    "constructor": (body(constructor={}), ["/constructor"]),
    "not yet": (body(scheduled_at="tomorrow"), ["/scheduled_at"]),
    "address as key": (body(**{"ann@example.org": 1}), [""]),
    "NUL as key": (body(**{"\0": 1}), [""]),
}


@pytest.mark.parametrize(("raw", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
def test_refused_fields(raw: bytes, expected: list[str]) -> None:
    """Every failing field is named, and nothing else."""
    problem = refused(raw)

    assert 422 == problem.status
    assert expected == [error.pointer for error in problem.errors]
    assert all("\n" not in error.message and "  " not in error.message for error in problem.errors)


@pytest.mark.parametrize("raw", [raw for raw, _ in HOSTILE.values()], ids=HOSTILE.keys())
def test_refusals_repeat_nothing(raw: bytes) -> None:
    """No address, no header and no text of the body is in the answer, so it can be logged."""
    problem = refused(raw)
    words = str(problem.body()).replace("Name <user@example.com>", "").replace("user@example.com", "")

    assert "@" not in words
    assert "passwd" not in words
    assert problem.__cause__ is None
    assert problem.__suppress_context__


NUMBERS = {
    "recipients": (body(to=["x"] * 100_000), ["/to"]),
    "objects as recipients": (body(to=[{}] * 100_000), ["/to"]),
    "fields": (body(**{f"f{n}": n for n in range(100_000)}), [""]),
    "fields of an attachment": (attached(**{f"f{n}": n for n in range(100_000)}), ["/attachments/0"]),
    "attachments": (body(attachments=[1] * 100_000), ["/attachments"]),
    "tags": (body(tags=[1] * 100_000), ["/tags"]),
    "keys": (body(metadata={f"k{n}": n for n in range(100_000)}), ["/metadata"]),
    "headers": (body(headers={f"h{n}": n for n in range(100_000)}), ["/headers"]),
    "the same field": (b'{"to":1' + b',"to":1' * 100_000 + b"}", ["/from", "/to", "/subject", "/html"]),
    "no bytes": (attached(content=["x"] * 100_000), ["/attachments/0/content"]),
}


@pytest.mark.parametrize(("raw", "expected"), NUMBERS.values(), ids=NUMBERS.keys())
def test_a_hundred_thousand_of_anything_is_one_error(raw: bytes, expected: list[str]) -> None:
    """Counting comes before looking inside, so that a huge array does not make a huge answer."""
    assert expected == pointers(raw)


def test_at_most_twenty_errors_are_named() -> None:
    """Of fifty bad recipients twenty are named, which is enough to see what is wrong."""
    assert [f"/to/{n}" for n in range(20)] == pointers(body(to=["x"] * 50))


def test_fifty_recipients_are_taken() -> None:
    """The limit itself is allowed."""
    email = sent(body(to=["a@example.com"] * 20, cc=["b@example.com"] * 20, bcc=["c@example.com"] * 10))

    assert 50 == len(email.to) + len(email.cc) + len(email.bcc)


def test_the_longest_values_are_taken() -> None:
    """Each limit itself is allowed."""
    email = sent(
        body(
            subject="s" * 998,
            headers={f"X-{'a' * 60}": "v" * 998, "In-Reply-To": "é" * 499},
            metadata={"k" * 40: "v" * 500},
            tags=[{"name": "n" * 256, "value": "v" * 256}],
            attachments=[{"filename": "f" * 255, "content": HELLO, "content_id": "c" * 128}],
        )
    )

    assert 998 == len(email.subject)


def test_of_a_doubled_key_the_last_counts() -> None:
    """A key that stands twice has one meaning, the last one."""
    raw = body()[:-1] + b',"to":"last@example.org"}'

    assert (Address(email="last@example.org"),) == sent(raw).to


@pytest.mark.parametrize(
    "content",
    [HELLO, list(b"hello"), [float(byte) for byte in b"hello"], {"type": "Buffer", "data": list(b"hello")}],
    ids=["base64", "array of bytes", "bytes written with a point", "Node.js Buffer"],
)
def test_attachments_as_the_sdks_write_them(content: object) -> None:
    """Base64, the byte arrays of the SDKs for Go and Python, and a Node.js Buffer are the same file."""
    assert HELLO == sent(attached(content=content)).attachments[0].content


@pytest.mark.parametrize(
    ("filename", "given", "expected"),
    [
        ("a.pdf", ..., "application/pdf"),
        ("a.tar.PNG", None, "image/png"),
        ("a.pdf", "", "application/pdf"),
        ("a.unknown", ..., "application/octet-stream"),
        ("pdf", ..., "application/octet-stream"),
        ("a.pdf", "image/svg+xml", "image/svg+xml"),
    ],
)
def test_the_type_comes_from_the_name_unless_given(filename: str, given: object, expected: str) -> None:
    """An attachment without a type gets the one of its file extension, on every machine the same."""
    email = sent(attached(filename=filename, content_type=given))

    assert expected == email.attachments[0].content_type


def test_the_older_name_of_the_content_id() -> None:
    """``inline_content_id`` still means ``content_id``."""
    assert "logo" == sent(attached(inline_content_id="logo")).attachments[0].content_id


@pytest.mark.parametrize("size", [1, 2, 3, 99, 100])
def test_attachments_up_to_the_limit(size: int) -> None:
    """The limit counts decoded bytes of all attachments together, exactly."""
    content = b64encode(bytes(size)).decode()
    raw = body(attachments=[{"filename": "a", "content": content}] * 2)

    assert 2 == len(parse_email(raw, attachment_bytes=2 * size).attachments)
    with pytest.raises(Problem, match=f"/attachments: must be at most {2 * size - 1} bytes"):
        parse_email(raw, attachment_bytes=2 * size - 1)


def test_an_unknown_field_is_named_before_a_missing_one() -> None:
    """A misspelt field explains why another one is missing, so it makes the message."""
    problem = refused(body(subject=..., subjekt="Hi"))

    assert ("missing_required_field", "/subjekt") == (problem.name, problem.errors[0].pointer)


def test_welcome_email() -> None:
    """A welcome e-mail is a recipient, and nothing else."""
    signature = parse_welcome_email(b'{"email":"Ann@Example.org"}').signature(MESSAGE_ID, "acme")

    assert SendWelcomeEmail(email="Ann@example.org", message_id=MESSAGE_ID, tenant="acme") == signature


@pytest.mark.parametrize(
    ("raw", "name", "expected"),
    [
        (b"{}", "missing_required_field", ["/email"]),
        (b'{"email":""}', "validation_error", ["/email"]),
        (b'{"email":null}', "validation_error", ["/email"]),
        (b'{"email":["a@example.com"]}', "validation_error", ["/email"]),
        (b'{"email":"Ann <a@example.com>"}', "validation_error", ["/email"]),
        (b'{"email":"a@example.com\\r\\n"}', "validation_error", ["/email"]),
        (b'{"email":"a@example.com","name":"Ann"}', "validation_error", ["/name"]),
        (b"[]", "validation_error", [""]),
        (b"", "invalid_json", []),
    ],
)
def test_refused_welcome_emails(raw: bytes, name: str, expected: list[str]) -> None:
    """Everything else is refused in the same way as for an e-mail."""
    with pytest.raises(Problem) as caught:
        parse_welcome_email(raw)

    assert name == caught.value.name
    assert expected == [error.pointer for error in caught.value.errors]


@pytest.mark.parametrize("nothing", [..., None, False])
def test_a_file_may_have_no_name(nothing: object) -> None:
    """Some SDKs leave it out, or say false; the file is then called attachment."""
    (attachment,) = sent(attached(filename=nothing)).attachments

    assert ("attachment", "application/octet-stream") == (attachment.filename, attachment.content_type)


def test_there_are_no_topics() -> None:
    """Null, which some SDKs write, asks for none."""
    assert sent(body()) == sent(body(topic_id=None))
    assert ["/topic_id"] == pointers(body(topic_id="news"))


TEMPLATE = TemplateContent(
    sender=Address(email="template@example.com"),
    reply_to=(Address(email="reply@example.com"),),
    subject="Hi {{ name }}",
    html="<p>{{ name }}</p>",
    text=None,
    fallbacks={},
    needed=frozenset({"name"}),
)


def from_template(**fields: object) -> SendEmail:
    """What would be queued of a message that is made from the template."""
    nothing = {"from": ..., "subject": ..., "text": ...}
    use = {"id": "hello", "variables": {"name": "Ann"}}
    return parse_email(body(**nothing | {"template": use} | fields)).signature(
        MESSAGE_ID, "default", TEMPLATE
    )


def test_a_template_gives_what_the_message_lacks() -> None:
    """Sender, answers' address, subject and bodies; the source travels with its variables."""
    email = from_template()

    assert (TEMPLATE.sender, TEMPLATE.reply_to) == (email.sender, email.reply_to)
    assert ("Hi {{ name }}", None, None) == (email.subject, email.html, email.text)
    assert (
        Template(subject="Hi {{ name }}", html="<p>{{ name }}</p>", variables={"name": "Ann"})
        == email.template
    )


def test_what_the_message_says_itself_counts_more_than_the_template() -> None:
    """A subject of its own stands as it is, braces and all."""
    email = from_template(**{"from": "own@example.com", "subject": "{{ own }}", "reply_to": "r@example.com"})

    assert ("own@example.com", "r@example.com") == (email.sender.email, email.reply_to[0].email)
    assert "{{ own }}" == email.subject
    assert email.template is not None
    assert email.template.subject is None


def test_a_template_without_sender_and_subject_leaves_them_to_the_message() -> None:
    """They are required then, and named."""
    bare = replace(TEMPLATE, sender=None, subject=None)
    submission = parse_email(
        body(**{"from": ..., "subject": ..., "text": ...}, template={"id": "x", "variables": {"name": "Ann"}})
    )

    with pytest.raises(Problem) as caught:
        submission.signature(MESSAGE_ID, "default", bare)

    assert "missing_required_field" == caught.value.name
    assert ["/from", "/subject"] == [error.pointer for error in caught.value.errors]


def test_a_missing_variable_is_named() -> None:
    """The template says what it needs."""
    with pytest.raises(Problem) as caught:
        from_template(template={"id": "hello", "variables": {"nome": "Ann"}})

    assert ["/template/variables/name"] == [error.pointer for error in caught.value.errors]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"template": {"id": "a"}, "html": "x", "text": ...}, ["/html"]),
        ({"template": {"id": "a"}}, ["/text"]),
        ({"template": {}}, ["/template/id"]),
        ({"template": {"id": ""}}, ["/template/id"]),
        ({"template": "a"}, ["/template"]),
        ({"template": {"id": "a", "variables": []}, "text": ...}, ["/template/variables"]),
        ({"template": {"id": "a", "version": 1}, "text": ...}, ["/template/version"]),
    ],
)
def test_refused_uses_of_templates(fields: dict[str, object], expected: list[str]) -> None:
    """A template stands in place of bodies, and is named by one id."""
    assert expected == pointers(body(**fields))


def test_a_message_may_wait_and_expire() -> None:
    """Moments are kept in UTC; what is scheduled is no matter of the mailer's."""
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    end = start + timedelta(hours=1)
    zone = timezone(timedelta(hours=2))
    submission = parse_email(
        body(scheduled_at=start.astimezone(zone).isoformat(), expires_at=end.astimezone(zone).isoformat())
    )

    assert (start, end) == (submission.scheduled_at, submission.expires_at)
    assert end == submission.signature(MESSAGE_ID, "default").expires_at
    assert ["/expires_at"] == pointers(body(scheduled_at=end.isoformat(), expires_at=start.isoformat()))
    assert ["/scheduled_at"] == pointers(body(scheduled_at="when it suits you"))


def test_lane_and_doubt() -> None:
    """Bulk mail takes its own lane; a message that must not come twice is held in doubt."""
    email = sent(body(priority="bulk", on_uncertain="hold"))

    assert (Lane.BULK, OnUncertain.HOLD) == (email.lane, email.on_uncertain)
    assert (Lane.TRANSACTIONAL, OnUncertain.RESEND) == (sent(body()).lane, sent(body()).on_uncertain)
    assert ["/priority"] == pointers(body(priority="urgent"))
    assert ["/on_uncertain"] == pointers(body(on_uncertain=True))
