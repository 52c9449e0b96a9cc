"""Amazon SNS, as far as it signs: its key, its certificate, its envelopes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-east-1:123456789012:pillarbox"
HOST = "https://sns.us-east-1.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-{'0' * 32}.pem"
SUBSCRIBE_URL = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def key(name: str = "right") -> rsa.RSAPrivateKey:
    """One of Amazon's keys, or somebody else's."""
    assert name
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate(name: str = "right") -> bytes:
    """The certificate of that key, as PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime(2025, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(subject, subject, key(name).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=9000))
    return builder.sign(key(name), SHA256()).public_bytes(Encoding.PEM)


def envelope(message: str, at: datetime, *, version: str = "1", by: str = "right", **changes: str) -> bytes:
    """A call of SNS's; *changes* are made before it is signed."""
    document = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **changes,
    }
    names = _NOTIFICATION if document["Type"] == "Notification" else _CONFIRMATION
    signed = "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
    algorithm = SHA256() if version == "2" else SHA1()
    signature = key(by).sign(signed.encode(), padding.PKCS1v15(), algorithm)
    return json.dumps({**document, "Signature": base64.b64encode(signature).decode()}).encode()
