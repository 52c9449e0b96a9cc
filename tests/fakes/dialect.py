"""What the fakes' halves say to each other: a request as a provider sees it, and its verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """What a provider looks at when it judges a request."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    payload: Any = None
    """The parsed JSON; a form as in :mod:`.forms`; None where the body was neither."""
    body: bytes = b""
    query: dict[str, list[str]] = field(default_factory=dict)
    refused: frozenset[int] = frozenset()
    """Places of the messages of a batch that a fault has the provider refuse, where it can refuse some."""

    @property
    def size(self) -> int:
        """Of the body, in bytes."""
        return len(self.body)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one message of a batch."""

    accepted: bool
    provider_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider says, and what it took over."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False
    """Of a request of one message."""
    provider_message_id: str | None = None
    fates: tuple[Fate, ...] = ()
    """Of a batch: what becomes of each of its messages, in order; empty where it is refused as a whole."""

    @property
    def takes(self) -> bool:
        """Whether anything is taken over."""
        return self.accepted or any(fate.accepted for fate in self.fates)


def parsed(body: bytes) -> Any:
    """Read JSON; None stands for anything that is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def spoken(document: object) -> bytes:
    """Write JSON as an answer's body."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def at(payload: Any, *steps: str | int) -> Any:
    """Walk into a document; None where the way ends."""
    for step in steps:
        if isinstance(step, int) and isinstance(payload, list) and len(payload) > step:
            payload = payload[step]
        elif isinstance(step, str) and isinstance(payload, dict):
            payload = payload.get(step)
        else:
            return None
    return payload
