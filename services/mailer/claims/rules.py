"""What taking does to a message that was tried before, in SQL that both databases understand.

Every column that a mailer of version 0.2.0 does not know stands behind ``noted``: the token that it
was written under.  If the token has moved on since, such a mailer has taken the message, and those
columns speak of an earlier attempt.  It knows no state for a claim under which nothing has begun, either,
so to it this is *begun* as well, and only ``looking`` tells the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.mailer.claims.claims import Busy, Claim, Granted, InDoubt, Settled, State, Wish, waiting

# excluded: the wish.  claims: the row as it was.  found: what follows for the attempt before.
_TAKE_OVER = """
ON CONFLICT (message_id) DO UPDATE SET
    (state, token, noted, looking, attempt, provider, series, doubts, elsewhere, crashed,
     free_at, first_at, asked_at, ended_at, updated_at) = (
        SELECT
            'begun', claims.token + 1, claims.token + 1, found.doubts > 0,
            CASE WHEN found.doubts > 0 THEN claims.attempt ELSE claims.attempt + 1 END,
            CASE WHEN found.doubts > 0 THEN claims.provider ELSE excluded.provider END,
            CASE WHEN excluded.series > claims.series THEN excluded.series ELSE claims.series END,
            found.doubts,
            CASE WHEN found.doubts > 0 THEN claims.elsewhere ELSE 0 END,
            found.crashed OR (claims.state = 'begun' AND claims.crashed),
            {now} + {lease},
            CASE WHEN excluded.series > claims.series THEN {now} ELSE claims.first_at END,
            CASE WHEN found.doubts > 0 OR claims.provider = excluded.provider
                 THEN coalesce(claims.asked_at, claims.first_at) ELSE {now} END,
            CASE WHEN found.doubts = 0 THEN NULL
                 WHEN found.crashed THEN claims.free_at
                 WHEN found.older THEN claims.updated_at
                 ELSE claims.ended_at END,
            {now}
        FROM (
            SELECT was.older, was.crashed,
                CASE WHEN claims.free_at IS NULL THEN 0
                     WHEN was.crashed THEN claims.doubts + 1
                     -- Version 0.2.0 counts a doubt when the message is taken again.
                     WHEN was.older AND claims.state = 'uncertain' THEN claims.doubts + 1
                     ELSE claims.doubts END AS doubts
            FROM (
                SELECT coalesce(claims.noted, 0) <> claims.token AS older,
                    claims.state = 'begun'
                        AND (coalesce(claims.noted, 0) <> claims.token OR NOT claims.looking) AS crashed
            ) AS was
        ) AS found
    )
WHERE claims.free_at <= {now}
   OR (claims.free_at IS NULL AND claims.state <> 'sent' AND excluded.series > claims.series)
"""


def take_over(*, now: str, lease: str) -> str:
    """Give the clause of an INSERT that takes what is free, or is to be taken up again."""
    return _TAKE_OVER.format(now=now, lease=lease)


def ours(message_id: UUID, row: Mapping[str, Any]) -> Claim:
    """Read a claim that was just taken."""
    if not row["looking"]:
        return Granted(message_id, row["token"], row["attempt"], row["age"], row["provider"])
    return InDoubt(
        message_id,
        row["token"],
        row["attempt"],
        row["age"],
        row["provider"] or "",
        row["doubts"],
        bool(row["crashed"]),
        row["asked"],
        max(row["quiet"], 0.0),
        row["elsewhere"],
    )


def not_ours(wish: Wish, row: Mapping[str, Any]) -> Claim:
    """Read a claim that could not be taken."""
    state = State(row["state"])
    free = row["wait"] is not None and row["wait"] <= 0
    reopened = row["wait"] is None and state is not State.SENT and wish.series > row["series"]
    if free or reopened:
        # Free by what we read of it, and yet not to be had: another mailer has taken it meanwhile.
        return Busy(wait=1.0)
    if row["wait"] is not None:
        return waiting(state, row["wait"])
    return Settled(
        state, row["attempt"], row["provider"], row["provider_message_id"], row["reason"], row["series"]
    )
