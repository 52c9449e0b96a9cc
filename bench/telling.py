"""What SendGrid tells of messages: calls of a hundred events, signed, to be sent as fast as they are taken.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench import caller
from bench.caller import Call
from bench.contest import Contender, Measure
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.result import Measurement
from bench.stage import Stage
from bench.waiting import wait

ACCEPTED = "events/s"
RECORDED = "recorded/s"

_CALL = 100
_MESSAGES = 2_000
_STORY = ("processed", "delivered", "open", "click")
_CONNECTIONS = 8
_KEYS = "sendgrid:"


def told(name: str, events: int) -> Contender:
    """Give the gateway that is told so many events, of messages that it knows."""

    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        box = stage.pillarbox
        yield lambda: _measure(box, events * stage.scale)

    return Contender(name, open_)


def _measure(box: Pillarbox, count: int) -> Measurement:
    box.reset()
    messages = list(box.fill(_MESSAGES).posted)
    box.start_mailers()
    box.wait_until_sent(len(messages))
    box.stop_mailers()
    calls = list(_calls(messages, count, box.events_key))
    called = caller.send(f"{box.url}/provider-events/sendgrid", calls, connections=_CONNECTIONS, expected=200)
    accepted = called.answered * _CALL
    lag = wait(lambda: _events(box) >= accepted, f"{accepted} events to be recorded")
    account = Account(accepted, called.errors, ledger=_events(box))
    figures = {ACCEPTED: accepted / called.seconds, RECORDED: accepted / (called.seconds + lag)}
    return Measurement(figures=figures, problems=account.problems())


def _events(box: Pillarbox) -> int:
    """Those of the provider that are recorded: the mailer's own are keyed otherwise."""
    query = f"SELECT count(*) FROM events WHERE key LIKE '{_KEYS}%'"  # noqa: S608 - text of ours
    return int(box.postgresql.execute(query, box.system.ledger_url))


def _calls(messages: Sequence[str], count: int, key: ec.EllipticCurvePrivateKey) -> Iterator[Call]:
    """Tell of each message in turn; where there are more events than stories hold, it is opened again."""
    now = int(time.time())
    events = (
        {
            "email": f"user{number % len(messages)}@recipients.example.org",
            "timestamp": now,
            "event": _STORY[min(number // len(messages), len(_STORY) - 1)],
            "sg_event_id": f"event-{number}",
            "sg_message_id": f"bench-{number}.filter",
            "message_id": messages[number % len(messages)],
            "ip": "192.0.2.1",
            "useragent": "Mozilla/5.0 (X11; Linux x86_64)",
        }
        for number in range(count)
    )
    for _ in range(0, count, _CALL):
        body = json.dumps(list(islice(events, _CALL))).encode()
        signature = key.sign(str(now).encode() + body, ec.ECDSA(hashes.SHA256()))
        yield Call(
            body,
            {
                "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
                "X-Twilio-Email-Event-Webhook-Timestamp": str(now),
            },
        )
