"""The envelope of Amazon SNS, which Amazon SES posts its events in.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from services.gateway.provider_events.documents import inside
from services.gateway.provider_events.genuine import check_age
from services.gateway.provider_events.reader import NotGenuineError

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"

_OF_SUBSCRIPTIONS: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final[dict[str, tuple[str, ...]]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: _OF_SUBSCRIPTIONS,
    "UnsubscribeConfirmation": _OF_SUBSCRIPTIONS,
}
_VERSIONS: Final = ("1", "2")
_TOPIC: Final = re.compile(r"arn:aws:sns:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")


def is_topic(written: str) -> bool:
    """Whether this is the ARN of a topic."""
    return _TOPIC.fullmatch(written) is not None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A call of Amazon SNS's, as it stands in the body."""

    kind: str
    topic: str
    certificate_url: str
    _document: object

    @classmethod
    def open(cls, document: object, topics: Collection[str]) -> Envelope:
        """Read what has to be known before the signature can be verified.

        Raises:
            NotGenuineError: It is of no topic of ours, or its certificate is somewhere else than at Amazon's.
        """
        kind, topic, url = (inside(document, name) for name in ("Type", "TopicArn", "SigningCertURL"))
        if not (isinstance(kind, str) and isinstance(topic, str) and isinstance(url, str)):
            raise NotGenuineError("missing")
        if kind not in _SIGNED or topic not in topics:
            raise NotGenuineError("topic")
        if not _CERTIFICATE.fullmatch(_at_amazon(url, topic)):
            raise NotGenuineError("certificate")
        return cls(kind, topic, url, document)

    def verify(self, certificate: bytes, now: datetime, window: timedelta) -> None:
        """Make sure that Amazon signed it, within the window.

        Raises:
            NotGenuineError: It did not.
        """
        check_age(self["Timestamp"], now, window)
        version = self["SignatureVersion"]
        if version not in _VERSIONS or not _is_signed(
            certificate, self["Signature"], self._signed(), version
        ):
            raise NotGenuineError("wrong")

    def __getitem__(self, name: str) -> str:
        value = inside(self._document, name)
        return value if isinstance(value, str) else ""

    @property
    def subscribe_url(self) -> str:
        """Where the subscription is confirmed.

        Raises:
            NotGenuineError: That is not at Amazon's.
        """
        url = self["SubscribeURL"]
        if _at_amazon(url, self.topic) != "/":
            raise NotGenuineError("subscription")
        return url

    def _signed(self) -> bytes:
        names = [name for name in _SIGNED[self.kind] if inside(self._document, name) is not None]
        return "".join(f"{name}\n{self[name]}\n" for name in names).encode(errors="replace")


def _at_amazon(url: str, topic: str) -> str:
    """Give the path of a URL that leads to SNS in the topic's region, over https, and nowhere else."""
    region = _TOPIC.fullmatch(topic)
    host = f"sns.{region[1]}.amazonaws.com" if region else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    # Compared as it is written, up to the slash: no user, no port, no other spelling.
    return parts.path if url.startswith(f"https://{host}/") else ""


def _is_signed(certificate: bytes, signature: str, signed: bytes, version: str) -> bool:
    # Imported here, for gateways that no Amazon SNS posts to.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    algorithm = SHA256() if version == "2" else SHA1()  # noqa: S303 - Amazon's first version
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(base64.b64decode(signature, validate=True), signed, PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True
