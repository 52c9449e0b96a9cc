"""The gateway's composition root: everything is made here and handed on as an argument."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway import __version__
from services.gateway.acceptance.acceptance import Acceptance
from services.gateway.acceptance.suppressions import SuppressionCheck
from services.gateway.api import middlewares
from services.gateway.api.api_keys import ApiKeyHandlers
from services.gateway.api.authentication import authenticate
from services.gateway.api.batch import Batches
from services.gateway.api.description import describe
from services.gateway.api.emails import Drafting, Emails
from services.gateway.api.health import Health
from services.gateway.api.listing import EmailListing
from services.gateway.api.rate_limit import RateLimit
from services.gateway.api.reference import Reference
from services.gateway.api.requests import BodyReader
from services.gateway.api.sendgrid import MailSend
from services.gateway.api.suppressions import SuppressionHandlers
from services.gateway.api.templates import TemplateHandlers
from services.gateway.broker import Broker, broker
from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.postgresql import PostgresqlInsert
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.retention import Retention
from services.gateway.ledger.schedule import Schedule
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.sqlite import SqliteInsert
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.ledger.writer import Insert, Writer
from services.gateway.recorder import Recorder
from services.gateway.relay.amqp import AmqpPublisher
from services.gateway.relay.publisher import Publisher
from services.gateway.relay.relay import Relay
from services.gateway.relay.virtual import VirtualPublisher
from services.gateway.retention import Purger
from services.gateway.settings import Settings
from services.gateway.sweeper import Sweeper
from services.gateway.templates.editing import Editing
from services.gateway.templates.folder import TemplateFolder
from services.gateway.templates.published import Templates
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller, Permission
from services.gateway.tenants.key_use import KeyUse
from services.gateway.tenants.keyring import Keyring

HEALTH = web.AppKey("health", Health)
"""Where the process finds the readiness switch when it is told to stop."""


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
    recorder: Recorder
    template_folder: TemplateFolder | None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Start with the application, and end with it, in the order that loses nothing."""
        async with AsyncExitStack() as closing:  # in reverse order, and each whatever became of the others
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
            self.sweeper.start()
            closing.push_async_callback(self.sweeper.close)
            self.purger.start()
            closing.push_async_callback(self.purger.close)
            yield


def create_app(settings: Settings) -> web.Application:
    """Wire a gateway; nothing connects before the application starts.

    Raises:
        ValueError: A URL among the settings is not usable.
    """
    parts = _parts(settings)
    app = web.Application(
        client_max_size=settings.body_limit_bytes,
        middlewares=[
            middlewares.observe,
            middlewares.answer_problems,
            middlewares.limit_in_flight(
                settings.in_flight_limit,
                limit_bytes=settings.in_flight_limit_bytes,
                largest=settings.body_limit_bytes,
            ),
            authenticate(parts.keyring, RateLimit(settings.rate_limit_per_second)),
        ],
    )
    body = BodyReader(settings.body_limit_bytes, settings.body_timeout_seconds)
    app[HEALTH] = Health(parts.ledger, parts.relay)
    suppressions, stored = Suppressions(parts.sessions), StoredTemplates(parts.sessions)
    acceptance = Acceptance(parts.writer, SuppressionCheck(suppressions))
    templates = Templates(stored)
    drafting = Drafting(templates)
    app.add_routes(Batches(acceptance, drafting, body).routes())
    app.add_routes(Emails(acceptance, drafting, parts.ledger, Schedule(parts.sessions), body).routes())
    app.add_routes(EmailListing(Listing(parts.sessions)).routes())
    app.add_routes(MailSend(acceptance, templates, body).routes())
    app.add_routes(ApiKeyHandlers(parts.api_keys, parts.keyring, body).routes())
    app.add_routes(SuppressionHandlers(suppressions, body).routes())
    app.add_routes(TemplateHandlers(stored, Editing(stored, templates), body).routes())
    app.add_routes(app[HEALTH].routes())
    description = describe(version=__version__, body_limit=settings.body_limit_bytes)
    app.add_routes(Reference(description).routes())
    app.cleanup_ctx.append(parts.run)
    return app


def _parts(settings: Settings) -> Parts:
    address = LedgerAddress.parse(settings.ledger_url.get_secret_value())
    engine = open_engine(address, settings.ledger_timeout_seconds)
    writing = asyncio.Lock() if address.is_sqlite else None
    sessions = Sessions(engine, writing=writing, timeout=settings.ledger_timeout_seconds)
    ledger = Ledger(sessions, silent_after=settings.silent_after_seconds)
    where = broker(settings.broker_url.get_secret_value())
    relay = Relay(_publisher(where, settings), ledger, capacity=settings.relay_capacity)
    insert = _insert(address, settings, writing)
    sweeper = Sweeper(
        ledger,
        Schedule(sessions),
        relay,
        interval=settings.sweep_interval_seconds,
        lease=settings.publish_lease_seconds,
        silent_after=settings.silent_after_seconds,
    )
    purger = Purger(
        Retention(sessions),
        body_days=settings.body_retention_days,
        key_seconds=settings.idempotency_retention_seconds,
        interval=settings.retention_interval_seconds,
    )
    writer = Writer(insert, on_committed=relay.offer)
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
        Recorder(where, ledger.record),
        TemplateFolder(settings.templates_folder, sessions) if settings.templates_folder else None,
    )


def _development(settings: Settings) -> dict[bytes, Caller]:
    """The one key that the ledger does not know of, where the settings allow it."""
    if settings.development_key is None:
        return {}
    caller = Caller("default", UUID(int=0), Permission.FULL)
    return {keys.digest(settings.development_key.get_secret_value()): caller}


def _publisher(where: Broker, settings: Settings) -> Publisher:
    if where.is_amqp:
        return AmqpPublisher(where, confirm_timeout=settings.confirm_timeout_seconds)
    return VirtualPublisher(where)


def _insert(address: LedgerAddress, settings: Settings, writing: asyncio.Lock | None) -> Insert:
    spans = {
        "timeout": settings.ledger_timeout_seconds,
        "lease": settings.publish_lease_seconds,
        "retention": settings.idempotency_retention_seconds,
    }
    if writing is not None:
        return SqliteInsert(address.dsn, **spans, writing=writing)
    return PostgresqlInsert(address.dsn, **spans)
