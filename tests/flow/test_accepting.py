"""Promises about accepting that only whole systems can keep: several gateways, and the hour that strikes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx

from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import EMAIL, System, until
from tests.servers.server import free_port

LATEST = 2.0
"""Seconds that a scheduled message may be late."""


def moment(seconds: float) -> datetime:
    """So many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_fifty_calls_at_two_gateways_are_one_message(production: System, sendgrid: FakeSendGrid) -> None:
    """Whichever gateway commits first decides, and every caller is told that one id in the end."""
    production.start()
    second = production.add_gateway(port := free_port())
    bases = (str(production.client.base_url), f"http://127.0.0.1:{port}")
    until(lambda: _answers(bases[1]), 30, "the second gateway")
    body = {**EMAIL, "subject": "Once"}

    def post(number: int) -> tuple[int, str | None]:
        headers = {**production.headers(), "Idempotency-Key": "fifty at once"}
        for _ in range(100):
            answer = httpx.post(f"{bases[number % 2]}/emails", json=body, headers=headers, timeout=10)
            if answer.status_code != 409:
                return answer.status_code, answer.json().get("id")
            assert answer.json()["name"] == "concurrent_idempotent_requests"
            time.sleep(0.1)
        return 409, None

    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(post, range(50)))
    ((status, message_id),) = answers
    assert message_id is not None
    production.wait_for(message_id, "sent")
    second.stop()

    assert 202 == status
    assert 1 == _count(production, "sent")
    assert 1 == sum(entry.message_id == message_id for entry in sendgrid.requests)


def test_scheduled_messages_leave_on_time(production: System) -> None:
    """A thousand each second: none before its time, none more than two seconds after it."""
    production.start()
    production.wait_for(production.accept(), "sent")
    production.mailers[0].stop()  # its queues stay
    start = moment(8)
    moments = [start + timedelta(seconds=second) for second in range(3)]
    ids = {}
    for at in moments:
        batch = [{**EMAIL, "scheduled_at": at.isoformat()}] * 1000
        answer = production.client.post("/emails/batch", json=batch, timeout=30)
        assert answer.status_code == 202, answer.text
        ids[at] = [item["id"] for item in answer.json()["data"]]
    assert datetime.now(UTC) < start, "this machine is too slow for the test"
    every = [message_id for batch in ids.values() for message_id in batch]
    until(lambda: _count(production, "scheduled") == 0, 40, "all of them to be released")

    late = [_queued(production, message_id) - at for at, batch in ids.items() for message_id in batch[::50]]

    assert len(every) == _count(production, "queued")
    assert timedelta(0) <= min(late)
    assert timedelta(seconds=LATEST) >= max(late)


def test_what_expires_while_it_waits_is_never_sent(production: System) -> None:
    """Without a mailer there is no queue to hand it to; the gateway ends it."""
    production.start(mailers=0)
    message_id = production.accept({**EMAIL, "expires_at": moment(2).isoformat()})

    production.wait_for(message_id, "expired", 15)

    assert "expired" == production.words(message_id)[-1]


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _count(system: System, status: str) -> int:
    seen, after = 0, None
    while True:
        query = {"status": status, "limit": "100"} | ({"after": after} if after else {})
        page = system.client.get("/emails", params=query).json()
        seen += len(page["data"])
        if not page["has_more"]:
            return seen
        after = page["data"][-1]["id"]


def _queued(system: System, message_id: str) -> datetime:
    (at,) = [event["at"] for event in system.events(message_id) if event["event"] == "queued"]
    return datetime.fromisoformat(at)
