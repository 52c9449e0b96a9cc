"""Certificates made for a test: an authority of its own, and servers that it vouches for."""

from __future__ import annotations

import pathlib
import ssl

import trustme


class Authority:
    """A certificate authority that nobody trusts who is not told to."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def file(self, path: pathlib.Path) -> pathlib.Path:
        """Write its certificate, for ``SSL_CERT_FILE``."""
        self._authority.cert_pem.write_to_path(str(path))
        return path

    def context(self, *names: str) -> ssl.SSLContext:
        """Make a server's side of TLS, with a certificate for these host names and addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context
