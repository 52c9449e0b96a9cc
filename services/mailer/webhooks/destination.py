"""What of a webhook's URL can be judged before any name is looked up."""

from __future__ import annotations

import re
from ipaddress import ip_address

from yarl import URL

from services.mailer.webhooks.addresses import Addresses

_ENDS_IN_A_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.ASCII | re.IGNORECASE)
"""What systems take for an IPv4 address, in forms that nobody writes who has nothing to hide:
``2130706433``, ``0x7f.1``, ``0177.0.0.1`` (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""


class NotPostedError(Exception):
    """There is no answer; the text says why, to a human, and holds no address."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds after which another attempt makes sense."""


def destination(text: str, addresses: Addresses) -> URL:
    """Read a URL that a webhook may be posted to, as far as that can be told by its looks.

    Raises:
        NotPostedError: It may not.
    """
    try:
        url = URL(text)
        host, port = url.raw_host, url.port
    except ValueError:
        raise NotPostedError("the URL cannot be read") from None
    if url.scheme not in {"https", "http"} or not host or not port:
        raise NotPostedError("the URL cannot be used")
    if url.scheme == "http" and not addresses.networks:
        raise NotPostedError("only https is allowed")
    if url.raw_user is not None or url.raw_password is not None:
        raise NotPostedError("the URL holds credentials")
    if not _is_plausible(host, addresses, encrypted=url.scheme == "https"):
        raise NotPostedError(refusal(url))
    return url


def refusal(url: URL) -> str:
    """Why the address behind a URL is not allowed."""
    return "the address is not public" if url.scheme == "https" else "http is not allowed to this address"


def _is_plausible(host: str, addresses: Addresses, *, encrypted: bool) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return not _ENDS_IN_A_NUMBER.search(host)  # a name, which is yet to be looked up
    return addresses.allows(host, encrypted=encrypted)
