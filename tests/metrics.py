"""What the services would tell Prometheus right after their start, without starting them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.gateway.app import METRICS, create_app
from services.gateway.settings import Settings as GatewaySettings
from services.mailer.settings import Settings as MailerSettings


def families(service: str) -> Sequence[Metric]:
    """Every figure, as Prometheus reads it."""
    with TemporaryDirectory() as folder, chdir(folder):
        registry = _gateway(Path(folder)) if service == "gateway" else _mailer()
        return list(text_string_to_metric_families(generate_latest(registry).decode()))


def _gateway(folder: Path) -> CollectorRegistry:
    settings = {"broker_url": f"filesystem://{folder}/broker", "ledger_url": f"sqlite:///{folder}/ledger"}
    return create_app(GatewaySettings.model_validate(settings))[METRICS].registry


def _mailer() -> CollectorRegistry:
    from services.mailer.worker import create_worker  # noqa: PLC0415 - it makes a mailer when it is imported

    registry: CollectorRegistry = create_worker(MailerSettings())._parts.metrics.registry
    return registry
