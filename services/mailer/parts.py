"""What a mailer is made of, from its settings; nothing connects before it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from services.mailer.account_settings import AccountSettings
from services.mailer.accounts.account import Account
from services.mailer.accounts.circuit import Circuit, Fuse
from services.mailer.accounts.lobby import Lobby
from services.mailer.accounts.pace import Pace
from services.mailer.accounts.routes import Routes
from services.mailer.backoff import Backoff
from services.mailer.broker import Broker
from services.mailer.claims.claims import Claims, ClaimsStore
from services.mailer.claims.postgresql import PostgresqlClaims
from services.mailer.claims.sqlite import SqliteClaims
from services.mailer.delivery.attempting import Attempting
from services.mailer.delivery.consequence import Patience
from services.mailer.delivery.delivery import Delivery
from services.mailer.delivery.doubt import Doubts
from services.mailer.delivery.ending import Ending
from services.mailer.delivery.exchange import Exchange
from services.mailer.delivery.ports import Transport
from services.mailer.delivery.telling import Telling
from services.mailer.metrics import Metrics
from services.mailer.providers.base import Batchable, Traits
from services.mailer.rates.postgresql import PostgresqlRates
from services.mailer.rates.rates import RateStore
from services.mailer.rates.sqlite import SqliteRates
from services.mailer.reporter import BrokerReporter
from services.mailer.settings import Settings
from services.mailer.smtp.transport import SmtpTransport
from services.mailer.transport import HttpTransport, Transports, trusted
from services.mailer.webhooks.addresses import Addresses
from services.mailer.webhooks.posting import Posting
from services.mailer.webhooks.transport import WebhookTransport
from shared.seals import Seals
from shared.signatures import Lane

if TYPE_CHECKING:
    from services.mailer.tracing.tracing import Tracing

_DAY = 86_400.0
_SHORT_PATIENCE_SECONDS = 20.0
"""On brokers that hand a message out again when nobody acknowledged it for a minute."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs in a mailer process beside the tasks."""

    delivery: Delivery
    routes: Routes
    claims: Claims
    reporter: BrokerReporter
    posting: Posting
    metrics: Metrics
    seals: Seals
    tracing: Tracing | None


def parts_of(settings: Settings, where: Broker) -> Parts:
    """Make everything.

    Raises:
        ValueError: A URL among the settings is not usable.
    """
    claims_store, rates = _stores(settings)
    routes = _routes(settings, rates, where)
    metrics = _metrics(routes)
    tracing = _tracing(settings)
    claims = (Claims if tracing is None else tracing.claims())(claims_store, on_done=metrics.claimed)
    seals = _seals(settings)
    reporter = BrokerReporter(where, seals=seals, on_reported=metrics.reported)
    telling = Telling(reporter)
    connections = settings.slots * len(Lane)
    transport: Transport = Transports(
        HttpTransport(settings.attempt_deadline_seconds, connections),
        SmtpTransport(settings.attempt_deadline_seconds, connections),
    )
    attempting: Callable[..., Attempting] = Attempting
    if tracing is not None:
        transport, attempting = tracing.transport(transport), tracing.attempting()
    patience = Patience(
        Backoff(settings.backoff_base_seconds, settings.backoff_cap_seconds),
        settings.retry_horizon_seconds,
        settings.unauthorised_pause_seconds,
        settings.lease_seconds,
        settings.resend_limit,
        settings.bug_backoff_cap_seconds,
    )
    exchange = Exchange(transport, settings.lease_seconds / 2, metrics)
    ending = Ending(claims, telling, settings.lease_seconds, metrics)
    delivery = Delivery(
        routes=routes,
        claims=claims,
        doubts=Doubts(routes, transport, patience),
        attempting=attempting(routes, claims, exchange, telling, ending, patience, metrics),
        ending=ending,
        telling=telling,
        patience=patience,
        watch=metrics,
        copies_breed=not where.is_amqp,
    )
    posting = _posting(settings, reporter, metrics)
    return Parts(delivery, routes, claims, reporter, posting, metrics, seals, tracing)


def _seals(settings: Settings) -> Seals:
    """Stale is what the claims may have forgotten; half their time leaves room for retries and for clocks."""
    keys = [key.get_secret_value() for key in settings.seal_keys]
    longest = settings.claims_retention_days * _DAY / 2
    return Seals(keys, required=settings.seal_required, longest=longest)


def _tracing(settings: Settings) -> Tracing | None:
    if not settings.tracing:
        return None
    from services.mailer.tracing.tracing import Tracing  # noqa: PLC0415 - it needs optional packages

    scheme = settings.broker_url.get_secret_value().partition(":")[0]
    return Tracing.of_environment("rabbitmq" if scheme.startswith("amqp") else scheme.removesuffix("s"))


def _metrics(routes: Routes) -> Metrics:
    metrics = Metrics([account.name for account in routes.accounts])
    for account in routes.accounts:
        metrics.watch_account(account)
    for lane in Lane:
        metrics.watch_lane(lane, partial(routes.paused, lane))
    return metrics


def _posting(settings: Settings, reporter: BrokerReporter, metrics: Metrics) -> Posting:
    transport = WebhookTransport(
        Addresses(settings.webhook_networks),
        settings.webhook_deadline_seconds,
        settings.webhook_slots or 1,  # with 0 nothing is ever posted
        trusted(),
    )
    return Posting(transport, reporter, on_posted=metrics.posted)


def _routes(settings: Settings, rates: RateStore, where: Broker) -> Routes:
    made: dict[str, Account] = {}
    lanes = {}
    for lane in Lane:
        accounts = settings.accounts(lane)
        for name, account in accounts.items():
            # An account that serves both lanes is one: it has one circuit and one pace.
            made.setdefault(name, _account(name, account, settings, rates))
        lanes[lane] = [made[name] for name in accounts]
    patience = settings.account_patience_seconds
    return Routes(lanes, patience=patience if where.is_amqp else min(patience, _SHORT_PATIENCE_SECONDS))


def _account(name: str, account: AccountSettings, settings: Settings, rates: RateStore) -> Account:
    provider = account.provider()
    traits = account.traits(provider)
    circuit = Circuit(
        Fuse(
            in_a_row=settings.circuit_failures,
            longest=settings.circuit_longest_seconds,
            ramp=settings.recovery_ramp_seconds,
        )
    )
    pace = Pace(rates, name, account.rate_per_second, share=lambda: circuit.share)
    lobby = None
    if isinstance(provider, Batchable) and _may_share(traits, account):
        lobby = Lobby(provider, traits.batch_size, pace, requests=settings.bulk_requests)
    return Account(
        name=name,
        provider=provider,
        traits=traits,
        circuit=circuit,
        pace=pace,
        slots=settings.slots,
        pause=settings.unauthorised_pause_seconds,
        lobby=lobby,
    )


def _may_share(traits: Traits, account: AccountSettings) -> bool:
    """Whether bulk messages may share requests at an account."""
    if traits.key_window is not None:
        return False  # such a batch could only be repeated as that very batch: see decision 17
    # A turn is one request: where the provider counts messages, a batch would be many times too fast.
    kept_to_its_rate = not traits.counts_messages or account.rate_per_second is None
    return traits.batch_size > 1 and kept_to_its_rate


def _stores(settings: Settings) -> tuple[ClaimsStore, RateStore]:
    url, lease = settings.claims_url.get_secret_value(), settings.lease_seconds
    if url.startswith("postgresql://"):
        return PostgresqlClaims(url, lease=lease), PostgresqlRates(url)
    if url.startswith("sqlite:///"):
        path = url.removeprefix("sqlite:///")
        return SqliteClaims(path, lease=lease), SqliteRates(path)
    msg = "claims_url: must start with postgresql:// or sqlite:///"
    raise ValueError(msg)
