"""Any provider, made as a test wants it: one entry for each kind."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from services.mailer.providers import PROVIDERS
from services.mailer.providers.base import Provider

KEY = "key-of-the-account-0123456789"
"""The secret of every provider that has one, and so of its fake."""


def _smtp(base_url: str) -> dict[str, Any]:
    """Read the address of a :class:`~tests.fakes.smtp.FakeSmtp`; any other one is a host name."""
    url = urlsplit(base_url)
    security = {"smtp": "none", "smtps": "tls"}.get(url.scheme, "starttls")
    host, port = url.hostname, url.port or 587
    return {"host": host, "port": port, "security": security, "username": "pillarbox", "password": KEY}


ARGUMENTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "sendgrid": lambda base_url: {"api_key": KEY, "base_url": base_url},
    "mandrill": lambda base_url: {"api_key": KEY, "base_url": base_url},
    "postmark": lambda base_url: {"server_token": KEY, "base_url": base_url},
    "resend": lambda base_url: {"api_key": KEY, "base_url": base_url},
    "mailgun": lambda base_url: {"api_key": KEY, "domain": "mail.example.org", "base_url": base_url},
    "ses": lambda base_url: {
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": KEY,
        "region": "eu-central-1",
        "base_url": base_url,
    },
    "smtp": _smtp,
    "outbox": lambda _: {"directory": pathlib.Path("/srv/outbox")},
}
"""By kind: what its constructor takes, given where the other end is."""


def made(kind: str, base_url: str = "https://provider.test") -> Provider:
    """Make a provider whose other end, if it has one, is at *base_url*."""
    maker: Callable[..., Provider] = PROVIDERS[kind]
    return maker(**ARGUMENTS[kind](base_url))
