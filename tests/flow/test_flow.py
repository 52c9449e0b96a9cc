"""One e-mail from the HTTP call to the provider, on every pair of broker and database."""

from __future__ import annotations

import base64
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes import faults
from tests.fakes.entry import Entry
from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import BIN, EMAIL, ROOT, System, until

CANARY = "canary.recipient@example.org"


def requests_for(fake: FakeSendGrid, message_id: str) -> list[Entry]:
    """What the provider saw of one message."""
    return [entry for entry in fake.requests if entry.message_id == message_id]


def test_one_post_ends_as_exactly_one_request(running: System, sendgrid: FakeSendGrid) -> None:
    """An accepted e-mail reaches the provider once, and the ledger knows it as the provider does."""
    message_id = running.accept()
    email = running.wait_for(message_id, "sent")
    seen = requests_for(sendgrid, message_id)

    assert 1 == len(seen)
    assert seen[0].provider_message_id == email["provider_message_id"]
    assert ("sendgrid", 1, "sent") == (email["provider"], email["attempts"], email["last_event"])


def test_the_provider_gets_what_the_caller_wrote(running: System, sendgrid: FakeSendGrid) -> None:
    """Recipients, bodies, headers, tags, metadata and attachments arrive unchanged."""
    content = base64.b64encode(bytes(range(256))).decode()
    body = {
        "from": "Café <café@example.com>".replace("café@", "cafe@"),
        "to": ["Jöão <joao@example.com>", "b@example.com"],
        "cc": "c@example.com",
        "bcc": ["d@example.com"],
        "reply_to": "reply@example.com",
        "subject": "Grüße 🎉",
        "text": "plain",
        "html": "<p>häppy</p>",
        "headers": {"X-Campaign": "one"},
        "tags": [{"name": "kind", "value": "welcome"}],
        "metadata": {"order": "42"},
        "attachments": [{"filename": "a.bin", "content": content}],
    }
    message_id = running.accept(body)
    running.wait_for(message_id, "sent")
    payload = requests_for(sendgrid, message_id)[0].payload
    people = payload["personalizations"][0]

    assert [{"email": "joao@example.com", "name": "Jöão"}, {"email": "b@example.com"}] == people["to"]
    assert [{"email": "c@example.com"}] == people["cc"]
    assert [{"email": "d@example.com"}] == people["bcc"]
    assert {"email": "cafe@example.com", "name": "Café"} == payload["from"]
    assert "Grüße 🎉" == payload["subject"]
    assert ["plain", "<p>häppy</p>"] == [part["value"] for part in payload["content"]]
    assert content == payload["attachments"][0]["content"]
    assert "one" == payload["headers"]["X-Campaign"]


def test_the_timeline_tells_the_story(running: System) -> None:
    """A message that goes well is accepted, queued, sending, sent."""
    message_id = running.accept()
    running.wait_for(message_id, "sent")

    story = [word for word in running.words(message_id) if word != "unroutable"]
    assert ["accepted", "queued", "sending", "sent"] == story


def test_a_welcome_email_is_rendered_by_the_mailer(running: System, sendgrid: FakeSendGrid) -> None:
    """POST /welcome-emails takes nothing but an address."""
    message_id = running.accept({"email": "new@example.com"}, "/welcome-emails")
    running.wait_for(message_id, "sent")
    payload = requests_for(sendgrid, message_id)[0].payload

    assert "Welcome to Pillarbox" == payload["subject"]
    assert [{"email": "new@example.com"}] == payload["personalizations"][0]["to"]


def test_the_task_can_be_called_from_python(running: System, sendgrid: FakeSendGrid) -> None:
    """send_welcome_email.delay(address) delivers, past the gateway, under the Celery task id."""
    program = (
        "from services.mailer.worker import send_welcome_email;"
        "print(send_welcome_email.delay('joao@example.com').id)"
    )
    result = subprocess.run(
        [str(BIN / "python"), "-c", program],
        env=running.mailers[0].environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    task_id = result.stdout.strip()

    assert 1 == len(until(lambda: requests_for(sendgrid, task_id), 20, "the provider's request"))


def test_a_throttled_message_waits_as_long_as_the_provider_asks(
    running: System,
    sendgrid: FakeSendGrid,
) -> None:
    """After 429 with Retry-After: 2 the same message comes again, not before 2 s."""
    sendgrid.script(faults.refuse(429, headers={"Retry-After": "2"}))
    message_id = running.accept()
    running.wait_for(message_id, "sent")
    first, second = requests_for(sendgrid, message_id)

    assert 2.0 <= second.arrived - first.arrived < 8
    assert (False, True) == (first.accepted, second.accepted)
    assert ["sending", "deferred", "sending", "sent"] == running.words(message_id)[-4:]


def test_a_refused_message_fails_with_a_reason(running: System, sendgrid: FakeSendGrid) -> None:
    """A 400 of the provider ends the message, and says why."""
    sendgrid.script(faults.refuse(400))
    email = running.wait_for(running.accept(), "failed")

    assert 1 == email["attempts"]
    assert "400" in email["reason"]


def test_no_log_names_a_recipient_or_a_secret(running: System, sendgrid: FakeSendGrid) -> None:
    """Addresses, contents and keys stay out of every log line, whatever the provider echoes."""
    echo = b'{"errors":[{"message":"%s does not exist","field":"to"}]}' % CANARY.encode()
    sendgrid.script(faults.refuse(400, echo))
    body = {**EMAIL, "to": CANARY, "subject": "canary subject", "text": "canary text"}
    running.wait_for(running.accept(body), "failed")
    running.wait_for(running.accept(body), "sent")
    logs = running.logs()

    assert [] == [line for line in logs.splitlines() if "canary" in line]


def test_the_openapi_description_is_served(running: System) -> None:
    """GET /openapi.json describes the API that answers."""
    paths = running.client.get("/openapi.json").json()["paths"]

    assert {"/emails", "/welcome-emails", "/emails/{id}", "/emails/{id}/events"} <= set(paths)


def test_an_unknown_id_is_not_found(running: System) -> None:
    """A message that never was, and an id that is none, are answered 404."""
    paths = [f"/emails/{name}" for name in ("01a20445-5769-75a9-8d4b-0b1e6846ad17", "nonsense")]

    assert [404, 404] == [running.client.get(path).status_code for path in paths]


def test_probes_answer(running: System) -> None:
    """Liveness and readiness are green while all is well."""
    until(lambda: running.client.get("/readyz").json()["broker"] == "ok", 10, "the broker's link")

    assert [200, 200] == [running.client.get(path).status_code for path in ("/healthz", "/readyz")]


@pytest.mark.usefixtures("running")
def test_nothing_of_all_this_was_sent_twice(sendgrid: FakeSendGrid) -> None:
    """A while later the provider has taken every message of this module once."""
    time.sleep(3)
    taken = Counter(entry.message_id for entry in sendgrid.record)

    assert {1} == set(taken.values())


def test_what_expires_in_the_queue_is_never_sent(running: System, sendgrid: FakeSendGrid) -> None:
    """The mailer ends it."""
    (mailer,) = running.mailers
    mailer.stop()
    message_id = running.accept({**EMAIL, "expires_at": _in(1.5)})
    time.sleep(2)
    mailer.start()

    running.wait_for(message_id, "expired", 60)

    assert not [entry for entry in sendgrid.requests if entry.message_id == message_id]


def test_a_scheduled_message_is_delivered(running: System) -> None:
    """Its way from then on is that of every other message."""
    message_id = running.accept({**EMAIL, "scheduled_at": _in(1)})

    sent = running.wait_for(message_id, "sent", 30)

    assert sent["scheduled_at"] is not None
    assert ["accepted", "scheduled", "queued", "sending", "sent"] == running.words(message_id)


def test_a_template_is_rendered_by_the_mailer(running: System, sendgrid: FakeSendGrid) -> None:
    """HTML is escaped, subject and text are not, and what was published counts."""
    template = {
        "name": "Welcome",
        "alias": "welcome",
        "from": "Shop <shop@example.com>",
        "subject": "Hi {{{NAME}}}",
        "html": "<p>{{{NAME}}} & co</p>",
        "text": "Dear {{ NAME }}, {{ PLACE }}",
        "variables": [{"key": "PLACE", "type": "string", "fallback_value": "here"}],
    }
    assert running.client.post("/templates", json=template).is_success
    assert running.client.post("/templates/welcome/publish").is_success
    assert running.client.patch("/templates/welcome", json={"subject": "A draft"}).is_success
    use = {"id": "welcome", "variables": {"NAME": "Ann <b>"}}

    message_id = running.accept({"to": "ann@example.org", "template": use})
    running.wait_for(message_id, "sent", 30)
    (sent,) = [entry for entry in sendgrid.record if entry.message_id == message_id]
    contents = [part["value"] for part in sent.payload["content"]]

    assert "Hi Ann <b>" == sent.payload["subject"]
    assert ["Dear Ann <b>, here", "<p>Ann &lt;b&gt; & co</p>"] == contents


def test_a_template_that_cannot_be_rendered_fails_its_message(running: System) -> None:
    """With the place and the variable's name, and none of its data."""
    template = {"name": "Bad", "alias": "bad", "from": "a@example.com", "subject": "Hi", "text": "\n{{ it }}"}
    assert running.client.post("/templates", json=template).is_success
    assert running.client.post("/templates/bad/publish").is_success

    message_id = running.accept(
        {"to": "a@example.org", "template": {"id": "bad", "variables": {"it": ["canary"]}}}
    )
    failed = running.wait_for(message_id, "failed", 30)

    assert failed["reason"].startswith("template_failed: text, line 2: ")
    assert "canary" not in failed["reason"] + running.logs()


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
