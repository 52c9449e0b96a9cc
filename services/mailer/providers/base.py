"""What a provider is: pure functions around one request (no I/O, no clock, no retries).

Every provider can ``build`` a request and ``read`` its answer.  What else one can do is told by the
protocols it fulfils (:class:`Searchable`, :class:`Batchable`) and by its :class:`Traits`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Protocol, runtime_checkable

from services.mailer.outcome import Outcome
from shared.signatures import SendEmail


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCredentials:
    """What Signature Version 4 signs with, and for.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be performed; ``file:`` URLs write a file instead."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Not shown, like the body: one of them holds the provider's key."""
    method: str = "POST"
    signed_by: AwsCredentials | None = None
    """The transport signs the request when it leaves, since a signature holds the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One SMTP transaction (RFC 5321, 3.3), ready to be performed."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    """STARTTLS (RFC 3207), implicit TLS (RFC 8314), or neither."""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sender: str = field(repr=False)
    """The reverse-path."""
    recipients: tuple[str, ...] = field(repr=False)
    """The forward-paths, each once."""
    body: bytes = field(repr=False)
    """The message, with CRLF line ends and without Bcc; the transport stuffs the dots."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: header names in lower case, the body unread and undecoded.

    Of an SMTP transaction the status is the code of the reply that decided it, the body its text, and
    the header ``recipients-refused`` counts the recipients that were refused before the others' mail
    was taken.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Outgoing = Request | Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a provider can do, as far as delivery depends on it."""

    key_window: float | None = None
    """Seconds for which it takes a repeated request with the same idempotency key for the same one;
    None if it honours no keys."""
    settle_delay: float = 30.0
    """Seconds after which a message that it took is certainly found, where it can be searched."""
    batch_size: int = 1
    """Most messages in one request."""
    counts_messages: bool = False
    """Whether its limit is one of messages, and not of requests."""
    limit_window: float | None = None
    """Seconds that the number in its ``ratelimit-limit`` header counts for, where that is known."""


class Provider(Protocol):
    """One account at one e-mail service provider (ESP)."""

    kind: ClassVar[str]
    """Which ESP it is."""
    traits: ClassVar[Traits]

    def build(self, message: SendEmail) -> Outgoing:
        """Turn the message into the provider's request; equal messages give equal bytes.

        Raises:
            UnsupportedError: The message uses what this provider cannot do.
        """

    def read(self, response: Response) -> Outcome:
        """Say what the provider's answer means; never raises, whatever the bytes are."""


@dataclass(frozen=True, slots=True)
class Found:
    """The provider has the message."""

    provider_message_id: str | None


@dataclass(frozen=True, slots=True)
class Absent:
    """The provider does not have the message, and would if it had taken it."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The search itself failed; its reason is fit for a log."""

    reason: str


Finding = Found | Absent | Unclear


@runtime_checkable
class Searchable(Provider, Protocol):
    """A provider that can be asked whether it took a message, by our message id."""

    def build_search(self, message: SendEmail, since: datetime) -> Request:
        """Ask for the message, which the provider cannot have taken before *since*."""

    def read_search(self, response: Response, message: SendEmail) -> Finding:
        """Say what the answer to a search means; never raises, whatever the bytes are."""


@runtime_checkable
class Batchable(Provider, Protocol):
    """A provider that takes several messages in one request, each with an outcome of its own."""

    def shared(self, message: SendEmail) -> Hashable | None:
        """Give what all messages of one request must have in common; None if it has to go alone.

        Only messages that :meth:`build` takes are asked about.
        """

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """Turn two or more messages, whose :meth:`shared` is the same, into one request.

        Raises:
            UnsupportedError: Together they are more than the provider takes, or two of them get in each
                other's way; by itself each is fine.
        """

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """Give the outcome of each message, in order; never raises, whatever the bytes are.

        One that was refused for the sake of others is ``Deferred`` by zero seconds for its own trouble
        (:attr:`.Trouble.MESSAGE`), and is to be tried alone.
        """


class UnsupportedError(Exception):
    """The provider cannot carry this message, and dropping a part of it silently would be a lie."""
