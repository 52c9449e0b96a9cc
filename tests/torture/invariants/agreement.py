"""I4 and I10: what we say is what the providers know, and what was said once stays said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.torture.evidence import AT_REST, Evidence


def status_agrees(evidence: Evidence) -> Iterator[str]:
    """Status, the provider's id, the number of attempts and the lists fit the providers' records."""
    asked = Counter(
        message_id
        for entries in evidence.requests.values()
        for entry in entries
        for message_id in entry.message_ids
        if entry.searched_for is None and not entry.throttled
    )
    for message_id, email in evidence.emails.items():
        taken = evidence.taken.get(message_id, [])
        status = email["status"]
        if status == "sent" and not taken:
            yield f"{message_id} is sent, and no provider has it"
        if taken and status not in ("sent", "held"):
            yield f"{message_id} is {status}, and a provider has it"
        theirs = {one.entry.provider_message_id for one in taken}
        if status == "sent" and taken and email["provider_message_id"] not in theirs:
            yield f"{message_id} is known as {email['provider_message_id']}, the provider says {theirs}"
        if asked[message_id] > email["attempts"]:
            yield f"{message_id} was tried {asked[message_id]} times, we say {email['attempts']}"
        if listed := evidence.listed.get(message_id):
            if listed["status"] != status:
                yield f"{message_id} is {status}, and {listed['status']} in the list"
        else:
            yield f"{message_id} is in no list"


def history_is_sound(evidence: Evidence) -> Iterator[str]:
    """A message is accepted once and sent once, and its state is that of what it has come to."""
    for message_id, events in evidence.timelines.items():
        words = Counter(event["event"] for event in events)
        if words["accepted"] != 1:
            yield f"{message_id} was accepted {words['accepted']} times"
        if words["sent"] > 1:
            yield f"{message_id} has {words['sent']} events that say it was sent"
        status = evidence.emails[message_id]["status"]
        if words["sent"] and status in AT_REST - {"sent"}:
            yield f"{message_id} was sent, and is {status}"


def history_stays(before: Evidence, after: Evidence) -> Iterator[str]:
    """What stood in a timeline stands there after a cold restart, too."""
    for message_id, events in before.timelines.items():
        later = {(e["event"], e["at"], e["attempt"]) for e in after.timelines.get(message_id, [])}
        for event in events:
            if (event["event"], event["at"], event["attempt"]) not in later:
                yield f"{message_id}: the event {event['event']} of attempt {event['attempt']} is gone"
    for message_id, email in before.emails.items():
        if email["status"] not in AT_REST:
            continue  # told by I1; it went on, as it should
        now = after.emails.get(message_id)
        if now is None or (now["status"] != email["status"]):
            yield f"{message_id} was {email['status']}, and is {now and now['status']} after the restart"
