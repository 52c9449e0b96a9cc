"""I5, I6 and I12: a key has one answer, what arrives is what was given, and nothing comes early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.torture.evidence import Evidence, Taken
from tests.torture.orders import Order

_EARLY_SECONDS = 0.05


def one_key_one_id(evidence: Evidence) -> Iterator[str]:
    """Every answer to one key names one message, and another body with that key is refused."""
    for number, ids in evidence.ids.items():
        order = evidence.orders[number]
        if order.key is not None and len(ids) > 1:
            yield f"order {number}: its key was answered with {len(ids)} ids"
    stored: dict[int, list[str]] = {}
    for message_id, owner in evidence.order_of.items():
        if owner is not None:
            stored.setdefault(owner, []).append(message_id)
    for number, messages in stored.items():
        if number in evidence.orders and len(messages) > 1:
            yield f"order {number}: {len(messages)} messages are stored"
    for number in evidence.orders:
        for line in evidence.lines(number, "reuse"):
            if line.status is not None and line.status < 500 and line.status != 409:
                yield f"order {number}: its key with another body was answered {line.status}"


def content_arrives(evidence: Evidence) -> Iterator[str]:
    """Recipients, subject and texts at the provider are those that the caller gave."""
    for message_id, several in evidence.taken.items():
        for one in several:
            order = evidence.orders.get(one.order) if one.order is not None else None
            for field, given, came in _differences(order, one) if order else ():
                yield f"{message_id}: {field} was {given!r}, and is {came!r} at {one.account}"


def _differences(order: Order, one: Taken) -> Iterator[tuple[str, Any, Any]]:
    carried = one.carried
    came: dict[str, Any] = {
        "to": [address for address, _ in carried.to],
        "from": carried.sender[0],
        "subject": carried.subject,
        "text": carried.text,
        "html": carried.html,
    }
    for field, value in came.items():
        given: Any = order.body.get(field)
        if field == "from":
            given = str(given).rpartition("<")[2].rstrip(">")
        if _plain(given) != _plain(value):
            yield field, given, value


def _plain(value: Any) -> Any:
    """Line ends are the protocol's own business."""
    return value.replace("\r\n", "\n").rstrip("\n") if isinstance(value, str) else value


def nothing_is_early(evidence: Evidence) -> Iterator[str]:
    """What is scheduled reaches the provider at its time, whatever any clock says."""
    for number, ids in evidence.ids.items():
        if evidence.orders[number].delay is None:
            continue
        told = [line for line in evidence.lines(number, "accept") if line.what == "asked"]
        due = datetime.fromisoformat(told[0].answer["scheduled_at"]).timestamp()
        for message_id in ids:
            for one in evidence.taken.get(message_id, ()):
                if one.entry.arrived_at < due - _EARLY_SECONDS:
                    yield f"order {number}: {message_id} came {due - one.entry.arrived_at:.2f} s early"
