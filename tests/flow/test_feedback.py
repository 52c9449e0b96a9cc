"""What providers tell of messages, by the thousand: nothing is lost, nothing moves back, mail goes on."""

from __future__ import annotations

import base64
import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes import FakeSendGrid
from tests.flow.behind import KEY, behind, post_many, wait_until_all_ended
from tests.flow.conftest import build
from tests.flow.system import EMAIL, System, until

CALL = 1000  # events; as many as the gateway takes in one
STATUS = {"delivered": "delivered", "bounce": "bounced", "spamreport": "complained", "processed": "sent"}
STORIES = (
    ("processed", "delivered", "open", "click"),
    ("processed", "delivered"),
    ("processed", "deferred", "deferred", "delivered", "open"),
    ("processed", "deferred", "bounce"),
    ("processed", "delivered", "spamreport"),
    ("processed",),
)
"""What becomes of messages, in turn; the status is that of the word furthest to the right in ``STATUS``."""
FURTHEST = ("processed", "delivered", "bounce", "spamreport")


@dataclass(slots=True)
class EventWebhook:
    """SendGrid's side of it: signs calls, and repeats them until they are answered 2xx."""

    system: System
    key: ec.EllipticCurvePrivateKey
    failures: int = 0

    def post(self, events: list[dict[str, Any]]) -> None:
        """One call, as often as it takes."""
        self.send(*self.signed(events))

    def signed(self, events: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
        """The body of a call, and its headers."""
        body = json.dumps(events).encode()
        timestamp = str(int(time.time()))
        signature = self.key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "Content-Type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }

    def send(self, body: bytes, headers: dict[str, str]) -> None:
        """Post it until it is taken."""
        url = f"http://127.0.0.1:{self.system.port}/provider-events/sendgrid"
        while True:
            try:
                status = httpx.post(url, content=body, headers=headers, timeout=30).status_code
            except httpx.TransportError:
                status = 0
            if status == 200:
                return
            assert status in {0, 503}, status
            self.failures += 1
            time.sleep(0.2)


@dataclass(slots=True)
class Caller:
    """Sends e-mails, a few in a second, and notes how long each answer takes."""

    system: System
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until it is told to stop."""
        with httpx.Client(base_url=str(self.system.client.base_url), headers=self.system.headers()) as client:
            while not self._stop.wait(0.02):
                begun = time.perf_counter()
                try:
                    answer = client.post("/emails", json=EMAIL, timeout=10)
                except httpx.TransportError:
                    self.refused += 1  # the gateway was killed: no latency, and not what is looked at here
                    continue
                assert answer.status_code == 202, answer.text
                self.seconds.append(time.perf_counter() - begun)

    def during(self, work: Callable[[], object]) -> list[float]:
        """Send while *work* is done, and return what was noted meanwhile."""
        self.seconds = []
        self._stop.clear()
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            work()
        finally:
            self._stop.set()
            thread.join()
        return self.seconds


def told_of(message_id: str, number: int) -> list[dict[str, Any]]:
    """The events of one message, in the order of their happening."""
    return [
        {
            "email": f"user{number}@recipients.example.org",
            "timestamp": 1_767_225_600 + step,
            "event": word,
            "sg_event_id": f"{number}-{step}",
            "sg_message_id": f"m{number}.filter",
            "message_id": message_id,
            **({"type": "bounce", "reason": "550 unknown"} if word == "bounce" else {}),
        }
        for step, word in enumerate(STORIES[number % len(STORIES)])
    ]


def expected(number: int) -> str:
    """The status that a message comes to."""
    return STATUS[
        max((word for word in STORIES[number % len(STORIES)] if word in STATUS), key=FURTHEST.index)
    ]


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[System, EventWebhook]]:
    """A system in production's clothes behind a SendGrid that signs what it tells."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with FakeSendGrid(api_key=KEY).in_thread() as fake:
        settings = {
            **behind(fake),
            "PILLARBOX_PROVIDER_EVENTS__SENDGRID__PUBLIC_KEYS": base64.b64encode(public).decode(),
        }
        with build(request, "rabbitmq-postgresql", tmp_path, settings) as system:
            system.start()
            system.wait_for(system.accept(), "sent")
            yield system, EventWebhook(system, key)


def calls_of(events: list[dict[str, Any]], size: int = CALL) -> list[list[dict[str, Any]]]:
    """Calls with so many events each."""
    return [events[start : start + size] for start in range(0, len(events), size)]


@pytest.mark.parametrize(
    ("messages", "events", "size"),
    [
        (100, 3_000, 250),
        pytest.param(5_000, 100_000, CALL, marks=[pytest.mark.soak, pytest.mark.timeout(1200)]),
    ],
)
def test_a_flood_of_feedback_ends_in_the_right_state(
    system: tuple[System, EventWebhook], messages: int, events: int, size: int
) -> None:
    """Doubled, out of order, and through two ends of the gateway: every event is kept, once."""
    box, sendgrid = system
    ids = post_many(box, messages)
    wait_until_all_ended(box, messages + 1, 60 + messages / 50)
    once = [event for number, message_id in enumerate(ids) for event in told_of(message_id, number)]
    every = once * (events // len(once)) + once[: events % len(once)]
    random.Random(5).shuffle(every)
    calls = calls_of(every, size)
    kills = {len(calls) // 3, 2 * len(calls) // 3}

    def flood() -> None:
        for number, call in enumerate(calls):
            if number in kills:
                threading.Timer(0.05, _kill_and_start, [box]).start()
            sendgrid.post(call)

    flood()
    box.wait_until_ready()
    kept = until(lambda: _kept(box, ids, len(once)), 60 + events / 1000, "all events to be recorded")

    assert sendgrid.failures > 0
    assert {"told": len(once)} == kept
    assert [expected(number) for number in range(messages)] == [box.email(one)["status"] for one in ids]


def _kill_and_start(box: System) -> None:
    box.gateway.kill()
    box.gateway.start()


def _kept(box: System, ids: list[str], count: int) -> dict[str, int] | None:
    told = sum(
        event["actor"] != "gateway" and event["actor"] != "mailer" for one in ids for event in box.events(one)
    )
    return {"told": told} if told >= count else None


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_mail_is_accepted_as_fast_as_ever(system: tuple[System, EventWebhook]) -> None:
    """While 100,000 events come in, half of the callers wait at most 1.5 times as long as otherwise."""
    box, sendgrid = system
    ids = post_many(box, 1_000)
    wait_until_all_ended(box, 1_001, 90)
    once = [event for number, message_id in enumerate(ids) for event in told_of(message_id, number)]
    every = [
        event | {"sg_event_id": f"{turn}-{event['sg_event_id']}"} for turn in range(30) for event in once
    ]
    caller = Caller(box)
    quiet = caller.during(lambda: time.sleep(20))
    calls = [sendgrid.signed(call) for call in calls_of(every[:100_000])]  # the caller shares this processor

    def flood() -> None:
        for call in calls:
            sendgrid.send(*call)

    flooded = caller.during(flood)

    assert not caller.refused
    assert statistics.median(flooded) <= 1.5 * statistics.median(quiet)
