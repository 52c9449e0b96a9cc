"""What the fakes' halves say to each other: a request as a provider sees it, and its verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Call:
    """What a provider looks at when it judges a request."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    payload: Any
    """The parsed JSON; None where the body was none."""
    size: int
    """Of the body, in bytes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider says, and whether it took the message over."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False
    provider_message_id: str | None = None


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
