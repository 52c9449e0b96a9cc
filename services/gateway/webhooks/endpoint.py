"""What a URL must be like so that webhooks are posted to it.

These are the rules that need no look at the network.  What a name stands for may change at any
moment, so the mailer judges the addresses themselves at each attempt.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

Networks = Collection[IPv4Network | IPv6Network]

URL_LENGTH: Final = 2000

_VISIBLE: Final = re.compile(r"[!-\[\]-~]+")  # no blank, no control, and no backslash, which some read as /
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
# Browsers and resolvers read a name whose last part is a number as an address: 127.1, 0x7f000001.
_NUMBER: Final = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_GLOBAL_6: Final = IPv6Network("2000::/3")
_WITH_4_INSIDE: Final = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
"""Teredo and 6to4: they carry an IPv4 address, and lead to it."""


def check_endpoint(url: str, networks: Networks) -> None:
    """Refuse what no webhook is posted to; *networks* are allowed although they are not public.

    Raises:
        ValueError: In words that do not repeat the URL.
    """
    if len(url) > URL_LENGTH:
        raise ValueError(f"must be at most {URL_LENGTH} characters")
    if not _VISIBLE.fullmatch(url):
        raise ValueError("must be printable ASCII without blanks; write the domain in its xn-- form")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://example.com/webhooks") from None
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or a password")
    if "#" in url:
        raise ValueError("must not have a fragment")
    if parts.scheme not in ("https", "http"):
        raise ValueError("must begin with https://")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("must have a port from 1 to 65535, or none")
    allowed = _judge_host(host, networks, bracketed="[" in parts.netloc)
    if parts.scheme == "http" and not allowed:
        raise ValueError("must begin with https://")


def _judge_host(host: str, networks: Networks, *, bracketed: bool) -> bool:
    """Say whether the host may lie in one of *networks*, where HTTPS is not demanded."""
    try:
        address = ip_address(host)
    except ValueError:
        _judge_name(host, networks, bracketed=bracketed)
        return bool(networks)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise ValueError("must not name a zone of an address")
    if any(address in network for network in networks):
        return True
    if not _is_public(address):
        raise ValueError("must not be an address that is not public")
    return False


def _judge_name(host: str, networks: Networks, *, bracketed: bool) -> None:
    if bracketed or not _NAME.fullmatch(host) or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        raise ValueError("must have a domain name, or an address in its usual form")
    if "." not in host.rstrip(".") and not networks:
        raise ValueError("must have a domain name that is known everywhere")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return True
    return address in _GLOBAL_6 and not any(address in network for network in _WITH_4_INSIDE)
