"""The form of API keys: made, read and compared here; kept elsewhere, and only as a hash.

``pb_<22: the id><_><43: 256 random bits><6: CRC-32 of all that stands before>``, in base 62.  The id
finds the key's row without a search by the secret; the checksum lets a typing error, and a scanner
for leaked keys, be told apart from a key without asking a database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

PREFIX: Final = "pb_"

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES: Final = {digit: value for value, digit in enumerate(_DIGITS)}
_ID_LENGTH: Final = 22
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
_FORM: Final = re.compile(
    rf"{PREFIX}([0-9A-Za-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)
_NOBODYS: Final = bytes(32)
"""What a key is compared with that has no row; no text is known whose SHA-256 this is."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; its text is shown once, to whoever asked for it."""

    id: UUID
    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return digest(self.text)


def generate(key_id: UUID) -> NewKey:
    """Make a key that belongs to the row *key_id*."""
    secret = _base62(secrets.randbits(256), _SECRET_LENGTH)
    body = f"{PREFIX}{_base62(key_id.int, _ID_LENGTH)}_{secret}"
    return NewKey(key_id, body + _checksum(body))


def read(text: str) -> UUID | None:
    """The id of the row that a key belongs to, or None if the text cannot be a key."""
    form = _FORM.fullmatch(text)
    if form is None or _checksum(text[:-_CHECKSUM_LENGTH]) != form[2]:
        return None
    value = 0
    for digit in form[1]:
        value = value * 62 + _VALUES[digit]
    return UUID(int=value) if value < 1 << 128 else None


def digest(text: str) -> bytes:
    """SHA-256 of a key.  It has 256 random bits, so neither salt nor slowness would add anything."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def matches(given: bytes, stored: bytes | None) -> bool:
    """Whether two digests are the same, in a time that tells nothing; None is no row's and never is."""
    same = hmac.compare_digest(given, _NOBODYS if stored is None else stored)
    return same and stored is not None


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, value = divmod(number, 62)
        digits.append(_DIGITS[value])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)
