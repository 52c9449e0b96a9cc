"""Answers that nobody gives: documents with everything in the wrong place, and halves of them."""

from __future__ import annotations

import json
import random
from typing import Any


def anything(dice: random.Random, depth: int = 0) -> Any:
    """Make a document that resembles an answer, with everything in the wrong place."""
    words = [
        "status",
        "sent",
        "error",
        "errors",
        "name",
        "message",
        "rejected",
        "_id",
        "Invalid_Key",
        "field",
        "",
        "é@x.y",
    ]
    kind = dice.randrange(8 if depth < 4 else 5)
    match kind:
        case 0 | 1:
            return dice.choice(words)
        case 2:
            return dice.choice([None, True, -1, 1e308, 10**30])
        case 3 | 4:
            return dice.choice(["status", "error", "sent", "rejected"])
        case 5:
            return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
        case _:
            return {dice.choice(words): anything(dice, depth + 1) for _ in range(dice.randrange(6))}


def any_body(dice: random.Random) -> bytes:
    text = json.dumps(anything(dice)).encode()
    return dice.choice(
        [
            dice.randbytes(dice.randrange(60)),
            text,
            text,
            text[: dice.randrange(len(text) + 1)],
            b"[" * 100_000,
        ]
    )
