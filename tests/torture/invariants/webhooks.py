"""I14: tenants are told of what happened, verifiably, and of nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from tests.torture.evidence import Evidence
from tests.torture.sink import Posted


def tenants_are_told(evidence: Evidence) -> Iterator[str]:
    """Each end of a message has its event, each event that counts as told was posted, and signed."""
    for tenant, events in evidence.webhook_events.items():
        told = Counter(event["email_id"] for event in events if event["type"] == "email.sent")
        for message_id, email in evidence.listed.items():
            if email["tenant"] == tenant and email["status"] == "sent" and told[message_id] != 1:
                yield f"{message_id} is sent, and {tenant} has {told[message_id]} events for it"
        yield from (f"{tenant}'s event {e['id']} was given up" for e in events if e["status"] == "failed")
    yield from _posts(evidence)


def _posts(evidence: Evidence) -> Iterator[str]:
    """What counts as told was posted, and what was posted is an event."""
    events = {event["id"]: event for several in evidence.webhook_events.values() for event in several}
    posted: defaultdict[str, list[Posted]] = defaultdict(list)
    for one in evidence.posted:
        posted[one.headers.get("webhook-id", "")].append(one)
    for webhook_id, event in events.items():
        if event["status"] == "success" and webhook_id not in posted:
            yield f"the event {webhook_id} counts as told, and was never posted"
    for webhook_id, several in posted.items():
        if webhook_id not in events:
            yield f"{webhook_id} was posted, and is no event"
        if len({one.body for one in several}) > 1:
            yield f"{webhook_id} was posted with different words"
        if not _is_signed(evidence, several[0]):
            yield f"{webhook_id} has no valid signature"


def _is_signed(evidence: Evidence, one: Posted) -> bool:
    """Whether the signature is right; the time in it may be that of a mailer whose clock jumped."""
    secret = evidence.webhooks[one.tenant]["signing_secret"]
    stamp = datetime.fromtimestamp(float(one.headers["webhook-timestamp"]), UTC)
    signature = Webhook(secret).sign(one.headers["webhook-id"], stamp, one.body.decode())
    return signature in one.headers["webhook-signature"].split()
