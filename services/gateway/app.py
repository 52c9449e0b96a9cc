"""The gateway's composition root: everything is made here and handed on as an argument."""

from __future__ import annotations

from aiohttp import web

from services.gateway import __version__
from services.gateway.acceptance.acceptance import Acceptance
from services.gateway.api import middlewares
from services.gateway.api.api_keys import ApiKeyHandlers
from services.gateway.api.authentication import authenticate
from services.gateway.api.batch import Batches
from services.gateway.api.connections import TURNED_AWAY
from services.gateway.api.description import catalogue, describe
from services.gateway.api.emails import Drafting, Emails
from services.gateway.api.event_stream import EventStreamHandlers
from services.gateway.api.health import Health
from services.gateway.api.in_flight import InFlight, limit_in_flight
from services.gateway.api.listing import EmailListing
from services.gateway.api.provider_events import ProviderEvents
from services.gateway.api.rate_limit import RateLimit
from services.gateway.api.reference import Reference
from services.gateway.api.replays import ReplayHandlers
from services.gateway.api.requests import BodyReader
from services.gateway.api.sendgrid import MailSend
from services.gateway.api.statistics import StatisticsHandlers
from services.gateway.api.suppressions import SuppressionHandlers
from services.gateway.api.templates import TemplateHandlers
from services.gateway.api.turned_away import TurnedAway
from services.gateway.api.unsubscribe import UnsubscribeHandlers
from services.gateway.api.webhook_events import WebhookEventHandlers
from services.gateway.api.webhooks import WebhookHandlers
from services.gateway.bulk_replay import BulkReplay
from services.gateway.dashboard.dashboard import add_dashboard
from services.gateway.dashboard.things import Things
from services.gateway.decisions import Decisions
from services.gateway.event_stream import EventStreams
from services.gateway.ledger.feed import Feed
from services.gateway.ledger.held_keys import HeldKeys
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.replays import Replays
from services.gateway.ledger.report import Report
from services.gateway.ledger.schedule import Schedule
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.ledger.webhook_history import WebhookHistory
from services.gateway.ledger.webhooks import Webhooks
from services.gateway.metrics import Metrics
from services.gateway.parts import Parts, parts_of
from services.gateway.provider_events import fetching
from services.gateway.provider_events.intake import Intake
from services.gateway.scheduling import Scheduling
from services.gateway.settings import Settings
from services.gateway.templates.editing import Editing
from services.gateway.templates.published import Templates
from services.gateway.tenants.issuing import Issuing
from services.gateway.unsubscribing import Tokens, Unsubscribing
from services.gateway.webhooks.management import WebhookManagement

HEALTH = web.AppKey("health", Health)
"""Where the process finds the readiness switch when it is told to stop."""
METRICS = web.AppKey("metrics", Metrics)
"""Where it finds what to tell Prometheus."""


def create_app(settings: Settings) -> web.Application:
    """Wire a gateway; nothing connects before the application starts.

    Raises:
        ValueError: A URL among the settings is not usable.
    """
    parts = parts_of(settings)
    in_flight = _in_flight(settings, parts.metrics)
    parts.metrics.expect_problems(kind.example.name for kind in catalogue.KINDS.values())
    tracing, rate_limit = parts.tracing, RateLimit(settings.rate_limit_per_second)
    app = web.Application(
        client_max_size=settings.body_limit_bytes,
        middlewares=[
            *(() if tracing is None else (tracing.middleware(),)),
            middlewares.observing(parts.metrics.answered),
            middlewares.answer_problems(parts.metrics.refused),
            limit_in_flight(in_flight),
            authenticate(parts.keyring, rate_limit),
        ],
    )
    body = BodyReader(settings.body_limit_bytes, settings.body_timeout_seconds)
    app[HEALTH] = Health(parts.ledger, parts.relay)
    app[METRICS] = parts.metrics
    if tracing is None:  # where there are traces, who is refused has one, too
        app[TURNED_AWAY] = TurnedAway(
            in_flight,
            parts.keyring,
            rate_limit,
            answered=parts.metrics.answered,
            refused=parts.metrics.refused,
        )
    suppressions, stored = Suppressions(parts.sessions), StoredTemplates(parts.sessions)
    held = HeldKeys(parts.sessions, retention=settings.idempotency_retention_seconds)
    current = (lambda: None) if tracing is None else tracing.current
    acceptance = Acceptance(parts.writer, held, trace=current)
    templates = Templates(stored)
    editing = Editing(stored, templates)
    tokens = Tokens.of([key.get_secret_value() for key in settings.unsubscribe_keys])
    drafting = Drafting(templates, Unsubscribing.of(settings.public_url, tokens))
    scheduling = Scheduling(parts.ledger, Schedule(parts.sessions))
    app.add_routes(Batches(acceptance, drafting, body).routes())
    app.add_routes(Emails(acceptance, drafting, parts.ledger, scheduling, body).routes())
    listing = Listing(parts.sessions)
    replays = Replays(parts.sessions, lease=settings.publish_lease_seconds, on_committed=parts.relay.offer)
    decisions = Decisions(replays, BulkReplay(listing, replays))
    app.add_routes(EmailListing(listing).routes())
    app.add_routes(ReplayHandlers(decisions, body).routes())
    issuing = Issuing(parts.api_keys, parts.keyring)
    app.add_routes(MailSend(acceptance, templates, body).routes())
    app.add_routes(ApiKeyHandlers(issuing, body).routes())
    app.add_routes(SuppressionHandlers(suppressions, body).routes())
    app.add_routes(StatisticsHandlers(Report(parts.sessions)).routes())
    app.add_routes(TemplateHandlers(stored, editing, body).routes())
    management = WebhookManagement(Webhooks(parts.sessions), WebhookHistory(parts.sessions))
    app.add_routes(WebhookHandlers(management, body, settings.webhook_networks).routes())
    app.add_routes(WebhookEventHandlers(management).routes())
    app.add_routes(UnsubscribeHandlers(tokens, parts.dispatch).routes())
    streams = _event_streams(parts, settings)
    app.add_routes(streams.routes())
    app.on_shutdown.append(streams.end)
    readers = {name: account.reader(name) for name, account in settings.provider_events.items()}
    fetcher = fetching.Fetcher(fetching.get)
    intake = Intake(
        readers,
        parts.dispatch.publish,
        fetcher,
        courtesy=parts.courtesy,
        trace=current,
        together=lambda: parts.recorder.reads_batches,
    )
    app.add_routes(ProviderEvents(intake, body).routes())
    app.add_routes(app[HEALTH].routes())
    description = describe(version=__version__, body_limit=settings.body_limit_bytes)
    app.add_routes(Reference(description).routes())
    things = Things(
        ledger=parts.ledger,
        listing=listing,
        scheduling=scheduling,
        decisions=decisions,
        suppressions=suppressions,
        management=management,
        networks=settings.webhook_networks,
        stored=stored,
        editing=editing,
        issuing=issuing,
        outbox_directory=settings.outbox_directory,
    )
    add_dashboard(app, parts, settings, things)
    app.cleanup_ctx.append(parts.run)
    return app


def _in_flight(settings: Settings, metrics: Metrics) -> InFlight:
    in_flight = InFlight(
        settings.in_flight_limit, settings.in_flight_limit_bytes, largest=settings.body_limit_bytes
    )
    metrics.watch_requests(lambda: in_flight.requests)
    return in_flight


def _event_streams(parts: Parts, settings: Settings) -> EventStreamHandlers:
    streams = EventStreams(
        Feed(parts.sessions),
        interval=settings.event_stream_interval_seconds,
        per_key=settings.event_streams_per_key,
        limit=settings.event_streams_limit,
    )
    return EventStreamHandlers(streams, parts.keyring, settings.event_stream_heartbeat_seconds)
