"""The form of API keys."""

from __future__ import annotations

import re
import string
import zlib
from uuid import UUID

import pytest

from services.gateway.identifiers import new_message_id
from services.gateway.tenants import keys

KEY = keys.generate(new_message_id())
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
EXTREMES = [UUID(int=0), UUID(int=(1 << 128) - 1), new_message_id()]


def number(text: str) -> int:
    """Read a number in base 62, the slow and plain way."""
    return sum(DIGITS.index(digit) * 62**place for place, digit in enumerate(reversed(text)))


def checksummed(body: str) -> str:
    """Add the checksum that belongs to a text."""
    checksum, value = "", zlib.crc32(body.encode())
    while len(checksum) < 6:
        value, digit = divmod(value, 62)
        checksum = DIGITS[digit] + checksum
    return body + checksum


def test_a_key_has_the_documented_form() -> None:
    """A prefix that scanners for leaked keys look for, the row's id, 256 bits, and a checksum."""
    form = re.fullmatch(r"pb_([0-9A-Za-z]{22})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})", KEY.text)

    assert form is not None
    assert KEY.id.int == number(form[1])
    assert number(form[2]) < 1 << 256
    assert zlib.crc32(KEY.text[:-6].encode()) == number(form[3])


@pytest.mark.parametrize("key_id", EXTREMES, ids=range(len(EXTREMES)))
def test_a_key_tells_its_row(key_id: UUID) -> None:
    """Whatever the id is."""
    assert key_id == keys.read(keys.generate(key_id).text)


def test_keys_cannot_be_guessed() -> None:
    """Each of the 256 bits is sometimes set and sometimes not, and no key comes twice."""
    texts = {keys.generate(KEY.id).text for _ in range(200)}
    ever, always = 0, (1 << 256) - 1
    for text in texts:
        secret = number(text[26:69])
        ever |= secret
        always &= secret

    assert 200 == len(texts)
    assert ((1 << 256) - 1, 0) == (ever, always)


@pytest.mark.parametrize("place", range(len(KEY.text)))
def test_a_wrong_character_is_noticed(place: int) -> None:
    """Without asking a database, wherever it stands."""
    wrong = "a" if KEY.text[place] != "a" else "b"

    assert keys.read(KEY.text[:place] + wrong + KEY.text[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pb_",
        "None",
        "re_123456789",
        KEY.text + "0",
        KEY.text[:-1],
        KEY.text + "\n",
        KEY.text.upper(),
        KEY.text.replace("_", "-"),
        KEY.text.replace(KEY.text[10], "é"),
        KEY.text.replace(KEY.text[10], "\udcff"),
        checksummed("pb_" + "z" * 22 + "_" + "0" * 43),  # an id of more than 128 bits
        "x" * 100_000,
    ],
    ids=[
        "nothing",
        "prefix alone",
        "None",
        "Resend's",
        "longer",
        "shorter",
        "line break",
        "upper case",
        "hyphens",
        "accent",
        "surrogate",
        "id too large",
        "huge",
    ],
)
def test_what_is_no_key_is_told_apart(text: str) -> None:
    """By its form alone."""
    assert keys.read(text) is None


def test_the_checksum_is_what_it_says() -> None:
    """The helper above makes keys that are read; so the last case fails for its id alone."""
    assert UUID(int=1) == keys.read(checksummed("pb_" + "1".rjust(22, "0") + "_" + "0" * 43))


def test_a_digest_matches_its_own_key_alone() -> None:
    """And a key without a row matches nothing, not even what it is compared with in its place."""
    other = keys.generate(KEY.id)

    assert keys.matches(KEY.digest, keys.digest(KEY.text))
    assert not keys.matches(KEY.digest, other.digest)
    assert not keys.matches(KEY.digest, None)
    assert not keys.matches(bytes(32), None)


def test_a_new_key_is_not_shown_by_accident() -> None:
    """A log line that shows the object shows no secret."""
    assert KEY.text[26:] not in repr(KEY)
