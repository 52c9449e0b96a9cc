"""The Celery task that posts webhooks: arguments in, one attempt, its report, then acknowledge.

It never retries: the gateway keeps account of the attempts, and publishes the next one, also where it
heard nothing of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Reject
from pydantic import ValidationError

from services.mailer.background import BackgroundLoop
from services.mailer.delivery.ports import UnreportedError
from services.mailer.logs import places
from services.mailer.webhooks.posting import Posting
from shared.signatures import PostWebhook, RecordWebhookAttempt

log = structlog.get_logger()


class WebhookTask(Task):
    """What the task is to Celery."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    acks_on_failure = False
    acks_on_timeout = False
    ignore_result = True
    typing = False

    def on_failure(self, exc: BaseException, task_id: str, *_: Any) -> None:
        """Log a bug of ours; Celery dead-letters the message next."""
        log.error("task.crashed", message_id=task_id, error=type(exc).__name__, where=places(exc))


def register(app: Celery, *, posting: Posting, background: BackgroundLoop) -> Callable[..., Any]:
    """Give ``app`` the task ``post_webhook``, and return it."""

    @app.task(name=PostWebhook.task, bind=True, shared=False, base=WebhookTask)
    def post_webhook(self: WebhookTask, **arguments: Any) -> None:
        try:
            webhook = PostWebhook.model_validate(arguments)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, part["loc"])) for part in error.errors(include_input=False))
            log.error("signature.invalid", task=self.name, message_id=self.request.id, fields=fields)  # noqa: TRY400
            background.run(_refuse(posting, arguments, f"signature_invalid: {fields}"))
            raise Reject("signature_invalid", requeue=False) from None
        try:
            background.run(posting.attempt(webhook))
        except UnreportedError:
            raise Reject("unreported", requeue=True) from None

    return post_webhook  # type: ignore[no-any-return]


async def _refuse(posting: Posting, arguments: dict[str, Any], because: str) -> None:
    """Report that nothing was posted, as far as it can be told of what."""
    told = {"delivery_id": arguments.get("delivery_id"), "attempt": arguments.get("attempt")}
    with suppress(ValidationError, UnreportedError):
        await posting.report(
            RecordWebhookAttempt.model_validate({**told, "at": datetime.now(UTC), "reason": because})
        )
