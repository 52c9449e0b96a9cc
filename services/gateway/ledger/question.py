"""What the statistics can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Grouping(StrEnum):
    """What sums are apart by."""

    HOUR = "hour"
    DAY = "day"
    TAG = "tag"
    PROVIDER = "provider"


Group = datetime | str
"""The beginning of an hour or day, a tag, or an account's name; empty for what has none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be summed up; None stands for all."""

    since: datetime
    """The beginning of an hour."""
    until: datetime
    """The end of one."""
    tag: str | None = None
    """``name:value``"""
    provider: str | None = None
    """An account's name."""
    group_by: Grouping | None = None
