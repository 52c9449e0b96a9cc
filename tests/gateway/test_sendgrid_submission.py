"""What SendGrid's API takes, as messages of our own, and what of it is refused."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.gateway.acceptance.entries import Draft
from services.gateway.identifiers import new_message_id
from services.gateway.problems import Problem
from services.gateway.submission.sendgrid import parse_mail
from services.gateway.submission.sendgrid_messages import Mailing
from services.gateway.templates.published import TemplateContent
from services.mailer.providers.sendgrid import SendGrid
from shared.signatures import Address, Attachment, SendEmail, Tag, Template

HELLO = "aGVsbG8="
ANN, BOB = {"email": "ann@example.org"}, {"email": "bob@example.org", "name": "Bob"}
TEXT = {"type": "text/plain", "value": "Hello"}
HTML = {"type": "text/html", "value": "<p>Hello</p>"}

LEAST: dict[str, Any] = {
    "personalizations": [{"to": [ANN]}],
    "from": {"email": "letters@example.com"},
    "subject": "Hi",
    "content": [TEXT],
}

TEMPLATE = TemplateContent(
    sender=None,
    reply_to=(),
    subject="Dear {{ name }}",
    html="<p>{{ name }}</p>",
    text=None,
    fallbacks={},
    needed=frozenset({"name"}),
)


def body(**fields: object) -> bytes:
    """Write a valid request with some fields replaced, or left out where they are ``...``."""
    whole = {**LEAST, **fields}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def personal(*parts: dict[str, Any], **fields: object) -> bytes:
    """Write a valid request with personalizations for different people, each with a part of its own."""
    people = [{"to": [{"email": f"r{n}@example.org"}], **part} for n, part in enumerate(parts)]
    return body(personalizations=people, **fields)


def drafts(raw: bytes, template: TemplateContent | None = None) -> list[Draft]:
    """Read a request and give its messages."""
    return Mailing.of(parse_mail(raw), "acme", template).drafts(new_message_id)


def sent(raw: bytes, template: TemplateContent | None = None) -> list[SendEmail]:
    """Read a request and give what would be queued, the way it arrives there."""
    return [SendEmail.parse(draft.signature.arguments()) for draft in drafts(raw, template)]


def only(raw: bytes, template: TemplateContent | None = None) -> SendEmail:
    """Read a request that makes a single message."""
    (email,) = sent(raw, template)
    return email


def refused(raw: bytes, template: TemplateContent | None = None) -> Problem:
    """Read a request that must be refused."""
    with pytest.raises(Problem) as caught:
        drafts(raw, template)
    return caught.value


def test_the_least_that_is_needed() -> None:
    """A personalization with one recipient, a sender, a subject and a body make a message."""
    email = only(body())
    expected = SendEmail(
        message_id=email.message_id,
        tenant="acme",
        sender=Address(email="letters@example.com"),
        to=(Address(email="ann@example.org"),),
        subject="Hi",
        text="Hello",
    )

    assert expected == email


def test_everything_at_once() -> None:
    """Every field that is supported arrives in the signature, and survives the way over the broker."""
    eve = {"email": "eve@Example.org", "name": "Eve, of Eden"}
    email = only(
        body(
            personalizations=[{"to": [ANN], "cc": [BOB], "bcc": [eve]}],
            reply_to_list=[ANN, BOB],
            content=[TEXT, HTML],
            headers={"X-A": "1", "List-Unsubscribe": "<https://example.com/u>"},
            attachments=[{"content": HELLO, "filename": "a.pdf"}],
            categories=["receipt", "My café"],
            custom_args={"order": "1234"},
            **{"from": {"email": "letters@EXAMPLE.com", "name": "Acme"}},
        )
    )
    bob = Address(email="bob@example.org", name="Bob")

    assert Address(email="letters@example.com", name="Acme") == email.sender
    assert (Address(email="ann@example.org"),) == email.to
    assert (bob,) == email.cc
    assert (Address(email="eve@example.org", name="Eve, of Eden"),) == email.bcc
    assert (Address(email="ann@example.org"), bob) == email.reply_to
    assert ("Hello", "<p>Hello</p>") == (email.text, email.html)
    assert {"X-A": "1", "List-Unsubscribe": "<https://example.com/u>"} == email.headers
    assert (Attachment(filename="a.pdf", content=HELLO, content_type="application/pdf"),) == email.attachments
    assert (Tag(name="category", value="receipt"), Tag(name="category", value="My café")) == email.tags
    assert {"order": "1234"} == email.metadata


def test_each_personalization_is_a_message() -> None:
    """Everybody gets a message of their own, in order, with what is said for all and what is their own."""
    first, second = sent(
        personal(
            {},
            {
                "from": {"email": "boss@example.com"},
                "subject": "You",
                "headers": {"x-a": "own", "X-C": "3"},
                "custom_args": {"order": "2", "item": "9"},
            },
            headers={"X-A": "all", "X-B": "2"},
            custom_args={"order": "1", "shop": "7"},
            reply_to=BOB,
        )
    )

    assert ["r0@example.org", "r1@example.org"] == [email.to[0].email for email in (first, second)]
    assert first.message_id != second.message_id
    assert ("letters@example.com", "Hi") == (first.sender.email, first.subject)
    assert ("boss@example.com", "You") == (second.sender.email, second.subject)
    assert ({"X-A": "all", "X-B": "2"}, {"X-B": "2", "x-a": "own", "X-C": "3"}) == (
        first.headers,
        second.headers,
    )
    assert {"order": "1", "shop": "7"} == first.metadata
    assert {"order": "2", "shop": "7", "item": "9"} == second.metadata
    assert "Bob" == first.reply_to[0].name == second.reply_to[0].name


def test_where_the_sender_stands() -> None:
    """A sender that the caller may not use is named where the request has it."""
    places = [draft.place for draft in drafts(personal({}, {"from": ANN}))]

    assert ["", "/personalizations/1"] == places


def test_null_is_left_out() -> None:
    """Optional fields may be null."""
    optional = [
        "reply_to",
        "reply_to_list",
        "attachments",
        "template_id",
        "sections",
        "headers",
        "categories",
    ]
    optional += [
        "custom_args",
        "send_at",
        "batch_id",
        "asm",
        "ip_pool_name",
        "mail_settings",
        "tracking_settings",
    ]
    own = ["cc", "bcc", "from", "subject", "headers", "substitutions", "custom_args", "send_at"]
    part = {"to": [{**ANN, "name": None}], **dict.fromkeys([*own, "dynamic_template_data"])}
    email = only(body(personalizations=[part], **dict.fromkeys(optional)))

    assert only(body()).model_copy(update={"message_id": email.message_id}) == email


# Bodies, files


@pytest.mark.parametrize("content", [[TEXT], [HTML], [TEXT, HTML]])
def test_bodies(content: list[dict[str, str]]) -> None:
    """Plain text, HTML or both, in this order."""
    email = only(body(content=content))

    assert [part["value"] for part in content] == [part for part in (email.text, email.html) if part]


INLINE = {"content": HELLO, "filename": "a.png"}
FILES = {
    "nothing said": ({}, (None, "image/png")),
    "type": ({"type": "image/gif"}, (None, "image/gif")),
    "empty": ({"type": "", "disposition": "", "content_id": ""}, (None, "image/png")),
    "attachment": ({"disposition": "attachment"}, (None, "image/png")),
    "inline": ({"disposition": "inline", "content_id": "logo"}, ("logo", "image/png")),
    "content id alone": ({"content_id": "logo"}, ("logo", "image/png")),
    "spelt as in Node.js": ({"disposition": "inline", "contentId": "logo"}, ("logo", "image/png")),
    # As in the examples of SendGrid's SDK for Python.
    "attachment with an id": (
        {"disposition": "attachment", "content_id": "Example Content ID"},
        (None, "image/png"),
    ),
}


@pytest.mark.parametrize(("fields", "expected"), FILES.values(), ids=FILES)
def test_files(fields: dict[str, str], expected: tuple[str | None, str]) -> None:
    """A file is inline if it has a content id, which means something for inline files only."""
    (file,) = only(body(attachments=[{**INLINE, **fields}])).attachments

    assert expected == (file.content_id, file.content_type)


# Substitutions


def texts(
    *parts: dict[str, Any], subject: str = "Hi", text: str = "Hello", **fields: object
) -> list[tuple[str, Any]]:
    """Give subject and text of the messages of a request."""
    content = [{"type": "text/plain", "value": text}]
    return [
        (mail.subject, mail.text)
        for mail in sent(personal(*parts, subject=subject, content=content, **fields))
    ]


def test_substitutions() -> None:
    """Tags in subject and bodies are replaced by what each recipient has for them."""
    ann, bob = ({"substitutions": {"-name-": name, "%code%": "1"}} for name in ("Ann", "Bob"))

    assert [
        ("Ann!", "Ann, Ann: 1 %x%"),
        ("Bob!", "Bob, Bob: 1 %x%"),
        ("-name-!", "-name-, -name-: %code% %x%"),
    ] == texts(ann, bob, {}, subject="-name-!", text="-name-, -name-: %code% %x%")


def test_substitutions_in_a_subject_of_ones_own() -> None:
    """A personalization's own subject has its tags replaced, too."""
    assert [("To Ann", "Hello")] == texts({"subject": "To -n-", "substitutions": {"-n-": "Ann"}})


def test_what_was_put_in_is_not_searched() -> None:
    """Somebody whose name is a tag does not get its value, and order makes no difference."""
    own = {"substitutions": {"-name-": "-secret-", "-secret-": "42", "-sec": "-name-"}}

    assert [("Hi", "-secret- 42 -name-")] == texts(own, text="-name- -secret- -sec")


def test_the_longest_tag_goes_first() -> None:
    """A tag that begins another one does not break it."""
    assert [("Hi", "1 2")] == texts({"substitutions": {":a": "2", ":ab": "1"}}, text=":ab :a")


def test_sections() -> None:
    """A value may name a section, which has the recipient's own values in it and no other section."""
    sections = {":dear": "Dear :name, :bye", ":bye": "Bye :name"}
    ann = {"substitutions": {":hello": ":dear", ":name": "Ann", ":end": ":bye"}}
    bob = {"substitutions": {":hello": "Hi", ":name": ":bob", ":end": ":bye."}}

    assert [("Hi", "Dear Ann, :bye! Bye Ann"), ("Hi", "Hi! Bye :bob.")] == texts(
        ann, bob, text=":hello! :end", sections=sections
    )


def test_html_is_not_escaped() -> None:
    """Values are put into HTML as they are, as at SendGrid."""
    own = {"substitutions": {"-x-": "<b>&</b>"}}

    assert (
        "<p><b>&</b></p>" == only(personal(own, content=[{"type": "text/html", "value": "<p>-x-</p>"}])).html
    )


SUBJECTS = {"line break": "a\nBcc: x@example.com", "NEL": "a\x85b", "nothing": "", "too long": "a" * 999}


@pytest.mark.parametrize("value", SUBJECTS.values(), ids=SUBJECTS)
def test_substitutions_that_make_no_subject(value: str) -> None:
    """What a tag brings into the subject must be fit for it, lest it writes headers of its own."""
    problem = refused(personal({}, {"substitutions": {"-x-": value}}, subject="-x-"))

    assert ["/personalizations/1/substitutions"] == [error.pointer for error in problem.errors]
    assert ": must make a subject of " in problem.message


def test_substitutions_that_make_no_body() -> None:
    """A body that becomes empty is left out, unless there is no other one."""
    own = {"substitutions": {"-x-": ""}}
    email = only(personal(own, content=[{**TEXT, "value": "-x-"}, HTML]))
    problem = refused(personal(own, content=[{**TEXT, "value": "-x-"}, {**HTML, "value": "-x--x-"}]))

    assert (None, HTML["value"]) == (email.text, email.html)
    assert "/personalizations/0/substitutions: must make a body that is not empty" == problem.message


# What a small request may become


def many(count: int) -> list[dict[str, Any]]:
    """Personalizations that say nothing of their own."""
    return [{} for _ in range(count)]


HUGE = {
    "text": personal(*many(1000), content=[{"type": "text/html", "value": "x" * 25_000}]),
    "files": personal(*many(3), attachments=[{"filename": "a", "content": "A" * 9_000_000}]),
    "headers": personal(*many(1000), headers={f"X-{n}": "v" * 990 for n in range(50)}),
    "one value, often": personal(
        {"substitutions": {"-": "x" * 10_000}}, content=[{"type": "text/html", "value": "-" * 100_000}]
    ),
    "several values": personal(
        *[{"substitutions": {"-": "x" * 10_000}}] * 100, content=[{"type": "text/html", "value": "-" * 25}]
    ),
    "sections": personal(
        {"substitutions": {"-": "x" * 10_000}}, sections={f"s{n}": "-" * 100 for n in range(100)}
    ),
}


@pytest.mark.parametrize("raw", HUGE.values(), ids=HUGE)
def test_a_small_request_does_not_become_a_huge_one(raw: bytes) -> None:
    """What a request makes of itself is limited, before it is made."""
    started = time.process_time()
    problem = refused(raw)

    assert 422 == problem.status
    assert "makes too much text of one request" in problem.message
    assert 2 > time.process_time() - started


def test_a_large_template_for_many() -> None:
    """So it is with a template."""
    large = TemplateContent(None, (), "Hi", "x" * 250_000, None, fallbacks={}, needed=frozenset())
    problem = refused(personal(*many(100), template_id="welcome"), large)

    assert "makes too much text of one request" in problem.message


def test_a_thousand_messages() -> None:
    """A thousand messages of an everyday size are no trouble."""
    content = [{"type": "text/html", "value": "x" * 15_000 + "-n-"}]
    parts = [{"substitutions": {"-n-": str(n)}} for n in range(1000)]

    assert 1000 == len({email.html for email in sent(personal(*parts, content=content))})


# Templates


def test_a_template() -> None:
    """Each message carries the template with the recipient's own data, and its subject as the source."""
    data = {"name": "Ann", "items": [{"price": 1.5, "sold": None}]}
    email = only(
        personal({"dynamic_template_data": data}, template_id="welcome", subject=..., content=...), TEMPLATE
    )

    assert Template(subject=TEMPLATE.subject, html=TEMPLATE.html, variables=data) == email.template
    assert (TEMPLATE.subject, None, None) == (email.subject, email.text, email.html)


def test_the_subject_of_the_template_goes_first() -> None:
    """As at SendGrid, the request's subject and content stand back behind the template's."""
    email = only(personal({"dynamic_template_data": {"name": "Ann"}}, template_id="welcome"), TEMPLATE)

    assert TEMPLATE.subject == email.subject
    assert (None, None) == (email.text, email.html)


def test_a_template_without_a_subject() -> None:
    """It takes the request's, which stands as it is; without one the request is refused."""
    bare = TemplateContent(None, (), None, "<p>Hello</p>", None, fallbacks={}, needed=frozenset())
    email = only(personal({}, template_id="welcome", content=...), bare)
    problem = refused(personal({}, template_id="welcome", content=..., subject=...), bare)

    assert ("Hi", None) == (email.subject, email.template and email.template.subject)
    assert ["/subject"] == [error.pointer for error in problem.errors]


def test_a_variable_that_the_template_needs() -> None:
    """It is named as a part of the data of the personalization that lacks it."""
    raw = personal({"dynamic_template_data": {"name": "Ann"}}, {}, template_id="welcome")

    assert ["/personalizations/1/dynamic_template_data/name"] == [
        error.pointer for error in refused(raw, TEMPLATE).errors
    ]


# When

SOON = int(time.time()) + 3600
WHEN = {
    "at once": ({}, {}, None),
    "for all": ({}, {"send_at": SOON}, SOON),
    "of its own": ({"send_at": SOON}, {"send_at": SOON + 60}, SOON),
    "zero": ({}, {"send_at": 0}, None),
    "written with a point": ({}, {"send_at": float(SOON)}, SOON),
    "in the past": ({}, {"send_at": 1_700_000_000}, None),
    "of its own, in the past": ({"send_at": 0}, {"send_at": SOON}, None),
    "in a month": ({}, {"send_at": SOON + 30 * 86_400}, SOON + 30 * 86_400),
}


@pytest.mark.parametrize(("own", "common", "expected"), WHEN.values(), ids=WHEN)
def test_send_at(own: dict[str, float], common: dict[str, float], expected: int | None) -> None:
    """Unix seconds, of its own before those for all; what has passed is sent at once."""
    (draft,) = drafts(personal(own, **common))

    assert (expected and datetime.fromtimestamp(expected, UTC)) == draft.scheduled_at


# What asks for nothing, and what asks for too much

NOTHING: dict[str, dict[str, Any]] = {
    "tracking off": {"tracking_settings": {"click_tracking": {"enable": False, "enable_text": False}}},
    "tracking empty": {"tracking_settings": {"open_tracking": {}, "ganalytics": None}},
    "settings off": {
        "mail_settings": {"footer": {"enable": False, "text": "x"}, "spam_check": {"enable": None}}
    },
    "sandbox off": {"mail_settings": {"sandbox_mode": {"enable": False}}},
    "sandbox empty": {"mail_settings": {"sandbox_mode": {}}},
    "asm empty": {"asm": {}, "ip_pool_name": "", "batch_id": ""},
    "lists empty": {"categories": [], "attachments": [], "reply_to_list": []},
    "objects empty": {"custom_args": {}, "headers": {}, "sections": {}, "mail_settings": {}},
    "no template": {"template_id": ""},
}


@pytest.mark.parametrize("fields", NOTHING.values(), ids=NOTHING)
def test_what_asks_for_nothing(fields: dict[str, Any]) -> None:
    """What is off or empty is as good as left out."""
    email = only(body(**fields))

    assert only(body()).model_copy(update={"message_id": email.message_id}) == email


@pytest.mark.parametrize(
    ("settings", "expected"), [({"enable": True}, True), ({"enable": False}, False), ({}, False)]
)
def test_the_sandbox(settings: dict[str, bool], expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A request may ask to be checked only."""
    assert expected is parse_mail(body(mail_settings={"sandbox_mode": settings})).is_sandboxed


def own(**fields: object) -> bytes:
    """Write a request whose second personalization has these fields."""
    return body(personalizations=[{"to": [ANN]}, {"to": [ANN], **fields}])


def attached(**fields: object) -> bytes:
    """Write a request with one attachment."""
    whole = {**INLINE, **fields}
    return body(attachments=[{name: value for name, value in whole.items() if value is not ...}])


P1 = "/personalizations/1"
REFUSED: dict[str, tuple[bytes, list[str]]] = {
    "nothing": (b"{}", ["/personalizations", "/from", "/content"]),
    "array": (b"[]", [""]),
    "unknown field": (body(tags=[]), ["/tags"]),
    "unknown field of a personalization": (own(tags=[]), [f"{P1}/tags"]),
    # People
    "no personalization": (body(personalizations=[]), ["/personalizations"]),
    "null personalizations": (body(personalizations=None), ["/personalizations"]),
    "object": (body(personalizations={}), ["/personalizations"]),
    "1001 personalizations": (personal(*many(1001)), ["/personalizations"]),
    "no recipient": (own(to=[]), [f"{P1}/to"]),
    "to left out": (body(personalizations=[{"cc": [ANN]}]), ["/personalizations/0/to"]),
    "string as recipient": (own(to=["ann@example.org"]), [f"{P1}/to/0"]),
    "recipient without address": (own(to=[{"name": "Ann"}]), [f"{P1}/to/0/email"]),
    "no address": (own(to=[{"email": "nonsense"}]), [f"{P1}/to/0/email"]),
    "name in the address": (own(to=[{"email": "Ann <ann@example.org>"}]), [f"{P1}/to/0/email"]),
    "number as address": (own(cc=[{"email": 1}]), [f"{P1}/cc/0/email"]),
    "line break in an address": (own(to=[{"email": "a@example.org\nBcc: b@x.org"}]), [f"{P1}/to/0/email"]),
    "line break in a name": (own(bcc=[{**ANN, "name": "A\r\nB"}]), [f"{P1}/bcc/0/name"]),
    "encoded word in a name": (own(to=[{**ANN, "name": "=?utf-8?q?Bank?="}]), [f"{P1}/to/0/name"]),
    "number as name": (own(to=[{**ANN, "name": 1}]), [f"{P1}/to/0/name"]),
    "long name": (own(to=[{**ANN, "name": "a" * 998}]), [f"{P1}/to/0/name"]),
    "same twice in to": (own(to=[ANN, ANN]), [f"{P1}/to"]),
    "same in cc, in another case": (own(cc=[{"email": "Ann@EXAMPLE.org"}]), [f"{P1}/cc"]),
    "same in cc and bcc": (own(cc=[BOB], bcc=[BOB]), [f"{P1}/bcc"]),
    "51 recipients": (own(to=[{"email": f"a{n}@example.org"} for n in range(51)]), [f"{P1}/to"]),
    "51 with cc": (own(cc=[{"email": f"a{n}@example.org"} for n in range(50)]), [f"{P1}/cc"]),
    "1001 recipients": (
        personal(*[{"cc": [{"email": f"c{n}@example.org"} for n in range(49)]}] * 21),
        ["/personalizations"],
    ),
    "no sender": (body(**{"from": ...}), ["/from"]),
    "sender without address": (body(**{"from": {"name": "nonsense"}}), ["/from/email"]),
    "sender as string": (body(**{"from": "letters@example.com"}), ["/from"]),
    "own sender": (own(**{"from": {"email": "x"}}), [f"{P1}/from/email"]),
    "reply_to": (body(reply_to={"email": "x"}), ["/reply_to/email"]),
    "reply_to and reply_to_list": (body(reply_to=ANN, reply_to_list=[BOB]), ["/reply_to_list"]),
    # Subject and bodies
    "no subject": (body(subject=...), ["/subject"]),
    "subject for one only": (
        body(subject=..., personalizations=[{"to": [ANN], "subject": "a"}, {"to": [ANN]}]),
        ["/subject"],
    ),
    "empty subject": (body(subject=""), ["/subject"]),
    "empty own subject": (own(subject=""), [f"{P1}/subject"]),
    "subject of two lines": (own(subject="a\nb"), [f"{P1}/subject"]),
    "long subject": (body(subject="a" * 999), ["/subject"]),
    "no content": (body(content=...), ["/content"]),
    "empty content": (body(content=[]), ["/content"]),
    "object as content": (body(content=TEXT), ["/content"]),
    "empty body": (body(content=[{**TEXT, "value": ""}]), ["/content/0/value"]),
    "NUL in a body": (body(content=[{**TEXT, "value": "a\0"}]), ["/content/0/value"]),
    "wrong order": (body(content=[HTML, TEXT]), ["/content"]),
    "twice plain": (body(content=[TEXT, TEXT]), ["/content"]),
    "three bodies": (body(content=[TEXT, HTML, HTML]), ["/content"]),
    "calendar": (body(content=[{"type": "text/calendar", "value": "x"}]), ["/content/0/type"]),
    "AMP": (body(content=[TEXT, {"type": "text/x-amp-html", "value": "x"}]), ["/content/1/type"]),
    "parameter in the type": (body(content=[{**TEXT, "type": "text/plain; charset=x"}]), ["/content/0/type"]),
    # Files
    "no base64": (attached(content="hello!"), ["/attachments/0/content"]),
    "no file": (attached(content=...), ["/attachments/0/content"]),
    "folder in the name": (attached(filename="../a"), ["/attachments/0/filename"]),
    "type with a parameter": (attached(type="text/plain; x=y"), ["/attachments/0/type"]),
    "disposition": (attached(disposition="form-data"), ["/attachments/0"]),
    "inline without an id": (attached(disposition="inline"), ["/attachments/0"]),
    "content id with a blank": (
        attached(disposition="inline", content_id="a b"),
        ["/attachments/0/content_id"],
    ),
    "contentId with a blank": (attached(contentId="a b"), ["/attachments/0/contentId"]),
    "path": (attached(path="/etc/passwd"), ["/attachments/0/path"]),
    "21 files": (body(attachments=[INLINE] * 21), ["/attachments"]),
    "too large": (body(attachments=[{"filename": "a", "content": "A" * 9_333_336}]), ["/attachments"]),
    # Headers, labels
    "To as a header": (body(headers={"To": "a"}), ["/headers/To"]),
    "reserved header": (own(headers={"x-SG-eid": "a"}), [f"{P1}/headers"]),
    "line break in a header": (own(headers={"X-A": "a\r\nBcc: b"}), [f"{P1}/headers/X-A"]),
    "51 headers together": (
        body(
            headers={f"X-{n}": "" for n in range(50)},
            personalizations=[{"to": [ANN], "headers": {"X-0": ""}}, {"to": [ANN], "headers": {"X-50": ""}}],
        ),
        [f"{P1}/headers"],
    ),
    "11 categories": (body(categories=[str(n) for n in range(11)]), ["/categories"]),
    "long category": (body(categories=["a" * 247]), ["/categories/0"]),
    "empty category": (body(categories=["a", ""]), ["/categories/1"]),
    "category of two lines": (body(categories=["a\nb"]), ["/categories/0"]),
    "number as category": (body(categories=[1]), ["/categories/0"]),
    "category twice": (body(categories=["a", "a"]), ["/categories"]),
    "string as categories": (body(categories="a"), ["/categories"]),
    "number as argument": (body(custom_args={"order": 1}), ["/custom_args/order"]),
    "our own argument": (own(custom_args={"message_id": "1"}), [f"{P1}/custom_args"]),
    "51 arguments together": (
        body(
            custom_args={str(n): "" for n in range(50)},
            personalizations=[{"to": [ANN], "custom_args": {"x": ""}}],
        ),
        ["/personalizations/0/custom_args"],
    ),
    # Substitutions, templates
    "number as value": (own(substitutions={"-a-": 1}), [f"{P1}/substitutions/-a-"]),
    "empty tag": (own(substitutions={"": "x"}), [f"{P1}/substitutions"]),
    "NUL in a value": (own(substitutions={"-a-": "\0"}), [f"{P1}/substitutions/-a-"]),
    "101 tags": (own(substitutions={f"-{n}-": "" for n in range(101)}), [f"{P1}/substitutions"]),
    "long values": (own(substitutions={"-a-": "é" * 25_000}), [f"{P1}/substitutions"]),
    "array as section": (body(sections={"-a-": []}), ["/sections/-a-"]),
    "data without a template": (own(dynamic_template_data={"a": 1}), [f"{P1}/dynamic_template_data"]),
    "substitutions in a template": (
        body(
            template_id="welcome",
            sections={"-b-": "x"},
            personalizations=[{"to": [ANN], "substitutions": {"-a-": "x"}}],
        ),
        ["/sections", "/personalizations/0/substitutions"],
    ),
    "number as template": (body(template_id=1), ["/template_id"]),
    "array as data": (own(dynamic_template_data=[]), [f"{P1}/dynamic_template_data"]),
    # When
    "send_at as text": (body(send_at=str(SOON)), ["/send_at"]),
    "send_at as a fraction": (own(send_at=SOON + 0.5), [f"{P1}/send_at"]),
    "send_at in milliseconds": (own(send_at=SOON * 1000), [f"{P1}/send_at"]),
    "send_at in two years": (body(send_at=SOON + 2 * 366 * 86_400), ["/send_at"]),
    "send_at as a boolean": (body(send_at=True), ["/send_at"]),
    # What cannot be honoured
    "batch_id": (body(batch_id="x"), ["/batch_id"]),
    "asm": (body(asm={"group_id": 1}), ["/asm"]),
    "ip_pool_name": (body(ip_pool_name="x"), ["/ip_pool_name"]),
    "click tracking": (
        body(tracking_settings={"click_tracking": {"enable": True}, "open_tracking": {"enable": "yes"}}),
        ["/tracking_settings/click_tracking", "/tracking_settings/open_tracking"],
    ),
    "unknown tracking": (body(tracking_settings={"eye_tracking": {}}), ["/tracking_settings/eye_tracking"]),
    "footer": (body(mail_settings={"footer": {"enable": True}}), ["/mail_settings/footer"]),
    "a footer that 0 switches": (body(mail_settings={"footer": {"enable": 0}}), ["/mail_settings/footer"]),
    "bypass": (
        body(mail_settings={"bypass_list_management": {"enable": True}}),
        ["/mail_settings/bypass_list_management"],
    ),
    "sandbox as text": (
        body(mail_settings={"sandbox_mode": {"enable": "true"}}),
        ["/mail_settings/sandbox_mode/enable"],
    ),
}


@pytest.mark.parametrize(("raw", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(raw: bytes, expected: list[str]) -> None:
    """Every failing field is named; nothing is dropped or mended silently."""
    problem = refused(raw)

    assert 422 == problem.status
    assert sorted(expected) == sorted(error.pointer for error in problem.errors)


WORDS = ("ann@", "x.org", "Bcc", "Bank", "hello!", "form-data", "passwd", "nonsense")


def test_a_refusal_repeats_no_value() -> None:
    """Neither an address nor a text gets into an error, since errors are logged."""
    for raw, _ in REFUSED.values():
        told = json.dumps(refused(raw).body())

        assert not [word for word in WORDS if word in told]


@pytest.mark.parametrize(
    "field", ["content", "personalizations", "categories", "attachments", "reply_to_list"]
)
def test_a_flood_of_errors_costs_nothing(field: str) -> None:
    """An array of a million wrong members is refused for its length, before anybody looks inside."""
    started = time.process_time()
    problem = refused(body(**{field: [1] * 1_000_000}))

    assert [f"/{field}"] == [error.pointer for error in problem.errors]
    assert 1 > time.process_time() - started


def test_hundreds_of_wrong_personalizations() -> None:
    """Of those only the first one is reported: thousands of errors would cost a second."""
    problem = refused(body(personalizations=[{"to": [{"email": "x"}, {"email": "y"}]}] * 500))

    assert ["/personalizations/0/to/0/email", "/personalizations/0/to/1/email"] == [
        error.pointer for error in problem.errors
    ]


def test_what_is_accepted_here_is_accepted_there() -> None:
    """The longest labels that are taken fit SendGrid, should the mailer deliver through it."""
    raw = body(categories=[f"{n}" + "a" * 245 for n in range(10)], custom_args={"a" * 40: "v" * 500})
    email = only(raw)
    carried = json.loads(SendGrid(api_key="SG.x").build(email).body)

    assert 10 == len(carried["categories"])
    assert {255} == {len(category) for category in carried["categories"]}
    assert UUID(carried["custom_args"].pop("message_id")) == email.message_id
