"""I7, I8 and I11: nothing is told to whom it does not concern, nothing grows, nobody is pestered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from tests.torture.evidence import Evidence
from tests.torture.faults.provider import PATIENCE, THROTTLED

_OURS = frozenset({500, 502, 504})
"""Answers that are our fault."""
_MOST_BYTES = 700_000_000
_MOST_DESCRIPTORS = 1_500
_MOST_THREADS = 600
_MOST_SESSIONS = 60
"""Of two gateways and three mailers at rest."""
_MOST_CALLS = 40
"""Of one message, at all its providers."""
_MOST_REPEATED = 0.2
_MOST_REPEATED_PER_SECOND = 10.0
"""Calls beyond the first of each message: a share of the messages, and so many a second besides."""


def nothing_leaks(evidence: Evidence) -> Iterator[str]:
    """No log line, no metric and no refusal holds an address, a text, or a key."""
    for path in evidence.logs:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if any(secret in line for secret in evidence.secrets):
                yield f"{path.name}, line {number}: {_bare(line, evidence)}"
    for number, lines in evidence.journal.items():
        for each in lines:
            told = json.dumps(each.answer, ensure_ascii=False)
            if each.status and each.status >= 400 and any(secret in told for secret in evidence.secrets):
                yield f"order {number}: the {each.status} quotes what it was given"
    for party, metrics in evidence.metrics.items():
        if not metrics:
            yield f"{party} tells no metrics, so nobody knows what is in them"
        if any(secret in metrics for secret in evidence.secrets):
            yield f"the metrics of {party} hold a secret"


def _bare(line: str, evidence: Evidence) -> str:
    for secret in evidence.secrets:
        line = line.replace(secret, "…")
    return line[:200]


def nothing_grows(evidence: Evidence) -> Iterator[str]:
    """No answer is our own failure, and no process, queue or table of processes swells."""
    answers = Counter(
        line.status for lines in evidence.journal.values() for line in lines if line.status in _OURS
    )
    yield from (f"{count} requests were answered {status}" for status, count in answers.items())
    for one in evidence.samples:
        told = {
            "bytes of memory": (one.resident_bytes, _MOST_BYTES),
            "descriptors": (one.descriptors, _MOST_DESCRIPTORS),
            "threads": (one.threads, _MOST_THREADS),
        }
        for what, (value, most) in told.items():
            if value > most:
                yield f"{one.party} had {value} {what}"
    if evidence.zombies:
        yield f"{evidence.zombies} processes ended and nobody took note"
    if evidence.sessions > _MOST_SESSIONS:
        yield f"the services have {evidence.sessions} sessions at the database"
    for queue, depth in evidence.depths.items():
        if depth:
            yield f"{queue} still holds {depth} messages"


def nobody_is_pestered(evidence: Evidence) -> Iterator[str]:
    """Who asked for patience is given it, and no message is tried for ever."""
    for account, entries in evidence.requests.items():
        throttled: dict[str, float] = {}
        for entry in entries:
            for message_id in entry.message_ids if entry.searched_for is None else ():
                since = entry.arrived - throttled.get(message_id, float("-inf"))
                if since < PATIENCE - 0.5:
                    yield f"{message_id} came back to {account} after {since:.1f} s, not {PATIENCE} s"
                if entry.fault == THROTTLED:
                    throttled[message_id] = entry.arrived
    requests = [entry for entries in evidence.requests.values() for entry in entries]
    calls = Counter(message_id for entry in requests for message_id in entry.message_ids)
    yield from (f"{message_id} was tried {n} times" for message_id, n in calls.items() if n > _MOST_CALLS)
    arrivals = [entry.arrived for entry in requests]
    seconds = max(arrivals, default=0.0) - min(arrivals, default=0.0)
    searches = sum(entry.searched_for is not None for entry in requests)
    repeated = calls.total() - len(calls) - searches
    if repeated > _MOST_REPEATED * len(calls) + _MOST_REPEATED_PER_SECOND * seconds:
        yield f"{repeated} calls in {seconds:.0f} s were about messages that had had theirs"
