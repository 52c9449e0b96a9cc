"""What the callers want: every request of a run, drawn from its seed before anything begins."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.torture.plan import TENANTS, Plan

Kind = Literal["plain", "scheduled", "cancel", "hostile"]

_NUMBER: Final = re.compile(r"order(\d+)\.")

NAUGHTY: Final = (
    "'; DROP TABLE messages; --",
    "{{ 7*7 }} {% raw %} ${x} #{x} %s %(x)s %n",
    "<script>alert(1)</script> &amp; \"quoted\" 'single'",
    "Ω≈ç√∫µ≤≥÷ 田中さん 社會科學院 الكل",
    "\u202e right to left \u202d, zero\u200bwidth, \ufeffmark",
    "👩‍👩‍👧‍👧 🏳️‍🌈 ﷽ Z͑ͫ̓ͪ̂ͫ̽͏̴̙",
    "../../etc/passwd\\..\\ C:\\nul | $(reboot) `id` && true",
    "From here on: From the start of a line\n.\nFrom again\n..",
    "=?UTF-8?Q?not=20decoded?= =20=3D",
    "NULL null undefined NaN -1e309 0x0 1/0",
    "tab\tand  two blanks, trailing ",
    "long " * 300,
)
"""Texts that somebody's parser has stumbled over."""


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that a caller wants done."""

    number: int
    at: float
    """Seconds of posting time after the beginning."""
    kind: Kind
    tenant: str
    key: str | None
    """Its idempotency key.  Without one it is asked once, whatever comes of it."""
    body: dict[str, Any]
    delay: float | None = None
    """Seconds until it is to be sent, where it is scheduled."""
    cancel_after: float | None = None
    """Seconds after its acceptance that it is to be canceled."""
    trick: str = ""
    """What a hostile one tries: see ``hostile.py``."""

    @property
    def may_be_stored(self) -> bool:
        """Whether any message may come of it."""
        return self.kind != "hostile"


def orders(plan: Plan, tricks: tuple[str, ...]) -> Iterator[Order]:
    """Draw them, without end."""
    dice = random.Random(f"orders {plan.seed}")
    at = 0.0
    for number in itertools.count():
        # Bursts: one in eight pauses is long, the others make up for it.
        at += dice.expovariate(plan.rate) * (4.0 if dice.random() < 0.125 else 0.57)
        yield _order(plan, dice, number, at, tricks)


def _order(plan: Plan, dice: random.Random, number: int, at: float, tricks: tuple[str, ...]) -> Order:
    lot = dice.random()
    kind: Kind = (
        "hostile" if lot < 0.05 else "cancel" if lot < 0.08 else "scheduled" if lot < 0.13 else "plain"
    )
    key = None if dice.random() < 0.1 else f"key-{plan.canary}-{number}"
    return Order(
        number,
        at,
        kind,
        dice.choice(TENANTS),
        key,
        _body(plan, dice, number),
        delay=dice.uniform(4, 12) if kind in ("scheduled", "cancel") else None,
        cancel_after=dice.uniform(0, 3) if kind == "cancel" else None,
        trick=dice.choice(tricks) if kind == "hostile" and tricks else "",
    )


def _body(plan: Plan, dice: random.Random, number: int) -> dict[str, Any]:
    text, html = dice.choice(NAUGHTY), dice.choice(NAUGHTY)
    subject = re.sub(r"[\x00-\x1f\u200b\u202d\u202e\ufeff]", " ", dice.choice(NAUGHTY)[:200]).strip()
    people = [f"order{number}.{plan.canary}.{place}@recipients.example.org" for place in "ab"]
    body: dict[str, Any] = {
        "from": f"Shop <{plan.canary}@shop.example.com>",
        "to": people[: dice.choice((1, 1, 1, 2))],
        "subject": f"{number} {plan.canary} {subject}",
        "text": f"{plan.canary} {number}\n{text}\n",
        "headers": {"X-Order": str(number)},
    }
    if dice.random() < 0.5:
        body["html"] = f"<p>{plan.canary} {number}</p>{html}"
    if dice.random() < 0.4:
        body["priority"] = "bulk"
    if plan.on_uncertain == "hold":
        body["on_uncertain"] = "hold"
    return body


def number_in(text: str) -> int | None:
    """Which order an address belongs to; None if to none."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else None
