"""The words of a mail server."""

from __future__ import annotations

_WORDS = {
    421: "4.3.2 Service shutting down",
    450: "4.2.0 Mailbox busy",
    451: "4.3.0 Local error in processing",
    452: "4.3.1 Insufficient system storage",
    454: "4.7.0 Temporary authentication failure",
    535: "5.7.8 Authentication credentials invalid",
    550: "5.1.1 User unknown",
    552: "5.3.4 Message too big",
    554: "5.6.0 Message refused",
}


def reply(status: int, words: bytes | None = None) -> str:
    """Write a reply without its last line end; with status 0 the bare words."""
    text = _WORDS.get(status, "No") if words is None else words.decode("latin-1")
    return text if status == 0 else f"{status} {text}"
