"""The developer's mailbox: each message becomes an ``.eml`` file that any mail reader opens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from services.mailer.outcome import Accepted, Deferred, Outcome, Unauthorised, reason
from services.mailer.providers.base import Request, Response, Traits
from services.mailer.providers.letter import compose
from services.mailer.providers.replies import identifier

if TYPE_CHECKING:
    import pathlib

    from shared.signatures import SendEmail

_WRITTEN = frozenset({200, 201, 204})
_CLOSED = frozenset({401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class Outbox:
    """A directory.  Writing a message again replaces its file, so a repeated attempt changes nothing."""

    directory: pathlib.Path

    kind: ClassVar[str] = "outbox"
    # The file's name is the message id: for ever a key under which nothing happens twice.
    traits: ClassVar[Traits] = Traits(key_window=math.inf)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        The body is the complete message of RFC 5322, Bcc included: a developer wants to see it.
        """
        file = self.directory.absolute() / f"{message.message_id}.eml"
        return Request(
            url=file.as_uri(),
            body=compose(message),
            headers={"Content-Type": "message/rfc822"},
            method="PUT",
        )

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`.

        The statuses are those of HTTP's PUT: 200, 201 and 204 say that the file is written; 401, 403,
        404 and 405 that the directory is not ours to write to; anything else that there is no file.
        Nothing is uncertain about a file.
        """
        status = f"status {response.status}"
        if response.status in _WRITTEN:
            return Accepted(identifier(response.headers.get("location", "").rpartition("/")[2]))
        if response.status in _CLOSED:
            return Unauthorised(reason(status, "the outbox cannot be written to"))
        return Deferred(reason(status, "the file was not written"))
