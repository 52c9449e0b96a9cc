"""How an account's time is given away, in SQL that both databases understand.

Times are Unix seconds by the database's clock.  A statement decides by one reading of that clock, made
when it has the row to itself: so slices neither overlap nor leave a gap while there is something to send.

That clock may be set, and in SQLite it is that of each mailer.  So a time that lies further ahead than any
that was ever given does not count: otherwise one clock that was a day ahead would stop an account for a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.mailer.rates.rates import LEAST_SHARE, RECOVERY_SECONDS, SLOWING, Slice

AHEAD_SECONDS = 1.0
"""Once so much of an account's time is given away nobody gets more of it, so that others have a turn."""

LONGEST_PAUSE_SECONDS = 3600.0
"""No provider is left alone for longer because of what it said of its pace."""
_SLACK_SECONDS = 1.0

COLUMNS = {
    "account": "text PRIMARY KEY",
    # Up to when its time is given away.
    "free_at": "double precision NOT NULL",
    # The length of the slice given last; negative if nothing was given since.
    "given": "double precision NOT NULL DEFAULT 0",
    # How many requests that slice is for; NULL if a mailer of 0.3.0 took it.
    "turns": "double precision",
    # NULL until it is slowed for the first time.
    "rate": "double precision",
    # From when on the rate recovers: the end of the pause that it was slowed in.
    "changed_at": "double precision",
    "paused_until": "double precision",
    "reason": "text",
}

# What is left of the rate, recovered since.
_RATE = """coalesce(
    {least}({limit}, rates.rate + {limit} / {recovery} * {greatest}(
        CASE WHEN rates.changed_at > clock.now + {longest} THEN {recovery}
             ELSE clock.now - rates.changed_at END, 0
    )), {limit}
)"""

# How many of the requests that were asked for fit into the time that they take at the limit.  Rounded down,
# which the two databases have no common word for; but what floats lose is no request less.
_TURNS = "{greatest}(round({count} * ({paced}) / ({limit}) - 0.499), 1)"

LEASE = """
INSERT INTO rates (account, free_at, given, turns)
SELECT {account}, {clock} + first.turns / ({limit} * {share}), first.turns / ({limit} * {share}), first.turns
FROM (SELECT {first_turns} AS turns) AS first
WHERE true
ON CONFLICT (account) DO UPDATE SET (free_at, given, turns) = (
    SELECT CASE WHEN cut.turns > 0 THEN cut.starts_at + cut.turns / cut.rate ELSE rates.free_at END,
           CASE WHEN cut.turns > 0 THEN cut.turns / cut.rate ELSE -abs(rates.given) END,
           cut.turns
    FROM (
        SELECT free.starts_at, free.rate,
            CASE WHEN rates.paused_until > free.now AND rates.paused_until <= free.now + {longest} THEN 0
                 WHEN free.starts_at > free.now + {ahead} THEN 0
                 ELSE {turns} END AS turns
        FROM (
            SELECT clock.now, {rate} * {share} AS rate,
                CASE WHEN rates.free_at > clock.now + {ahead} + abs(rates.given) + {slack} THEN clock.now
                     ELSE {greatest}(rates.free_at, clock.now) END AS starts_at
            FROM (SELECT {clock} AS now) AS clock
        ) AS free
    ) AS cut
)
RETURNING free_at - {greatest}(given, 0) - {clock} AS starts_in, given, turns,
          paused_until - {clock} AS pause, reason
"""

# Whether it pauses already, and for longer.
_LONGER = "(rates.paused_until > read.now + {pause} AND rates.paused_until <= read.now + {longest})"

# A pause does not cut a longer one short.
SLOW = """
INSERT INTO rates (account, free_at, rate, changed_at, paused_until, reason)
SELECT {account}, clock.now, {greatest}({limit} * {slowing}, {limit} * {least_share}),
       clock.now + {pause}, clock.now + {pause}, {reason}
FROM (SELECT {clock} AS now) AS clock
WHERE true
ON CONFLICT (account) DO UPDATE SET (rate, changed_at, paused_until, reason) = (
    SELECT CASE WHEN rates.changed_at > new.now AND rates.changed_at <= new.now + {longest} THEN rates.rate
                ELSE {greatest}(new.rate * {slowing}, {limit} * {least_share}) END,
           new.ends_at, new.ends_at, new.reason
    FROM (
        SELECT clock.now, {rate} AS rate,
            CASE WHEN clock.longer THEN rates.paused_until ELSE clock.now + {pause} END AS ends_at,
            CASE WHEN clock.longer THEN rates.reason ELSE {reason} END AS reason
        FROM (SELECT read.now, {longer} AS longer FROM (SELECT {clock} AS now) AS read) AS clock
    ) AS new
)
"""

# Nor does this, unless it is to end it.
PAUSE = """
INSERT INTO rates (account, free_at, paused_until, reason)
VALUES ({account}, {clock}, {clock} + {pause}, {reason})
ON CONFLICT (account) DO UPDATE SET (changed_at, paused_until, reason) = (
    SELECT CASE WHEN rates.changed_at > new.now THEN new.ends_at ELSE rates.changed_at END,
           new.ends_at,
           CASE WHEN new.longer THEN rates.reason ELSE {reason} END
    FROM (
        SELECT asked.now, asked.longer,
            CASE WHEN asked.longer THEN rates.paused_until ELSE asked.now + {pause} END AS ends_at
        FROM (
            SELECT read.now, {pause} > 0 AND {longer} AS longer FROM (SELECT {clock} AS now) AS read
        ) AS asked
    ) AS new
)
"""

PAUSED = "SELECT paused_until - {clock} AS pause, reason FROM rates WHERE account = {account}"


def spelt(statement: str, **words: str) -> str:
    """Give one of the statements above in the words of a database: its clock, functions, parameters."""
    numbers = {
        "slowing": SLOWING,
        "recovery": RECOVERY_SECONDS,
        "least_share": LEAST_SHARE,
        "longest": LONGEST_PAUSE_SECONDS,
        "slack": _SLACK_SECONDS,
    }
    parts = {
        "{first_turns}": _TURNS.replace("{paced}", "{limit} * {share}"),
        "{turns}": _TURNS.replace("{paced}", "free.rate"),
        "{rate}": _RATE,
        "{longer}": _LONGER,
    }
    for name, part in parts.items():
        statement = statement.replace(name, part)
    return statement.format(**words, **numbers)


def slice_of(row: Mapping[str, Any], ahead: float) -> Slice:
    """Read what a lease returned."""
    if row["given"] > 0:
        return Slice(max(row["starts_in"], 0.0), row["given"], int(row["turns"]))
    pause, reason = pause_of(row)
    if pause > 0:
        return Slice(pause, 0.0, paused=True, reason=reason)
    return Slice(max(row["starts_in"] - ahead, 0.0), 0.0)


def pause_of(row: Mapping[str, Any] | None) -> tuple[float, str | None]:
    """Read how long an account still pauses, and why."""
    if row is None or row["pause"] is None or not 0 < row["pause"] <= LONGEST_PAUSE_SECONDS:
        return 0.0, None
    return row["pause"], row["reason"]
