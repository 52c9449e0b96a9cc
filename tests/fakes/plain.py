"""A dialect without quirks, for what the base does: keys, batches, searches, limits and forms.

``POST /send`` takes ``{"id": …}``, a list of them, or a form with the field ``id``; a message with
``"bad": true`` is refused.  ``GET /search?id=…`` lists what was accepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.fakes.bucket import Bucket
from tests.fakes.dialect import Call, Fate, Verdict, at, spoken
from tests.fakes.entry import Entry
from tests.fakes.esp import FakeESP
from tests.fakes.keys import Keys


class Plain(FakeESP):
    """Answers 200 with ``{"id": …}``, or with a list of ids in which null stands for a refusal."""

    kind: ClassVar[str] = "plain"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.keys = Keys(conflict=self.refusal(409), busy=self.refusal(423))

    def judge(self, call: Call) -> Verdict:
        if call.path != "/send" or call.payload is None:
            return self.refusal(404)
        if isinstance(call.payload, list):
            fates = tuple(
                Fate(
                    accepted=not at(each, "bad") and place not in call.refused,
                    provider_message_id=f"p-{place}",
                )
                for place, each in enumerate(call.payload)
            )
            said = [fate.provider_message_id if fate.accepted else None for fate in fates]
            return Verdict(200, spoken(said), fates=fates)
        if at(call.payload, "bad"):
            return self.refusal(400)
        return Verdict(200, spoken({"id": "p-1"}), accepted=True, provider_message_id="p-1")

    def refusal(self, status: int) -> Verdict:
        return Verdict(status, spoken({"error": status}), {"X-RateLimit-Reset": "7"} if status == 429 else {})

    def message_id(self, payload: Any) -> str | None:
        found = at(payload, "id", 0) or at(payload, "id")
        return found if isinstance(found, str) else None

    def members(self, call: Call) -> Sequence[tuple[str | None, Any]]:
        return [(at(each, "id"), each) for each in call.payload] if isinstance(call.payload, list) else ()

    def summary(self, payload: Any) -> str:
        return str(payload)

    def key(self, call: Call) -> str | None:
        return call.headers.get("idempotency-key")

    def searched_for(self, call: Call) -> str | None:
        return call.query.get("id", [""])[0] if call.path == "/search" else None

    def found(self, call: Call, messages: tuple[Entry, ...]) -> Verdict:
        if call.method != "GET":
            return self.refusal(405)
        return Verdict(200, spoken([message.provider_message_id for message in messages]))

    def rate_headers(self, limit: Bucket) -> Mapping[str, str]:
        return {"X-RateLimit-Limit": f"{limit.rate:g}", "X-RateLimit-Remaining": str(limit.remaining)}
