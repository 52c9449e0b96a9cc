"""I1, I2 and I13: nothing is lost, nothing appears from nowhere, and what is canceled never leaves."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.evidence import Evidence, Taken
from tests.torture.faults.provider import ELSEWHERE


def no_loss(evidence: Evidence) -> Iterator[str]:
    """Every message that was answered 202 has been sent, or is held for all to see, or was canceled.

    Nothing in a run justifies another end.
    """
    for number, ids in evidence.ids.items():
        for message_id in ids:
            email = evidence.emails.get(message_id)
            if email is None:
                yield f"order {number}: {message_id} was answered 202, and no gateway knows it"
                continue
            taken = len(evidence.taken.get(message_id, ()))
            match email["status"]:
                case "sent" if taken:
                    continue
                case "canceled" if evidence.lines(number, "cancel"):
                    continue
                case "held" if email["reason"]:
                    continue
                case status:
                    yield (
                        f"order {number}: {message_id} is {status} ({email['reason']}), "
                        f"and a provider has it {taken} times"
                    )


def no_phantom(evidence: Evidence) -> Iterator[str]:
    """Whatever a provider took belongs to a request that was accepted, or may have been."""
    for message_id, several in evidence.taken.items():
        for one in several:
            if why := _phantom(evidence, message_id, one):
                yield f"{message_id or 'a message without an id'} at {one.account}: {why}"
    for account, entries in evidence.requests.items():
        for entry in entries:
            if entry.path == ELSEWHERE:
                yield f"{entry.message_id} was taken elsewhere, where {account} only pointed to"
    for message_id, number in evidence.order_of.items():
        order = evidence.orders.get(number) if number is not None else None
        if order is None or not order.may_be_stored:
            yield f"{message_id} is stored, and comes of {'a hostile' if order else 'no'} request"


def _phantom(evidence: Evidence, message_id: str, one: Taken) -> str | None:
    order = evidence.orders.get(one.order) if one.order is not None else None
    if order is None:
        return "nobody asked for it"
    if not order.may_be_stored:
        return f"order {order.number} is hostile ({order.trick})"
    accepted = evidence.ids.get(order.number, set())
    if message_id in accepted:
        return None
    if accepted and order.key is not None:
        return f"order {order.number} was answered with another id"
    if not evidence.is_ambiguous(order.number):
        return f"order {order.number} was refused"
    return None


def cancel_is_final(evidence: Evidence) -> Iterator[str]:
    """Who was told that a message is canceled will never see it sent."""
    for number in evidence.orders:
        if not evidence.was_canceled(number):
            continue
        for message_id in evidence.ids.get(number, ()):
            if taken := evidence.taken.get(message_id):
                yield f"order {number}: {message_id} was canceled, and a provider has it {len(taken)} times"
            status = evidence.emails[message_id]["status"] if message_id in evidence.emails else "gone"
            if status != "canceled":
                yield f"order {number}: {message_id} was canceled, and is {status}"
