"""``GET /metrics`` for Prometheus, served by a thread of its own: it answers whatever the slots do."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, start_http_server

log = structlog.get_logger()


_SHARING = ("services.mailer.pool", "celery.concurrency.thread", "celery.concurrency.solo")


def complain(pool: object, port: int) -> None:
    """Tell that figures are of this process alone, where a pool of Celery's does the work in others."""
    name = type(pool).__module__
    if port and name not in _SHARING:
        log.warning("metrics.incomplete", pool=name.rpartition(".")[2])


def expose(registry: CollectorRegistry, host: str, port: int) -> None:
    """Serve the figures on *port* until the process ends; 0 serves them nowhere.

    A port that cannot be had is told in the log: mail is more important than figures.
    """
    if not port:
        return
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        log.error("metrics.unserved", port=port, error=type(error).__name__)  # noqa: TRY400 - the type says it
