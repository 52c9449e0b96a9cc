"""A mailer with a bug: ``celery -A tests.flow.buggy_worker worker``.

The bug is a provider, taken from the registry like any other, that fails on our own account.
"""

from __future__ import annotations

from pathlib import Path

from services.mailer import providers
from services.mailer.providers.base import Request
from services.mailer.providers.outbox import Outbox
from services.mailer.settings import Settings
from services.mailer.worker import create_worker
from shared.signatures import SendEmail


class Buggy(Outbox):
    """Stumbles over messages whose subject says "bug": once, or always."""

    def build(self, message: SendEmail) -> Request:
        seen = Path(self.directory) / f"{message.message_id}.seen"
        again = seen.exists()
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.touch()
        if message.subject == "always a bug" or (message.subject == "a bug once" and not again):
            raise ZeroDivisionError(message.to[0].email)
        return super().build(message)


providers.PROVIDERS["outbox"] = Buggy
app = create_worker(Settings())
