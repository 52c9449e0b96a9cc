"""A provider's own words, made fit for a timeline: no address in them, and not too long."""

from __future__ import annotations

import re
from typing import Final

_LENGTH: Final = 500
_READ: Final = 2_000
_AROUND: Final = "<>()[]{}\"'`,;:."
_QUOTED_LOCAL_PART: Final = re.compile(r'"[^"]{0,64}"@')  # it may hold blanks (RFC 5321, 4.1.2)
_SHORTEST: Final = 3
_ADDRESS: Final = "<address>"


def reason(*parts: object, recipient: str | None = None) -> str | None:
    """Join what there is of *parts*; None if there is nothing.

    Receiving servers like to repeat whom they refuse, by the whole address or by its local part alone.
    """
    words = ": ".join(part[:_READ] for part in parts if isinstance(part, str) and part.strip())
    words = _QUOTED_LOCAL_PART.sub("@", words)
    words = "".join(character if character.isprintable() else " " for character in words)
    local_part = (recipient or "").rpartition("@")[0].lower()
    hidden = local_part if len(local_part) >= _SHORTEST else ""
    told = " ".join(_without_address(word, hidden) for word in words.split())
    return told[:_LENGTH].strip() or None


def _without_address(word: str, local_part: str) -> str:
    bare = word.strip(_AROUND)
    if "@" in word or "%40" in word or (local_part and bare.lower() == local_part):
        before, bare, after = word.partition(bare) if bare else ("", "", "")
        return f"{before.removesuffix('<')}{_ADDRESS}{after.removeprefix('>')}"
    return word
