"""``GET /metrics`` for Prometheus, served by a thread of its own: it answers whatever the slots do."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, start_http_server

log = structlog.get_logger()


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
