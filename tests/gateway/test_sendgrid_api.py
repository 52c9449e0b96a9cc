"""``POST /v3/mail/send`` as SendGrid's own SDK and a stranger meet it: a real process, real sockets."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from python_http_client import exceptions  # type: ignore[import-untyped]
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]
from sendgrid.helpers.mail import (  # type: ignore[import-untyped]
    Attachment,
    Category,
    ContentId,
    CustomArg,
    Disposition,
    FileContent,
    FileName,
    FileType,
    From,
    Header,
    Mail,
    MailSettings,
    SandBoxMode,
    SendAt,
    Substitution,
    To,
)

from services.gateway import problems
from services.gateway.api.description.catalogue import KINDS
from services.gateway.api.dialects import respond
from services.gateway.problems import FieldError, Problem
from tests.flow.system import System

LIMIT = 200_000
UNAUTHORIZED = "The provided authorization grant is invalid, expired, or revoked"

MAIL: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "ann@example.org"}]}],
    "from": {"email": "letters@example.com"},
    "subject": "Hi",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker, with a small limit."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_BODY_LIMIT_BYTES": str(LIMIT), "PILLARBOX_BODY_TIMEOUT_SECONDS": "1"}
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture
def sdk(gateway: System) -> SendGridAPIClient:
    """SendGrid's SDK, pointed at the gateway."""
    return SendGridAPIClient(gateway.key, host=f"http://127.0.0.1:{gateway.port}")


def stored(gateway: System) -> list[str]:
    """The ids of all messages in the ledger, in the order of their arrival."""
    connection = sqlite3.connect(gateway.folder / "ledger.sqlite3")
    rows = connection.execute("SELECT id FROM messages ORDER BY rowid").fetchall()
    connection.close()
    return [str(row[0]) for row in rows]


def posted(gateway: System, **changes: Any) -> httpx.Response:
    """POST a mail with some fields changed, or left out where None."""
    body = {name: value for name, value in {**MAIL, **changes}.items() if value is not None}
    return gateway.post(body, "/v3/mail/send")


def errors(answer: httpx.Response) -> list[dict[str, Any]]:
    """The errors in an answer, all of which have SendGrid's shape."""
    body = answer.json()

    assert "application/json" == answer.headers["Content-Type"]
    assert {"errors"} == set(body)
    assert all({"message", "field", "help"} == set(error) for error in body["errors"])
    listed: list[dict[str, Any]] = body["errors"]
    return listed


def test_a_mail(gateway: System) -> None:
    """It is answered 202 without a body, and found under the id in the header."""
    answer = posted(gateway)
    email = gateway.email(answer.headers["X-Message-Id"])

    assert (202, b"", "0") == (answer.status_code, answer.content, answer.headers["Content-Length"])
    assert (["ann@example.org"], "Hi", "Hello") == (email["to"], email["subject"], email["text"])


def test_a_mail_of_the_sdk(gateway: System, sdk: SendGridAPIClient) -> None:
    """What the SDK for Python makes of all its helpers arrives."""
    mail = Mail(
        From("letters@example.com", "Acme"), To("ann@example.org", "Ann"), "Hi", "Hello", "<p>Hello</p>"
    )
    mail.add_cc("bob@example.org")
    mail.reply_to = "answers@example.com"
    mail.attachment = Attachment(
        FileContent("aGVsbG8="),
        FileName("a.txt"),
        FileType("text/plain"),
        Disposition("attachment"),
        ContentId("Example Content ID"),
    )
    mail.category = [Category("receipt"), Category("shop")]
    mail.custom_arg = CustomArg("order", "1234")
    mail.header = Header("X-Order", "1234")
    mail.send_at = SendAt(int(time.time()) + 3600)
    answer = sdk.send(mail)
    email = gateway.email(answer.headers["X-Message-Id"])

    assert (202, b"") == (answer.status_code, answer.body)
    assert ("Acme <letters@example.com>", ["Ann <ann@example.org>"]) == (email["from"], email["to"])
    assert (["bob@example.org"], ["answers@example.com"]) == (email["cc"], email["reply_to"])
    assert ("Hello", "<p>Hello</p>") == (email["text"], email["html"])
    assert {"receipt", "shop"} == {tag["value"] for tag in email["tags"]}
    assert {"order": "1234"} == email["metadata"]
    assert "scheduled" == email["status"]


def test_several_messages_of_the_sdk(gateway: System, sdk: SendGridAPIClient) -> None:
    """Each recipient gets a message of their own; the header names that of the first personalization."""
    before = len(stored(gateway))
    people = [
        To(f"{name.lower()}@example.org", name, substitutions=[Substitution("-name-", name)])
        for name in ("Ann", "Bob")
    ]
    mail = Mail("letters@example.com", people, "Dear -name-", "Hello -name-", is_multiple=True)
    first = mail.get()["personalizations"][0]["to"][0]["name"]
    answer = sdk.send(mail)
    ids = stored(gateway)[before:]
    emails = [gateway.email(message_id) for message_id in ids]

    assert f"Dear {first}" == gateway.email(answer.headers["X-Message-Id"])["subject"]
    assert {("Dear Ann", "Hello Ann"), ("Dear Bob", "Hello Bob")} == {
        (email["subject"], email["text"]) for email in emails
    }


def test_the_sandbox_of_the_sdk(gateway: System, sdk: SendGridAPIClient) -> None:
    """In the sandbox a mail is checked, answered 200, and not stored."""
    before = stored(gateway)
    settings = MailSettings()
    settings.sandbox_mode = SandBoxMode(True)  # noqa: FBT003 - the SDK's own signature
    mail = Mail("letters@example.com", "ann@example.org", "Hi", "Hello")
    mail.mail_settings = settings
    answer = sdk.send(mail)
    refused = posted(gateway, subject=None, mail_settings={"sandbox_mode": {"enable": True}})

    assert (200, b"") == (answer.status_code, answer.body)
    assert "X-Message-Id" not in answer.headers
    assert 400 == refused.status_code
    assert before == stored(gateway)


def test_a_template(gateway: System) -> None:
    """A published template is filled with each recipient's own data; another one is refused."""
    template = {
        "name": "Welcome",
        "alias": "welcome",
        "subject": "Dear {{ name }}",
        "html": "<p>{{ name }}</p>",
    }
    created = gateway.client.post("/templates", json=template)
    gateway.client.post(f"/templates/{created.json()['id']}/publish").raise_for_status()
    to = [{"email": "ann@example.org"}]
    data = [{"to": to, "dynamic_template_data": {"name": "Ann"}}]
    answer = posted(gateway, template_id="welcome", personalizations=data, content=None, subject=None)
    lacking = posted(
        gateway, template_id="welcome", personalizations=[{"to": to}], content=None, subject=None
    )
    unknown = posted(gateway, template_id="d-1", personalizations=data, content=None, subject=None)

    assert 202 == answer.status_code
    assert "Dear {{ name }}" == gateway.email(answer.headers["X-Message-Id"])["subject"]
    assert (400, ["personalizations.0.dynamic_template_data.name"]) == (
        lacking.status_code,
        [error["field"] for error in errors(lacking)],
    )
    assert (400, ["template_id"]) == (unknown.status_code, [error["field"] for error in errors(unknown)])


def test_a_thousand_messages(gateway: System) -> None:
    """All of a request's messages are committed together, or none of them."""
    before = len(stored(gateway))
    people = [{"to": [{"email": f"r{n}@example.org"}]} for n in range(1000)]
    broken = [*people[:999], {"to": [{"email": "r999@example.org"}], "subject": "a\nb"}]
    refused = posted(gateway, personalizations=broken)
    answer = posted(gateway, personalizations=people, content=[{"type": "text/html", "value": "x" * 15_000}])

    assert ["personalizations.999.subject"] == [error["field"] for error in errors(refused)]
    assert 202 == answer.status_code
    assert before + 1000 == len(stored(gateway))


FIELDS = {
    "recipient": ({"personalizations": [{"to": [{"email": "nonsense"}]}]}, "personalizations.0.to.0.email"),
    # The SDK for Python takes an address without @ for a name.
    "sender": ({"from": {"name": "nonsense"}}, "from.email"),
    "subject": ({"subject": None}, "subject"),
    "content": ({"content": [{"type": "text/calendar", "value": "x"}]}, "content.0.type"),
    "setting": (
        {"tracking_settings": {"click_tracking": {"enable": True}}},
        "tracking_settings.click_tracking",
    ),
}


@pytest.mark.parametrize(("changes", "field"), FIELDS.values(), ids=FIELDS)
def test_a_field_that_is_refused(gateway: System, changes: dict[str, Any], field: str) -> None:
    """It is a 400 that names the field as SendGrid does, and nothing is stored."""
    before = stored(gateway)
    answer = posted(gateway, **changes)
    (error,) = errors(answer)

    assert (400, field) == (answer.status_code, error["field"])
    assert error["message"].startswith(f"{field} ")
    assert before == stored(gateway)


def test_an_error_in_the_sdk(sdk: SendGridAPIClient) -> None:
    """The SDK raises its own class for a 400, with the errors in it."""
    with pytest.raises(exceptions.BadRequestsError) as caught:
        sdk.send(Mail("letters@example.com", "ann@example.org", "Hi"))
    caught.value.__cause__ = caught.value.__context__ = None  # urllib's, which holds an open file

    assert ["content"] == [error["field"] for error in caught.value.to_dict["errors"]]


def test_an_error_that_is_about_no_field(gateway: System) -> None:
    """Its field is null, whatever went wrong."""
    headers = {"Content-Type": "application/json"}
    client = gateway.client
    too_large = json.dumps({**MAIL, "subject": "x" * LIMIT}).encode()
    answers = [
        client.post("/v3/mail/send", content=b"{", headers=headers),
        client.post("/v3/mail/send", json=[]),
        client.post("/v3/mail/send", content=b"", headers={"Content-Type": "text/plain"}),
        client.post("/v3/mail/send", content=too_large, headers=headers),
        client.post("/v3/mail/sent", json={}),
        client.get("/v3/mail/send"),
    ]

    assert [400, 400, 415, 413, 404, 405] == [answer.status_code for answer in answers]
    assert [[None]] * 6 == [[error["field"] for error in errors(answer)] for answer in answers]
    assert "POST" == answers[-1].headers["Allow"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer nonsense", "Bearer SG.x.y", "Basic eDp5"]
)
def test_no_key(gateway: System, authorization: str | None) -> None:
    """Whether there is no key or a wrong one, SendGrid's words are the same."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.post(f"{gateway.client.base_url}/v3/mail/send", json=MAIL, headers=headers)

    assert 401 == answer.status_code
    assert [{"message": UNAUTHORIZED, "field": None, "help": None}] == errors(answer)


def test_a_key_that_may_not_send(gateway: System) -> None:
    """A key that may only read is no use here, and one that may send is."""
    keys = {
        name: gateway.create_key("--tenant", "default", "--permission", name)
        for name in ("read_access", "sending_access")
    }
    answers = {
        name: gateway.client.post("/v3/mail/send", json=MAIL, headers=gateway.headers(key))
        for name, key in keys.items()
    }

    assert 202 == answers["sending_access"].status_code
    assert 403 == answers["read_access"].status_code
    assert [{"message": "access forbidden", "field": None, "help": None}] == errors(answers["read_access"])


def test_a_sender_that_the_key_may_not_use(gateway: System) -> None:
    """It is a 403 that names where the sender stands, and nothing of the request is stored."""
    key = gateway.create_key("--tenant", "default", "--domain", "example.com")
    people = [
        {"to": [{"email": "ann@example.org"}], **own} for own in ({}, {"from": {"email": "x@example.net"}})
    ]
    before = stored(gateway)
    mail = {**MAIL, "personalizations": people}
    answer = gateway.client.post("/v3/mail/send", json=mail, headers=gateway.headers(key))

    assert (403, ["personalizations.1.from"]) == (
        answer.status_code,
        [error["field"] for error in errors(answer)],
    )
    assert before == stored(gateway)


def test_too_many_requests(gateway: System) -> None:
    """The limit is told under SendGrid's names as well, with the moment of its end in unix seconds."""
    key = gateway.create_key("--tenant", "default", "--rate", "1")
    answers = [
        gateway.client.post("/v3/mail/send", json=MAIL, headers=gateway.headers(key)) for _ in range(3)
    ]
    (answer,) = [answer for answer in answers if answer.status_code == 429][:1]
    headers = answer.headers

    assert 202 == answers[0].status_code
    assert [{"message": "too many requests", "field": None, "help": None}] == errors(answer)
    assert ("1", "0") == (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"])
    assert headers["ratelimit-limit"] == headers["X-RateLimit-Limit"]
    assert time.time() - 2 <= int(headers["X-RateLimit-Reset"]) <= time.time() + 3
    assert "Retry-After" in headers


def test_an_idempotency_key_means_nothing(gateway: System) -> None:
    """SDKs send a mail's own headers as headers of the request, so none of them has a meaning here."""
    before = len(stored(gateway))
    headers = {"Idempotency-Key": "x" * 1000, "X-Mail": "1"}
    answers = [gateway.client.post("/v3/mail/send", json=MAIL, headers=headers) for _ in range(2)]

    assert [202, 202] == [answer.status_code for answer in answers]
    assert before + 2 == len(stored(gateway))


def test_requests_side_by_side(gateway: System) -> None:
    """Requests that grow wait for one another, and all are accepted."""
    before = len(stored(gateway))
    people = [{"to": [{"email": f"r{n}@example.org"}], "substitutions": {"-n-": str(n)}} for n in range(20)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: posted(gateway, personalizations=people, subject="-n-"), range(24)))

    assert {202} == {answer.status_code for answer in answers}
    assert before + 24 * 20 == len(stored(gateway))


def written(response: web.Response) -> dict[str, Any]:
    """Read the body of an answer."""
    assert isinstance(response.body, bytes)
    body: dict[str, Any] = json.loads(response.body)
    return body


@pytest.mark.parametrize("problem", [kind.example for kind in KINDS.values()], ids=[*KINDS])
def test_every_problem_is_told_as_sendgrid_would(problem: Problem) -> None:
    """Each kind of problem has the shape, and a status that the SDKs have a class for."""
    response = respond(make_mocked_request("POST", "/v3/mail/send"), problem)
    body = written(response)

    assert response.status not in {409, 422} or problem.status == 409
    assert {"errors"} == set(body)
    assert body["errors"]
    for error in body["errors"]:
        assert {"message", "field", "help"} == set(error)
        assert error["message"]
    assert problem.headers.items() <= response.headers.items()
    assert "application/json" == response.headers["Content-Type"]


def test_a_request_whose_fate_is_unknown() -> None:
    """A 503 after which the messages may exist names the first of them where the 202 does."""
    message_id = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")
    request = make_mocked_request("POST", "/v3/mail/send")
    doubtful = respond(request, problems.unavailable(2, message_id=message_id))
    plain = respond(request, problems.unavailable(2))

    assert str(message_id) == doubtful.headers["X-Message-Id"]
    assert "X-Message-Id" not in plain.headers
    assert "2" == doubtful.headers["Retry-After"]


def test_a_pointer_becomes_a_path() -> None:
    """The parts of a JSON pointer are joined by dots, and have their own characters back."""
    problem = problems.invalid_fields([FieldError("/a/0/b~1c~0d", "is bad"), FieldError("", "is odd")])
    response = respond(make_mocked_request("POST", "/v3/mail/send"), problem)

    assert [
        {"message": "a.0.b/c~d is bad", "field": "a.0.b/c~d", "help": None},
        {"message": "The body is odd", "field": None, "help": None},
    ] == written(response)["errors"]


def test_other_paths_speak_as_before(gateway: System) -> None:
    """Below other paths errors keep their own shape."""
    answer = gateway.client.get("/v3")

    assert (404, "not_found") == (answer.status_code, answer.json()["name"])


def test_nothing_made_it_crash(gateway: System) -> None:
    """After all of the above no request of this module ended in a 5xx."""
    assert posted(gateway).status_code == 202
    assert "request.crashed" not in gateway.gateway.log()
    assert '"status": 5' not in gateway.gateway.log()
