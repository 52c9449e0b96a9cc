"""I3: nothing is sent twice, but where nobody could have known better and the sender allowed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.fakes.entry import Entry
from tests.torture.evidence import Evidence, Taken

_LEASE = {"quick": 9.0, "production": 45.0}
_SLACK = 3.0


def no_doubles(evidence: Evidence) -> Iterator[str]:
    """What may be there twice depends on what the provider offers, and on ``on_uncertain``."""
    for message_id, several in evidence.taken.items():
        if len(several) > 1:
            excused = _excused(evidence, message_id, several)
            if len(several) - 1 > excused:
                yield (
                    f"{message_id} was taken {len(several)} times ({_told(several)}), "
                    f"and {excused} repetitions can be excused"
                )
    if evidence.plan.profile == "idempotent":
        yield from _second_keys(evidence)
    if evidence.plan.profile == "none":
        yield from _more_than_doubtful(evidence)


def _excused(evidence: Evidence, message_id: str, several: Sequence[Taken]) -> int:
    match evidence.plan.profile:
        case "idempotent":
            return 0
        case "search":
            return sum(_search_was_blind(evidence, message_id, one) for one in several[:-1])
        case "none" if evidence.plan.on_uncertain == "hold":
            return 0
        case _:
            return sum(_in_doubt(evidence, one) for one in several[:-1])


def _in_doubt(evidence: Evidence, one: Taken) -> bool:
    """Whether the mailer could not know, or could not write down, that the provider had taken it.

    What the provider did, its fake knows.  That the mailer died, or slept, or could not reach its claims
    until its lease was over, or that the answer vanished on its way, the fake does not know.
    """
    until = one.at + _LEASE[evidence.plan.pace] + _SLACK
    return one.entry.ambiguous or any(
        evidence.disturbed(one.at - _SLACK, until, what=what) for what in ("attempts", "claims")
    )


def _search_was_blind(evidence: Evidence, message_id: str, one: Taken) -> bool:
    """Whether a search before the acceptance said, truly, that nothing was there yet."""
    return any(
        entry.searched_for == message_id and entry.arrived < one.at
        for entry in evidence.requests[one.account]
    )


def _more_than_doubtful(evidence: Evidence) -> Iterator[str]:
    """On the whole, what is sent again is no more than what the providers themselves count as doubtful."""
    repeated = sum(len(several) - 1 for several in evidence.taken.values())
    if repeated > evidence.doubtful:
        yield f"{repeated} were taken once more, and the providers themselves doubt {evidence.doubtful}"


def _second_keys(evidence: Evidence) -> Iterator[str]:
    """A message has one idempotency key, however often it is tried."""
    keys: dict[str, set[str]] = {}
    for entries in evidence.requests.values():
        for entry in entries:
            if entry.message_id and (key := entry.headers.get("idempotency-key")):
                keys.setdefault(entry.message_id, set()).add(key)
    for message_id, several in keys.items():
        if len(several) > 1:
            yield f"{message_id} was tried with {len(several)} keys"


def _told(several: Sequence[Taken]) -> str:
    gaps = [f"{later.at - one.at:.1f} s" for one, later in pairwise(several)]
    treated = [_treated(one.entry) for one in several]
    return f"{', '.join(treated)}; {', '.join(gaps)} apart"


def _treated(entry: Entry) -> str:
    return f"{entry.fault or 'usual'}{'' if entry.answered else ' unanswered'}"
