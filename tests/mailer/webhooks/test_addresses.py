"""Which addresses are somebody's on the Internet, and which are the inside of something."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from services.mailer.webhooks.addresses import Addresses, is_public, networks


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111"],
)
def test_public_addresses_are_allowed_with_tls_only(address: str) -> None:
    """Nobody listed them, so nothing goes there in clear."""
    assert is_public(ip_address(address))
    assert Addresses().allows(address, encrypted=True)
    assert not Addresses().allows(address, encrypted=False)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "::", "::1"),
        *("10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "fc00::1", "fd00:ec2::254"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1"),
        *("100.64.0.1", "100.100.100.200", "100.127.255.254", "168.63.129.16"),
        *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1"),
        # Addresses that wrap another one, be it public or not
        *("::ffff:127.0.0.1", "::ffff:1.1.1.1", "::127.0.0.1", "::ffff:0:7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b::101:101", "64:ff9b:1::a00:1"),
        *("2002:7f00:1::1", "2002:101:101::1", "192.88.99.1"),
        *("2001::1", "2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1"),
        *("", "localhost", "127.1", "0177.0.0.1", "2130706433", "1.1.1.1 ", "1.1.1.1:80"),
    ],
)
def test_all_others_are_not(address: str) -> None:
    """Neither with TLS nor without, and least of all what is no address."""
    assert not Addresses().allows(address, encrypted=True)
    assert not Addresses().allows(address, encrypted=False)


def test_what_the_operator_listed_is_allowed_with_and_without_tls() -> None:
    """And nothing beside it; a wrapped form of it is another address."""
    addresses = Addresses(networks("10.1.0.0/16,::1"))

    for encrypted in (True, False):
        assert addresses.allows("10.1.2.3", encrypted=encrypted)
        assert addresses.allows("::1", encrypted=encrypted)
        assert not addresses.allows("10.2.0.1", encrypted=encrypted)
        assert not addresses.allows("::ffff:10.1.2.3", encrypted=encrypted)
