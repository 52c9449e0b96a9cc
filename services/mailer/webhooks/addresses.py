"""Which IP addresses a webhook may go to: public ones, and those that the operator has listed.

The tables follow the IANA registries of special-purpose addresses, and are stricter where an address only
wraps another one: whoever unwraps it may not be who we think.
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # "this network"; many systems take 0.0.0.0 for loopback
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
            "127.0.0.0/8",
            "168.63.129.16/32",  # looks public, and is the inside of Azure
            "169.254.0.0/16",  # link-local, where clouds keep their credentials
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            # Of IPv6 only what lies within 2000::/3 is public at all: that leaves out loopback, IPv4 that
            # is mapped (::ffff:0:0/96) or translated (64:ff9b::/96, 64:ff9b:1::/48), fc00::/7, fe80::/10
            # and multicast.
            "2001::/23",  # Teredo among others
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)
_GLOBAL_UNICAST = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The rule; ``networks`` are allowed although they are not public, and without TLS."""

    networks: tuple[Network, ...] = ()

    def allows(self, text: str, *, encrypted: bool) -> bool:
        """Whether a webhook may go to this numeric address, with TLS or without."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self.networks) or (encrypted and is_public(address))


def is_public(address: Address) -> bool:
    """Whether an address belongs to somebody on the Internet, and to nobody's inside."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)


def networks(text: str) -> tuple[Network, ...]:
    """Read networks, with commas between them.

    Raises:
        ValueError: One of them is no network in CIDR notation.
    """
    return tuple(ip_network(part) for part in (part.strip() for part in text.split(",")) if part)
