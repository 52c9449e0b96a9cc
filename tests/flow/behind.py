"""Systems that deliver through a fake of any provider, or through several."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.fakes import Fake
from tests.flow.system import FINAL, System, until
from tests.mailer.made import ARGUMENTS, KEY

AT_A_TIME = 100


def account(fake: Fake, name: str | None = None, **more: Any) -> dict[str, str]:
    """The settings of an account at a fake, called after its provider if it has no name of its own."""
    name = name or fake.kind
    fields = {"kind": fake.kind, **ARGUMENTS[fake.kind](fake.base_url), **more}
    return {
        f"PILLARBOX_PROVIDERS__{name.upper()}__{field.upper()}": str(value)
        for field, value in fields.items()
        if value is not None
    }


def behind(*fakes: Fake, **more: Any) -> dict[str, str]:
    """The settings of a mailer that delivers through these fakes, in this order."""
    settings = {"PILLARBOX_PROVIDER": ",".join(fake.kind for fake in fakes)}
    for fake in fakes:
        settings |= account(fake, **more)
    return settings


def post_many(system: System, count: int, **fields: Any) -> list[str]:
    """POST so many e-mails, a hundred to a request, and return their ids."""
    ids: list[str] = []
    while len(ids) < count:
        batch = [
            {
                "from": "Shop <shop@example.com>",
                "to": f"user{len(ids) + number}@recipients.example.org",
                "subject": "Hello",
                "text": "It works.",
                **fields,
            }
            for number in range(min(AT_A_TIME, count - len(ids)))
        ]
        response = system.client.post("/emails/batch", json=batch)
        assert response.status_code == 202, response.text
        ids += [item["id"] for item in response.json()["data"]]
    return ids


def statuses(system: System) -> Counter[str]:
    """How many messages have which status, by way of the list."""
    counts: Counter[str] = Counter()
    after = ""
    while True:
        page = system.client.get(f"/emails?limit=100{after}").json()
        counts.update(email["status"] for email in page["data"])
        if not page["has_more"]:
            return counts
        after = f"&after={page['data'][-1]['id']}"


def wait_until_all_ended(system: System, count: int, seconds: float) -> Counter[str]:
    """Wait until so many messages have come to an end, and return how they ended."""

    def look() -> Counter[str] | None:
        counts = statuses(system)
        return counts if sum(counts[status] for status in FINAL) >= count else None

    return until(look, seconds, f"{count} messages to end")


def doubled(fake: Fake) -> list[str]:
    """Messages that the fake took more often than its own lost answers account for."""
    taken = Counter(entry.message_id for entry in fake.record)
    in_doubt = Counter(entry.message_id for entry in fake.record if entry.ambiguous)
    return [str(message_id) for message_id, n in taken.items() if n - 1 > in_doubt[message_id]]


__all__ = ["KEY", "account", "behind", "doubled", "post_many", "statuses", "wait_until_all_ended"]
