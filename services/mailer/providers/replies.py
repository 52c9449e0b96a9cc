"""What an answer means when only HTTP itself is understood; and reading JSON that may be anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from services.mailer.outcome import (
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
    reason,
)
from services.mailer.providers.hints import retry_after

if TYPE_CHECKING:
    from services.mailer.providers.base import Response

_ACCOUNT = frozenset({401, 402, 403, 407})
_NOBODY_HOME = frozenset({404, 405, 410})
_TOO_FAST = 429  # RFC 6585, 4
_LATER = frozenset({408, 421, 425, 503})
# Each of these, too, says that the request was not acted upon (RFC 9110, RFC 8470).
_REDIRECTS = range(300, 400)
_REFUSALS = range(400, 500)
_WORDS = 500
_IDENTIFIER = 255


def parse(body: bytes) -> object:
    """Read JSON; None stands for anything that is none, ``null`` included."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def words(text: object, *, secret: str) -> str:
    """Make the provider's own words fit to be passed to ``reason``.

    They are cut, since taking addresses out of a megabyte without an @ takes minutes; and a
    secret that the provider echoes is taken out.
    """
    said = str(text)
    if len(said) > _WORDS:
        said = said[:_WORDS].rpartition(" ")[0] or said[:_WORDS]
    return said.replace(secret, "<key>") if secret else said


def identifier(value: object) -> str | None:
    """Give the provider's message id, or None where it is none that could be stored and searched for."""
    if not isinstance(value, str):
        return None
    value = value.strip()
    return value if value.isprintable() and 0 < len(value) <= _IDENTIFIER else None


def by_status(response: Response, said: str = "") -> Outcome:
    """Classify by the status alone; *said* is the words of a body that is recognisably the provider's.

    Without such words a 404 comes from somewhere else.  Then the address in the settings is wrong,
    every message would fail, and rejecting them one by one would lose them all.
    """
    status = response.status
    why = reason(f"HTTP {status}", said)
    if status in _REDIRECTS:
        # Never followed: the key would go along to whatever host the answer names.
        return Unauthorised(reason(why, "a redirect, so the provider's address in the settings is wrong"))
    if status in _ACCOUNT:
        return Unauthorised(why)
    if status in _NOBODY_HOME and not said:
        return Unauthorised(reason(why, "not the provider's answer, is its address in the settings right?"))
    if status == _TOO_FAST:
        return Deferred(why, retry_after(response.headers), Trouble.PACE)
    if status in _LATER:
        return Deferred(why, retry_after(response.headers))
    if status in _REFUSALS:
        return Rejected(why)
    return Uncertain(reason(why, "" if said else "not an answer that the provider gives"))


def of_the_whole(outcome: Outcome, members: int) -> list[Outcome]:
    """Give each member of a batch what was said of the batch as a whole.

    A refusal can be for the sake of one of them, or of their number, and nothing says of which.  So
    nobody is refused by it: each is to be tried again at once, and alone; see
    :meth:`.Batchable.read_batch`.
    """
    if isinstance(outcome, Rejected | Suppressed):
        outcome = Deferred(reason("the batch was refused", outcome.reason), 0.0, Trouble.MESSAGE)
    return [outcome] * members
