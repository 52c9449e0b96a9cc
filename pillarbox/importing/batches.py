"""Rows as batches of ``POST /emails/batch``, and what the gateway says of each row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pillarbox.failures import Failure
from pillarbox.gateway import Gateway
from pillarbox.importing.rows import Row

_MOST_BYTES: Final = 4_000_000
"""Of a batch; a gateway takes 10 MB unless it was told otherwise."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row that can be sent."""

    row: Row
    key: str
    """Its idempotency key: the same recipient in the same campaign has the same, in whatever file."""
    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a row."""

    item: Item
    message_id: str | None
    error: str | None = None


def key_of(campaign: str, email: str) -> str:
    """The idempotency key of a recipient in a campaign; tells nobody the address."""
    return "import-" + hashlib.sha256(f"{campaign}\0{email.strip().lower()}".encode()).hexdigest()[:40]


def batches(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Gather items, at most *most* of them, and no more than fits one request."""
    batch: list[Item] = []
    size = 0
    for item in items:
        octets = len(json.dumps(item.message)) + 1
        if batch and (len(batch) >= most or size + octets > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += octets
    if batch:
        yield batch


def submit(gateway: Gateway, batch: Sequence[Item]) -> Iterator[Result]:
    """Send a batch, in halves if it is too large after all, and give what became of each item, in order.

    Raises:
        Failure: The gateway does not take batches now, or not with this key.
    """
    try:
        answer = gateway.request(
            "POST",
            "/emails/batch",
            body=[item.message for item in batch],
            headers={"x-batch-validation": "permissive"},
            repeatable=True,
        )
    except Failure as failure:
        if failure.details.get("statusCode") != 413:
            raise
        if len(batch) == 1:
            yield Result(batch[0], None, "is too large")
            return
        half = len(batch) // 2
        yield from submit(gateway, batch[:half])
        yield from submit(gateway, batch[half:])
        return
    errors = {error["index"]: error["message"] for error in answer.get("errors", ())}
    ids = iter(answer["data"])
    for index, item in enumerate(batch):
        if index in errors:
            # What it says of the place in the batch helps nobody who looks at the file.
            yield Result(item, None, errors[index].removeprefix(f"/{index}"))
        else:
            yield Result(item, next(ids)["id"])
