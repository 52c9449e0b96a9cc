"""Pillarbox as the thing that is measured: real processes, with the settings of production."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench import caller
from bench.provider import Provider
from bench.waiting import wait
from services.gateway.settings import Settings as GatewaySettings
from services.mailer.settings import Settings as MailerSettings
from tests.flow.system import QUICK, Service, System
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ

KEY = "SG.key-of-the-bench"
QUEUES = ("mailer.transactional", "mailer.bulk")
_EMPTY = """
DO $$ DECLARE names text; BEGIN
    SELECT string_agg(quote_ident(tablename), ', ') INTO names FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'api_keys');
    IF names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || names; END IF;
END $$
"""


def defaults() -> dict[str, str]:
    """Give the services' own defaults for all that whole-system tests make short."""
    fields = {**MailerSettings.model_fields, **GatewaySettings.model_fields}
    names = {name: name.removeprefix("PILLARBOX_").lower() for name in QUICK}
    return {name: str(fields[known].default) for name, known in names.items() if known != "log_format"}


@dataclass(slots=True)
class Pillarbox:
    """A gateway, and mailers as they are asked for, on RabbitMQ and PostgreSQL."""

    system: System
    rabbitmq: RabbitMQ
    postgresql: PostgreSQL
    provider: Provider
    events_key: ec.EllipticCurvePrivateKey
    """Signs what the provider tells."""
    mailers: list[Service] = field(default_factory=list)

    @classmethod
    def on(
        cls,
        folder: Path,
        *,
        rabbitmq: RabbitMQ,
        postgresql: PostgreSQL,
        provider: Provider,
        ledger_url: str | None,
        settings: Mapping[str, str],
    ) -> Self:
        """Prepare one; by default its databases are empty."""
        key = ec.generate_private_key(ec.SECP256R1())
        system = System(
            folder,
            rabbitmq.gateway_url,
            rabbitmq.mailer_url,
            ledger_url or postgresql.create_database(),
            postgresql.create_database(),
            {
                **defaults(),
                "PILLARBOX_PROVIDER": "sendgrid",
                "PILLARBOX_SENDGRID_API_KEY": KEY,
                "PILLARBOX_SENDGRID_BASE_URL": provider.url,
                "PILLARBOX_PROVIDER_EVENTS__SENDGRID__PUBLIC_KEYS": _public(key),
                **settings,
            },
        )
        return cls(system, rabbitmq, postgresql, provider, key)

    def __enter__(self) -> Self:
        self.rabbitmq.fresh()
        try:
            self.system.start(mailers=0)
            self.start_mailers()  # who consumes declares: from now on there are queues
            self.stop_mailers()
        except BaseException:
            self.system.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.system.stop()

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.system.port}"

    def reset(self, latency: float = 0.0) -> None:
        """Empty queues and databases, with no mailer running; the provider's latency is in seconds."""
        self.stop_mailers()
        for queue in QUEUES:
            self.rabbitmq.purge(queue)
        for database in (self.system.ledger_url, self.system.claims_url):
            self.postgresql.execute(_EMPTY, database)
        self.provider.reset(latency)

    def start_mailers(self, count: int = 1, settings: Mapping[str, str] | None = None) -> None:
        """Start mailers, with settings of their own if given, and wait until they consume."""
        started = [self.system.add_mailer(settings=settings) for _ in range(count)]
        for mailer in started:
            wait(partial(_has_started, mailer), "a mailer to start", period=0.02, patience=60)
        self.mailers += started

    def stop_mailers(self) -> None:
        """Stop all mailers."""
        for mailer in self.mailers:
            mailer.signal(15)
        for mailer in self.mailers:
            mailer.wait()
            self.system.mailers.remove(mailer)
            mailer.log_path.unlink()
        self.mailers.clear()

    def rows(self) -> int:
        """Messages in the ledger."""
        return int(self.postgresql.execute("SELECT count(*) FROM messages", self.system.ledger_url))

    def sent(self) -> int:
        """Messages that the ledger knows to be sent."""
        query = "SELECT count(*) FROM messages WHERE status = 'sent'"
        return int(self.postgresql.execute(query, self.system.ledger_url))

    def queued(self) -> int:
        """Messages that wait at the broker."""
        return sum(self.rabbitmq.queue_depth(queue) for queue in QUEUES)

    def wait_until_queued(self, count: int) -> float:
        """Wait until so many wait at the broker; like all of these it returns the seconds that it took."""
        return wait(lambda: self.queued() >= count, f"{count} messages at the broker", period=0.05)

    def wait_until_received(self, count: int) -> float:
        """Wait until so many have arrived at the provider."""
        return wait(lambda: self.provider.count()[0] >= count, f"{count} messages to arrive")

    def wait_until_sent(self, count: int) -> float:
        """Wait until the ledger knows so many to be sent."""
        return wait(lambda: self.sent() >= count, f"{count} messages to be recorded")

    def fill(self, count: int, **fields: object) -> caller.Called:
        """Have so many e-mails accepted, a hundred to a call."""
        return caller.fill(f"{self.url}/emails/batch", self.system.headers(), count, **fields)


def _has_started(mailer: Service) -> bool:
    return "mailer.started" in mailer.log()


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    """Write the public half as SendGrid shows it."""
    written = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(written).decode()
