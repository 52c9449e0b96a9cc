"""E-mail addresses: parsed once, at the door, and structured from then on.

What is accepted is the part of RFC 5322 that mail servers agree on, ``dot-atom@domain`` with an
optional display name.  The rest of the grammar (quoted local parts, comments, groups, source
routes, domain literals, encoded-words) is refused with a reason: parsers disagree about it, and
an address that two parsers read differently goes to somebody it was not meant for.

An international domain is turned into A-labels (IDNA 2008, RFC 5891).  The domain is
lower-cased; the local part never is, since only its own mail server knows what case means there
(RFC 5321, section 2.4).  Domains under ``.test`` and ``example.com`` and its kin are accepted,
because development and documentation use them (RFC 2606); ``.invalid``, ``.local``,
``.localhost``, ``.onion`` and ``.arpa`` are not.
"""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from services.gateway.submission.headers import UNSAFE
from shared.signatures import Address

_TEXT_LENGTH = 998
_ADDRESS_LENGTH = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets (RFC 3696, erratum 1690)
_LOCAL_LENGTH = 64  # RFC 5321, 4.5.3.1.1

_LIKE = "must look like user@example.com or Name <user@example.com>"
_RESERVED = "arpa|invalid|local|localhost|onion"

# The everyday address, which spares the library.  It may only match what the library accepts too.
# Every repetition is possessive or bounded, so that it fails in linear time.
_EVERYDAY = re.compile(
    r"(?!-)(?=[^@]{1,64}@)[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+"
    r"@(?!.*--)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)++"
    rf"(?!(?:{_RESERVED})\Z)[a-z]{{2,63}}",
    re.IGNORECASE | re.ASCII,
)
# And an everyday name before it, in angle brackets; likewise no more than the slow way takes.
_EVERYDAY_NAME = re.compile(
    r"([a-z0-9](?:[a-z0-9 '._-]*[a-z0-9'._-])?) *<([^<>]+)>", re.IGNORECASE | re.ASCII
)
_DOT_ATOM = re.compile(r"[\w#$%&'*+/=?^`{|}~-]++(?:\.[\w#$%&'*+/=?^`{|}~-]++)*+", re.ASCII)
_RESERVED_DOMAIN = re.compile(rf"(?:.*\.)?(?:{_RESERVED})", re.IGNORECASE | re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_SPECIALS = re.compile(r'[()<>\[\]:;@\\,"]')  # RFC 5322, 3.2.3, without the dot


class AddressError(ValueError):
    """The text is no address that we take; says why, without repeating it."""


def parse(text: str) -> Address:
    """Read ``a@b.example``, ``<a@b.example>`` or ``Display Name <a@b.example>``.

    Raises:
        AddressError: It is none of these, or one that mail servers read differently.
    """
    if len(text) <= _ADDRESS_LENGTH:
        named = _EVERYDAY_NAME.fullmatch(text)
        addr_spec = named[2] if named else text
        if _EVERYDAY.fullmatch(addr_spec):
            local, _, domain = addr_spec.partition("@")
            return Address(email=f"{local}@{domain.lower()}", name=named[1] if named else None)
    if len(text) > _TEXT_LENGTH:
        raise AddressError(f"must be at most {_TEXT_LENGTH} characters")
    if UNSAFE.search(text):
        raise AddressError("must not contain control characters or line breaks")
    if "=?" in text:
        raise AddressError("must not contain encoded-words (=?): write the characters themselves")
    if not text.endswith(">"):
        return Address(email=_addr_spec(text))
    name, opening, addr_spec = text[:-1].rpartition("<")
    if not opening:
        raise AddressError(_LIKE)
    return Address(email=_addr_spec(addr_spec), name=_display_name(name.strip(" ")))


def comparable(address: str) -> str:
    """Give the form in which two addresses are the same mailbox, of one that :func:`parse` has made.

    Lower case throughout: a mail server may tell local parts apart by case (RFC 5321, section
    2.4), but hardly one does, and whoever asks for no more mail means every spelling.
    """
    return address.lower()


def render(address: Address) -> str:
    """Write the address so that :func:`parse` reads it back."""
    if not address.name:
        return address.email
    # A name that begins or ends with a space keeps it only inside quotes.
    if _SPECIALS.search(address.name) or address.name != address.name.strip(" "):
        quoted = re.sub(r'(["\\])', r"\\\1", address.name)
        return f'"{quoted}" <{address.email}>'
    return f"{address.name} <{address.email}>"


def _display_name(name: str) -> str | None:
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _SPECIALS.search(name):
        raise AddressError('has one of ()<>[]:;@\\," in its display name: put the name in double quotes')
    # RFC 6532, section 3.1.  The lone surrogates that could trouble this are out already.
    return unicodedata.normalize("NFC", name) or None


def _addr_spec(text: str) -> str:
    """Judge ``local@domain`` and hand it back with its domain in lower case and A-labels."""
    if len(text) > _ADDRESS_LENGTH:
        raise AddressError(f"must be at most {_ADDRESS_LENGTH} characters without the display name")
    local, at, domain = text.rpartition("@")
    if not (local and at and domain):
        raise AddressError(_LIKE)
    _judge_local(local)
    _judge_domain(domain)
    if _EVERYDAY.fullmatch(text):
        return f"{local}@{domain.lower()}"
    try:
        # ``test_environment`` admits .test and nothing else, as no DNS is asked.
        valid = validate_email(
            text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except EmailNotValidError:
        # The library's own words may repeat what was given.
        raise AddressError("has a domain that is not a valid name (RFC 1123, IDNA 2008)") from None
    if "." not in valid.ascii_domain:
        raise AddressError("has a domain without a dot")
    return f"{local}@{valid.ascii_domain.lower()}"


def _judge_local(local: str) -> None:
    if local.startswith(('"', "@")):
        raise AddressError("must not have a quoted local part or a source route")
    if not local.isascii():
        raise AddressError("has a local part that is not ASCII, which many mail servers refuse (RFC 6531)")
    if len(local) > _LOCAL_LENGTH:
        raise AddressError(f"must have at most {_LOCAL_LENGTH} characters before the @")
    if local.startswith("-"):
        raise AddressError("must not begin with a hyphen")
    if local.count("%") > 1 or "!" in local:
        raise AddressError("must not contain a route (! or several %)")
    if any(character in "@,;:()<>" for character in local):
        raise AddressError("must be exactly one address, without comments, groups or lists")
    if not _DOT_ATOM.fullmatch(local):
        raise AddressError("has a character or dot before the @ that must not be there")


def _judge_domain(domain: str) -> None:
    if domain.startswith("["):
        raise AddressError("must have a domain name after the @, not an IP address")
    if any(character in "(),;:<> " for character in domain):
        raise AddressError("must be exactly one address, without comments, groups or lists")
    if _RESERVED_DOMAIN.fullmatch(domain):
        raise AddressError(f"has a domain that mail cannot be sent to (.{_RESERVED.replace('|', ', .')})")
