"""Values that reach a limit."""

from __future__ import annotations

from shared.signatures import Address, Tag


def people(count: int) -> tuple[Address, ...]:
    return tuple(Address(email=f"user{number}@example.net") for number in range(count))


def tags(count: int, name: str = "tag") -> tuple[Tag, ...]:
    return tuple(Tag(name=f"{name}{number}", value="") for number in range(count))
