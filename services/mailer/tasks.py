"""The Celery tasks: arguments in, one attempt, then acknowledge, retry or give up.

An exception is a bug or an outage of our own; Celery's ``autoretry_for`` brings the message back
with backoff and jitter.  A refusal of the provider is no exception but an outcome, and comes back
with the wait that the delivery chose.  Whatever happens, a message is acknowledged only after its
outcome was recorded and reported, or after its retry was published.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, Task
from celery.app.task import Context
from celery.exceptions import Reject, Retry
from pydantic import ValidationError

from services.mailer import failpoints
from services.mailer.accounts.routes import ClosingError
from services.mailer.background import BackgroundLoop
from services.mailer.claims.claims import ClaimsUnavailableError
from services.mailer.delivery.delivery import Delivery
from services.mailer.delivery.ports import Reporter, UnreportedError
from services.mailer.logs import places
from services.mailer.outcome import Deferred, reason
from services.mailer.rates.rates import RatesUnavailableError
from services.mailer.rendering import Welcome, rendered
from services.mailer.templating import TemplateError
from shared.signatures import Event, RecordEvent, SendEmail, SendWelcomeEmail, Signature

log = structlog.get_logger()

_OUTAGE_WAIT_SECONDS = 5.0
"""Before a message comes again after the claims, or the way to the gateway, were away."""
_MOST_SERIES = 2**15


class MailerTask(Task):
    """What both tasks have in common; the parts are set by :func:`register`."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    acks_on_failure = False
    acks_on_timeout = False
    ignore_result = True
    # A provider's refusals are bounded by the retry horizon, bugs by ``retry_kwargs``.
    max_retries = None
    typing = False

    background: BackgroundLoop
    delivery: Delivery
    reporter: Reporter

    def deliver(self, message: SendEmail) -> None:
        """Make one attempt, and come again if it was not the last."""
        if failpoints.armed:
            self.background.run(failpoints.reached("w.start"))
        try:
            outcome = self.background.run(self.delivery.attempt(message))
        except ClosingError:
            # Nothing was begun: another mailer may have it at once.
            raise Reject("closing", requeue=True) from None
        except (ClaimsUnavailableError, RatesUnavailableError, UnreportedError) as outage:
            log.warning(
                "attempt.postponed",
                message_id=self.request.id,
                error=type(outage).__name__,
                cause=type(outage.__cause__).__name__,
            )
            outcome = Deferred(type(outage).__name__, _OUTAGE_WAIT_SECONDS)
        if isinstance(outcome, Deferred):
            # Whole seconds, rounded up: the broker's delays are whole seconds, and early is impolite.
            raise self.retry(countdown=math.ceil(outcome.retry_after or 1.0), counted=False)
        if failpoints.armed:
            self.background.run(failpoints.reached("w.before_ack"))

    def retry(self, *args: Any, **options: Any) -> Any:
        """Publish the retry; while the broker takes nothing, leave the message where it is.

        Celery would dead-letter it, although nothing is wrong with the message.
        """
        if failpoints.armed:
            self.background.run(failpoints.reached("w.before_retry"))
        try:
            return self.background.run_blocking(partial(self._publish_retry, self.request, args, options))
        except Retry:
            if failpoints.armed:
                self.background.run(failpoints.reached("w.after_retry"))
            raise
        except Reject as error:
            log.warning("attempt.unpublished", message_id=self.request.id, error=type(error.reason).__name__)
            raise Reject(error.reason, requeue=True) from error

    def _publish_retry(self, request: Context, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.request_stack.push(request)  # Celery keeps it by thread
        try:
            return super().retry(*args, **options)
        finally:
            self.request_stack.pop()

    def read(self, signature: type[Signature], arguments: dict[str, Any]) -> Any:
        """Parse the task's arguments; what cannot be read becomes a dead letter with a reason.

        Raises:
            Reject: They are not what the signature says.
        """
        try:
            return signature.model_validate(arguments)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, part["loc"])) for part in error.errors(include_input=False))
            log.error("signature.invalid", task=self.name, message_id=self.request.id, fields=fields)  # noqa: TRY400
            raise self._refusal(reason("signature_invalid", fields)) from None

    def render(self, message: SendEmail) -> SendEmail:
        """Render the message's template, if it has one; what cannot be rendered becomes a dead letter.

        Raises:
            Reject: Another try would end in the same way.
        """
        try:
            return self.background.run_blocking(partial(rendered, message)) if message.template else message
        except TemplateError as error:
            # It names a place in the template and a variable, never a value.
            log.error("template.failed", message_id=self.request.id, reason=str(error))  # noqa: TRY400
            raise self._refusal(reason("template_failed", error)) from None

    def _refusal(self, because: str) -> Reject:
        """Report that the message is given up, and return what tells Celery so."""
        event = failure(self.request.id, because, series=_series(self.request.kwargs))
        self.background.run(self.reporter.report(event))
        return Reject(because, requeue=False)

    def signature_from_request(
        self,
        request: Any = None,
        *args: Any,
        counted: bool = True,
        **options: Any,
    ) -> Any:
        """Retries go back to the lane they came from, under whatever key they were delivered.

        Only bugs are counted: their limit is not for a provider that is merely slow to recover.
        """
        request = request or self.request
        if not counted:
            options["retries"] = request.retries
        key = (request.delivery_info or {}).get("routing_key") or ""
        options.setdefault("queue", ".".join(key.split(".")[-2:]) or None)
        return super().signature_from_request(request, *args, **options)

    def on_retry(self, exc: BaseException | None, task_id: str, *_: Any) -> None:
        """Log an exception that brings the message back; a deferral is none."""
        if exc is not None:
            log.error("task.crashed", message_id=task_id, error=type(exc).__name__, where=places(exc))

    def on_failure(self, exc: BaseException, task_id: str, _args: Any, kwargs: Any, _einfo: Any) -> None:
        """Report a message that is given up because of our own bug; Celery dead-letters it next."""
        because = reason("internal_error", type(exc).__name__)
        log.error("message.dead_lettered", message_id=task_id, reason=because, where=places(exc))
        try:
            self.background.run(self.reporter.report(failure(task_id, because, series=_series(kwargs))))
        except UnreportedError:
            log.warning("event.unreported", event_name=Event.FAILED, message_id=task_id)


def failure(message_id: str, because: str, event: Event = Event.FAILED, *, series: int = 0) -> RecordEvent:
    """The event for a message that never got as far as an attempt."""
    return RecordEvent(
        message_id=UUID(message_id), event=event, at=datetime.now(UTC), reason=because, series=series
    )


def _series(arguments: Any) -> int:
    """The series of attempts among arguments that may be unreadable otherwise."""
    series = arguments.get("series") if isinstance(arguments, dict) else None
    return series if isinstance(series, int) and 0 <= series < _MOST_SERIES else 0


def register(
    app: Celery,
    *,
    delivery: Delivery,
    reporter: Reporter,
    background: BackgroundLoop,
    welcome: Welcome,
    bug_retry_limit: int,
    bug_backoff_cap: int,
    base: type[MailerTask] | None = None,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Give ``app`` its tasks, of the class *base*, and return them: first ``send_email``, then the other."""
    options: dict[str, Any] = {
        "bind": True,
        # Celery would otherwise give the task to every other app of this process, too.
        "shared": False,
        "Strategy": "services.mailer.intake:strategy",
        "base": type(
            "BoundTask",
            (base or MailerTask,),
            {
                "abstract": True,
                "background": background,
                "delivery": delivery,
                "reporter": reporter,
            },
        ),
        "autoretry_for": (Exception,),
        "dont_autoretry_for": (Reject,),
        "retry_kwargs": {"max_retries": bug_retry_limit},
        "retry_backoff": True,
        "retry_backoff_max": bug_backoff_cap,
        "retry_jitter": True,
    }

    @app.task(name=SendEmail.task, **options)
    def send_email(self: MailerTask, **arguments: Any) -> None:
        self.deliver(self.render(self.read(SendEmail, arguments)))

    @app.task(name=SendWelcomeEmail.task, **options)
    def send_welcome_email(self: MailerTask, email: str | None = None, **arguments: Any) -> None:
        signature = self.read(SendWelcomeEmail, {"email": email, **arguments})
        self.deliver(welcome.render(signature, signature.message_id or UUID(self.request.id)))

    return send_email, send_welcome_email
