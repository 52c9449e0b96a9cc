"""What runs in a gateway process beside the HTTP handlers, and how it is made from the settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.activity import Activity
from services.gateway.broker import Broker, broker
from services.gateway.courtesy import Courtesy
from services.gateway.ledger.activity import RecentActivity
from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.known_messages import KnownMessage
from services.gateway.ledger.ledger_event import LedgerEvent
from services.gateway.ledger.mailers import Mailers
from services.gateway.ledger.postgresql import PostgresqlInsert
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.recording import OnAdded, Recording
from services.gateway.ledger.retention import Retention
from services.gateway.ledger.roll_up import RollUp
from services.gateway.ledger.schedule import Schedule
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.sqlite import SqliteInsert
from services.gateway.ledger.strays import Strays
from services.gateway.ledger.waiting import Waiting
from services.gateway.ledger.webhook_events import WebhookEvents
from services.gateway.ledger.writer import Insert, Writer
from services.gateway.metrics import Metrics
from services.gateway.recording.pending import Records
from services.gateway.recording.recorder import Recorder
from services.gateway.recording.stray_watch import StrayWatch
from services.gateway.relay.amqp import AmqpPublisher
from services.gateway.relay.dispatch import Dispatch
from services.gateway.relay.publisher import Publisher
from services.gateway.relay.relay import Relay
from services.gateway.relay.virtual import VirtualPublisher
from services.gateway.retention import Purger
from services.gateway.roll_up import Accountant
from services.gateway.sampling import Sampler
from services.gateway.settings import Settings
from services.gateway.sweeper import Sweeper
from services.gateway.templates.folder import TemplateFolder
from services.gateway.tenants import keys
from services.gateway.tenants.callers import DEVELOPMENT, Caller, Permission
from services.gateway.tenants.key_use import KeyUse
from services.gateway.tenants.keyring import Keyring
from services.gateway.webhooks.dispatcher import WebhookDispatcher
from shared.seals import Seals

if TYPE_CHECKING:
    from services.gateway.tracing.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs beside the HTTP handlers, in the order of starting."""

    engine: AsyncEngine
    is_sqlite: bool
    sessions: Sessions
    api_keys: ApiKeys
    keyring: Keyring
    key_use: KeyUse
    writer: Writer
    ledger: Ledger
    relay: Relay
    sweeper: Sweeper
    purger: Purger
    accountant: Accountant
    recorder: Recorder
    stray_watch: StrayWatch
    dispatch: Dispatch
    webhook_dispatcher: WebhookDispatcher
    template_folder: TemplateFolder | None
    courtesy: Courtesy
    metrics: Metrics
    mailers: Mailers
    tracing: Tracing | None
    sampler: Sampler | None
    activity: Activity

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Start with the application, and end with it, in the order that loses nothing."""
        async with AsyncExitStack() as closing:  # in reverse order, and each whatever became of the others
            if self.tracing is not None:
                closing.push_async_callback(self.tracing.close)
            closing.push_async_callback(self.engine.dispose)
            if self.is_sqlite:
                await migrate(self.engine)
            if self.template_folder is not None:
                closing.push_async_callback(self.template_folder.close)
                await self.template_folder.start()
            self.key_use.start()
            closing.push_async_callback(self.key_use.close)
            self.recorder.start()
            closing.push_async_callback(self.recorder.close)
            self.relay.start()
            closing.push_async_callback(self.relay.close)
            closing.push_async_callback(self.writer.close)
            self.dispatch.start()
            closing.push_async_callback(self.dispatch.close)
            self.webhook_dispatcher.start()
            closing.push_async_callback(self.webhook_dispatcher.close)
            self.sweeper.start()
            closing.push_async_callback(self.sweeper.close)
            self.purger.start()
            closing.push_async_callback(self.purger.close)
            self.stray_watch.start()
            closing.push_async_callback(self.stray_watch.close)
            self.accountant.start()
            closing.push_async_callback(self.accountant.close)
            if self.sampler is not None:
                self.sampler.start()
                closing.push_async_callback(self.sampler.close)
            self.activity.start()
            closing.push_async_callback(self.activity.close)
            yield


def parts_of(settings: Settings) -> Parts:
    """Make everything; nothing connects before it is started.

    Raises:
        ValueError: A URL among the settings is not usable.
    """
    address = LedgerAddress.parse(settings.ledger_url.get_secret_value())
    engine = open_engine(address, settings.ledger_timeout_seconds)
    writing = asyncio.Lock() if address.is_sqlite else None
    where = broker(settings.broker_url.get_secret_value())
    metrics, tracing = Metrics(), _tracing(settings)
    measured = _measured(metrics, tracing)
    sessions = Sessions(
        engine,
        writing=writing,
        timeout=settings.ledger_timeout_seconds,
        on_unavailable=metrics.ledger_unavailable,
    )
    activity = Activity(RecentActivity(sessions))
    added = _added(metrics, activity, tracing)
    ledger = Ledger(
        sessions,
        silent_after=settings.silent_after_seconds,
        on_added=added,
    )
    relay = Relay(
        _traced(_publisher(where, settings), tracing),
        ledger,
        capacity=settings.relay_capacity,
        on_published=metrics.published,
    )
    dispatch = Dispatch(_publisher(where, settings))
    _watch(metrics, relay, dispatch)
    insert = _insert(address, settings, writing)
    sweeper = Sweeper(
        ledger,
        Schedule(sessions),
        relay,
        interval=settings.sweep_interval_seconds,
        lease=settings.publish_lease_seconds,
        silent_after=settings.silent_after_seconds,
        on_found=metrics.found,
    )
    purger = Purger(
        Retention(sessions),
        body_days=settings.body_retention_days,
        key_seconds=settings.idempotency_retention_seconds,
        interval=settings.retention_interval_seconds,
    )
    courtesy = Courtesy()

    def committed(entries: Sequence[Entry]) -> None:
        courtesy.accepting()
        relay.offer(entries)
        activity.accepted(entries)

    writer = Writer(
        insert,
        on_committed=committed,
        on_measured=measured,
        on_unavailable=lambda: metrics.ledger_unavailable("accept"),
    )
    mailers = Mailers(sessions)
    api_keys = ApiKeys(sessions)
    keyring = Keyring(api_keys, max_age=settings.api_key_cache_seconds, fixed=_development(settings))
    key_use = KeyUse(keyring, api_keys, interval=settings.api_key_use_seconds)
    return Parts(
        engine,
        address.is_sqlite,
        sessions,
        api_keys,
        keyring,
        key_use,
        writer,
        ledger,
        relay,
        sweeper,
        purger,
        Accountant(RollUp(sessions), interval=settings.roll_up_interval_seconds),
        Recorder(
            where,
            Records(_courteous(ledger, courtesy, metrics), WebhookEvents(sessions).record),
            seals=_seals(settings),
            on_dead_letter=metrics.dead_letter,
            tell_of_mailers=mailers.record,
        ),
        _stray_watch(settings, sessions, added),
        dispatch,
        _webhook_dispatcher(settings, sessions, dispatch, relay),
        TemplateFolder(settings.templates_folder, sessions) if settings.templates_folder else None,
        courtesy,
        metrics,
        mailers,
        tracing,
        _sampler(settings, sessions, metrics),
        activity,
    )


def _sampler(settings: Settings, sessions: Sessions, metrics: Metrics) -> Sampler | None:
    """Nobody asks the ledger for what nobody is told."""
    if not settings.metrics_port:
        return None
    interval = settings.metrics_interval_seconds
    return Sampler(Waiting(sessions), interval=interval, on_sampled=metrics.waiting)


def _tracing(settings: Settings) -> Tracing | None:
    if not settings.tracing:
        return None
    from services.gateway.tracing.tracing import Tracing  # noqa: PLC0415 - it needs optional packages

    scheme = settings.broker_url.get_secret_value().partition(":")[0]
    return Tracing.of_environment("rabbitmq" if scheme.startswith("amqp") else scheme.removesuffix("s"))


def _traced(publisher: Publisher, tracing: Tracing | None) -> Publisher:
    return publisher if tracing is None else tracing.publisher(publisher)


def _measured(metrics: Metrics, tracing: Tracing | None) -> Callable[[Sequence[Entry], float], object]:
    if tracing is None:
        return metrics.committed

    def measured(stored: Sequence[Entry], seconds: float) -> None:
        metrics.committed(stored, seconds)
        tracing.committed(stored, seconds)

    return measured


def _added(metrics: Metrics, activity: Activity, tracing: Tracing | None) -> OnAdded:
    def added(pairs: Sequence[tuple[KnownMessage, LedgerEvent]], seconds: float) -> None:
        metrics.added(pairs, seconds)
        activity.happened(pairs)
        if tracing is not None:
            tracing.added(pairs, seconds)

    return added


def _watch(metrics: Metrics, relay: Relay, dispatch: Dispatch) -> None:
    metrics.watch_relay(lambda: relay.held, lambda: relay.oldest)
    metrics.watch_line("relay", lambda: relay.connected)
    metrics.watch_line("dispatch", lambda: dispatch.connected)


def _courteous(
    ledger: Ledger, courtesy: Courtesy, metrics: Metrics
) -> Callable[[Sequence[LedgerEvent]], Awaitable[None]]:
    """Record events, and rest for what providers told among them; what mailers tell must not fall behind."""

    async def record(batch: Sequence[LedgerEvent]) -> None:
        begun = time.perf_counter()
        await ledger.record(batch)
        seconds = time.perf_counter() - begun
        metrics.recorded(batch, seconds)
        told = sum(event.is_told for event in batch) / len(batch)
        await courtesy.rest(seconds * told)

    return record


def _development(settings: Settings) -> dict[bytes, Caller]:
    """The one key that the ledger does not know of, where the settings allow it."""
    if settings.development_key is None:
        return {}
    caller = Caller("default", DEVELOPMENT, Permission.FULL)
    return {keys.digest(settings.development_key.get_secret_value()): caller}


def _publisher(where: Broker, settings: Settings) -> Publisher:
    seals = _seals(settings)
    if where.is_amqp:
        return AmqpPublisher(where, confirm_timeout=settings.confirm_timeout_seconds, seals=seals)
    return VirtualPublisher(where, seals)


def _seals(settings: Settings) -> Seals:
    keys = [key.get_secret_value() for key in settings.seal_keys]
    return Seals(keys, required=settings.seal_required)


def _stray_watch(settings: Settings, sessions: Sessions, added: OnAdded) -> StrayWatch:
    recording = Recording(sessions, silent_after=settings.silent_after_seconds, on_added=added)
    return StrayWatch(
        Strays(sessions, recording),
        interval=settings.stray_interval_seconds,
        patience=settings.stray_retention_seconds,
    )


def _webhook_dispatcher(
    settings: Settings, sessions: Sessions, dispatch: Dispatch, relay: Relay
) -> WebhookDispatcher:
    return WebhookDispatcher(
        WebhookEvents(sessions),
        dispatch,
        relay.depth,
        interval=settings.sweep_interval_seconds,
        silent_after=settings.silent_after_seconds,
        retention_days=settings.webhook_retention_days,
        purge_interval=settings.retention_interval_seconds,
    )


def _insert(address: LedgerAddress, settings: Settings, writing: asyncio.Lock | None) -> Insert:
    spans = {
        "timeout": settings.ledger_timeout_seconds,
        "lease": settings.publish_lease_seconds,
        "retention": settings.idempotency_retention_seconds,
    }
    if writing is not None:
        return SqliteInsert(address.dsn, **spans, writing=writing)
    return PostgresqlInsert(address.dsn, **spans)
