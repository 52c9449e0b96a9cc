"""What can happen over SMTP: RFC 5321, whose replies are told apart by RFC 3463."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.signatures import Address
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.surroundings import BRIEF, EVERYWHERE, LARGE, narrow
from tests.fakes import FakeSmtp, faults
from tests.fakes.faults import Fault
from tests.fakes.smtp import STAGES, Stage, at

_TRANSACTION = ("mail", "rcpt", "data", "upload", "body")

_REFUSALS: list[tuple[Stage, int, bytes, Known]] = [
    ("greeting", 554, b"5.7.1 Your address is blocked", Known.NOT_US),
    ("starttls", 454, b"4.7.0 TLS not available", Known.AWAY),
    ("auth", 454, b"4.7.0 Temporary authentication failure", Known.AWAY),
    ("auth", 535, b"5.7.8 Authentication credentials invalid", Known.NOT_US),
    ("mail", 530, b"5.7.0 Authentication required", Known.NOT_US),
    ("mail", 552, b"5.3.4 Message too big", Known.NOT_THIS),
    ("rcpt", 550, b"5.1.1 User unknown", Known.NOT_THIS),
    ("rcpt", 554, b"5.7.1 Relay access denied", Known.NOT_US),
    ("data", 554, b"5.6.0 No valid recipients", Known.NOT_THIS),
    ("upload", 552, b"5.3.4 Message too big", Known.NOT_THIS),
    ("body", 554, b"5.6.0 Message refused", Known.NOT_THIS),
]

_TWO = {"to": (Address(email="ada@example.net"), Address(email="bob@example.net"))}
_SOME = [
    Mishap(
        name="rcpt-some-550",
        known=Known.TAKEN,
        fault=at("rcpt", faults.refuse(550), recipients=[0]),
        taken=True,
        fields=_TWO,
    ),
    # Whoever took the others now would have to remember who is left.
    Mishap(
        name="rcpt-some-450",
        known=Known.NOT_YET,
        fault=at("rcpt", faults.refuse(450), recipients=[1]),
        fields=_TWO,
    ),
]
"""What happens to one of two recipients."""


def mishaps() -> Iterator[Mishap]:
    """Give everything that can happen at a mail server."""
    yield from EVERYWHERE
    for stage in STAGES:
        for name, (_, fault) in FakeSmtp.weights.items():
            if stage == "body" or not fault.accept:
                yield _mishap(stage, name, fault)
    yield _mishap("upload", "cut", faults.cut())
    yield from _SOME
    for stage, status, words, known in _REFUSALS:
        yield Mishap(
            name=f"{stage}-{status}",
            known=known,
            fault=at(stage, faults.refuse(status, words)),
            **_extras(stage),
        )


def _mishap(stage: Stage, name: str, fault: Fault) -> Mishap:
    again = stage == "reset"
    return Mishap(
        name=f"{stage}-{name}",
        # A connection that cannot be used again is no trouble: there are others.
        known=Known.TAKEN if again else _known(stage, name, fault),
        fault=at(stage, fault),
        taken=again or fault.accept,
        patience=(4 if again else 1) * BRIEF if fault.how in ("hang", "drip") else None,
        after_another=again,
        **_extras(stage),
    )


def _extras(stage: Stage) -> dict[str, Any]:
    """Let a letter take its time, where it matters that it has not left as a whole."""
    return {"fields": {"text": LARGE}, "during": narrow, "in_the_clear": True} if stage == "upload" else {}


def _known(stage: Stage, name: str, fault: Fault) -> Known:
    if not fault.status:
        # Until the final dot has left there is no message (RFC 5321, 4.1.1.4).
        return Known.NOTHING if stage == "body" else Known.AWAY
    if name.endswith("-pace"):
        return Known.TOO_FAST
    if name == "450" and stage in _TRANSACTION:
        return Known.NOT_YET  # 4.2.0 is about a mailbox; before a transaction there is none to be about
    return Known.AWAY
