"""A span around each task, in the trace that the broker message names; what is run in it is its child.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations

from typing import Any

from celery.exceptions import Reject, Retry
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from services.mailer.tasks import MailerTask
from services.mailer.tracing import contexts


def traced_task(tracer: Tracer, system: str) -> type[MailerTask]:
    """Make the class of tasks."""

    class TracedTask(MailerTask):
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run the task; unlike Celery's own it keeps the request, which has the headers."""
            queue = ".".join(str((self.request.delivery_info or {}).get("routing_key")).split(".")[-2:])
            attributes = {
                "messaging.system": system,
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": queue,
                "messaging.message.id": str(self.request.id),
                "pillarbox.task": self.name,
                "pillarbox.retries": self.request.retries,
            }
            with tracer.start_as_current_span(
                f"process {queue}",
                contexts.carried(self.request.headers or {}),
                SpanKind.CONSUMER,
                attributes=attributes,
                record_exception=False,  # its text may quote what was sent
                set_status_on_exception=False,
            ) as span:
                try:
                    return self.run(*args, **kwargs)
                except Retry:
                    span.set_attribute("pillarbox.retried", value=True)
                    raise
                except Exception as error:
                    is_given_back = isinstance(error, Reject) and error.requeue
                    span.set_attribute("error.type", type(error).__name__)
                    if not is_given_back:
                        span.set_status(StatusCode.ERROR)
                    raise

    return TracedTask
