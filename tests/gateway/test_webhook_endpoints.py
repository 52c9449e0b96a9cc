"""Which URLs webhooks are posted to, as far as that can be told without a look at the network."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from services.gateway.webhooks.endpoint import URL_LENGTH, check_endpoint

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
LONG = "https://example.com/" + "a" * (URL_LENGTH - 20)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/webhooks?tenant=shop&secret=%20",
        "https://Hooks.Example.com.:8443/",
        "https://xn--bcher-kva.example/",
        "https://my_shop.example.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/hooks",
        LONG,
    ],
)
def test_public_urls_are_taken(url: str) -> None:
    """Over HTTPS, by name or by address, on any port."""
    check_endpoint(url, ())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("example.com/webhooks", "https://"),
        ("https:///webhooks", "domain name"),
        ("https://", "domain name"),
        ("https://shop:secret@example.com/", "user name"),
        ("https://@example.com/", "user name"),
        ("https://example.com/#top", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0/", "port"),
        ("https://example.com:/", "port"),
        ("https://example.com:65536/", "URL such as"),
        ("https://example.com:http/", "URL such as"),
        ("https://[::1/", "URL such as"),
        ("https://bücher.example/", "ASCII"),
        ("https://example.com/a b", "ASCII"),
        ("https://example.com\\@127.0.0.1/", "ASCII"),
        ("https://example.com/\n", "ASCII"),
        ("https://exa%6dple.com/", "domain name"),
        ("https://-example.com/", "domain name"),
        ("https://example..com/", "domain name"),
        ("https://[v1.example]/", "must"),
        ("https://localhost/", "known everywhere"),
        ("https://redis:6379/", "known everywhere"),
        ("https://2130706433/", "usual form"),
        ("https://127.1/", "usual form"),
        ("https://0x7f.0.0.1/", "usual form"),
        ("https://0177.0.0.1/", "usual form"),
        ("https://a.0x7f000001/", "usual form"),
        ("https://127.0.0.1/", "not public"),
        ("https://10.0.0.1/", "not public"),
        ("https://169.254.169.254/latest/meta-data", "not public"),
        ("https://100.64.0.1/", "not public"),
        ("https://0.0.0.0/", "not public"),
        ("https://224.0.0.1/", "not public"),
        ("https://255.255.255.255/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://[::]/", "not public"),
        ("https://[::ffff:10.0.0.1]/", "not public"),
        ("https://[::ffff:8.8.8.8]/", "not public"),
        ("https://[64:ff9b::a00:1]/", "not public"),
        ("https://[64:ff9b:1::a00:1]/", "not public"),
        ("https://[2002:a00:1::]/", "not public"),
        ("https://[2001:0:a00:1::]/", "not public"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://[fc00::1]/", "not public"),
        ("https://[ff02::1]/", "not public"),
        (LONG + "a", "2000"),
    ],
)
def test_others_are_refused(url: str, why: str) -> None:
    """In words that tell what to do, and do not repeat what may be a secret."""
    with pytest.raises(ValueError, match=why) as refused:
        check_endpoint(url, ())

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "https://127.0.0.1/", "http://[::1]/", "http://localhost:8080/hooks"]
)
def test_what_is_allowed_is_taken_over_http_too(url: str) -> None:
    """A name may lie there; the mailer looks whether it does."""
    check_endpoint(url, LOOPBACK)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://10.0.0.1/", "http://8.8.8.8/", "http://127.1/"])
def test_what_is_not_allowed_is_refused_all_the_same(url: str) -> None:
    """One network allows no other."""
    with pytest.raises(ValueError, match="must"):
        check_endpoint(url, LOOPBACK)
