"""A request that a test makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

KEY = "good-key"
"""The one that is good at every fake of these tests."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One request, and what the record will say of it."""

    path: str
    body: bytes
    headers: dict[str, str]
    payload: Any
    method: str = "POST"


def of_json(path: str, document: Any, **headers: str) -> Sending:
    """Make a request whose body is JSON; a name's underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Sending(
        path, json.dumps(document).encode(), {"content-type": "application/json", **named}, document
    )
