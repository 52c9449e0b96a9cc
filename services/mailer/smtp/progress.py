"""How far a submission has come, and so what the end of it means."""

from __future__ import annotations

from dataclasses import dataclass

from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.providers.base import Response

_REFUSALS = range(400, 600)
_COMPLETIONS = range(200, 300)


@dataclass(slots=True)
class Progress:
    """One submission on its way."""

    stage: str = "connect"
    """What the server is expected to answer: ``greeting``, ``ehlo``, ``starttls``, ``auth``, ``mail``,
    ``rcpt``, ``data``, or ``body``, which is the final dot."""
    dot_has_left: bool = False
    """The server may take the message over from here on."""

    def response(self, code: int, text: str, **headers: int | str) -> Response:
        """Turn the reply that decided the submission into the transport's answer.

        Raises:
            NotSentError: It is none that can stand there, and the message has not been sent.
            NoAnswerError: It is none that can stand there, but the message may have been.
        """
        if code in _REFUSALS or (code in _COMPLETIONS and self.dot_has_left):
            named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
            return Response(code, text.encode(errors="surrogateescape"), {"stage": self.stage, **named})
        raise self.failure("a reply without sense")

    def failure(self, what: str) -> NotSentError | NoAnswerError:
        """Name what ended the submission without a reply."""
        kind = NoAnswerError if self.dot_has_left else NotSentError
        return kind(f"{self.stage}: {what}")
