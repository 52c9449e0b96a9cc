"""What a provider can do to one request instead of plainly answering it.

A fault is a value: ``fake.script(faults.refuse(503), faults.hang(accept=True))`` treats the next two
requests so, and ``fake.rule = faults.seeded(7, 0.1)`` one in ten, the same ones in every run.
"""

from __future__ import annotations

from tests.fakes.faults.fault import Fault
from tests.fakes.faults.hints import HINTS
from tests.fakes.faults.kinds import (
    cut,
    drip,
    drip_head,
    empty,
    gzip_bomb,
    hang,
    huge,
    late,
    page,
    partial,
    redirect,
    refuse,
    reset,
    throttle,
    truncated,
    usual,
    without_id,
)
from tests.fakes.faults.script import SCRIPT, parse
from tests.fakes.faults.seeded import PARKING, WEIGHTS, seeded

__all__ = [
    "HINTS", "PARKING", "SCRIPT", "WEIGHTS", "Fault", "cut", "drip", "drip_head", "empty", "gzip_bomb",
    "hang", "huge", "late", "page", "parse", "partial", "redirect", "refuse", "reset", "seeded", "throttle",
    "truncated", "usual", "without_id",
]  # fmt: skip
