"""The mailer's composition root: ``celery -A services.mailer.worker worker -l INFO``.

Nothing connects at import; the settings are read from the environment.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, bootsteps
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_unknown,
    worker_init,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)
from celery.worker import state
from kombu import Exchange, Queue
from kombu.serialization import dumps

from services.mailer import embedded, failpoints, logs, tasks
from services.mailer.accounts.routes import Routes
from services.mailer.announcing import Announcer
from services.mailer.background import BackgroundLoop
from services.mailer.broker import HEARTBEAT_SECONDS, Broker, broker
from services.mailer.exposition import complain, expose
from services.mailer.health import Health
from services.mailer.housekeeping import purge_for_ever
from services.mailer.intake import PausingStep
from services.mailer.parts import Parts, parts_of
from services.mailer.presence import Presence
from services.mailer.rendering import Welcome
from services.mailer.settings import Settings, load
from services.mailer.slots import busy
from services.mailer.webhooks import tasks as webhook_tasks
from services.mailer.webhooks.intake import WebhookStep
from shared.seals import HEADER, Seals
from shared.signatures import (
    DEAD_LETTER_EXCHANGE,
    EXCHANGE,
    MAILER_QUEUES,
    Address,
    Event,
    Lane,
    PostWebhook,
    SendEmail,
    SendWelcomeEmail,
    SlotUse,
)

log = structlog.get_logger()

_SLACK_SECONDS = 300.0
"""Beyond what a message can rightly take, before its slot counts as stuck."""
_DELAYED = "celery_delayed_"
"""How the exchanges of native delayed delivery begin."""
_QUORUM = {"x-queue-type": "quorum"}
_QUEUE_ARGUMENTS = {
    **_QUORUM,
    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
    # A message that kills its worker so many times is poison.
    "x-delivery-limit": 20,
}
DEAD_LETTERS = Queue(
    "mailer.dead",
    Exchange(DEAD_LETTER_EXCHANGE, "topic", durable=True),
    routing_key="#.mailer.#",  # a retried message's key begins with Celery's delay bits
    queue_arguments=_QUORUM,
)


class Mailer(Celery):
    """A Celery app whose workers keep to themselves.

    Gossip, mingle and worker heartbeats need queues and exchanges beyond what a least-privilege
    user may touch, and tell nothing that the ledger does not know better.
    """

    @property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        """Celery's worker, quiet by default."""
        quiet = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        worker = self.subclass_with_self("celery.apps.worker:Worker")
        return lambda *args, **options: worker(*args, **{**options, **quiet})

    def prepare(self, settings: Settings, where: Broker, parts: Parts, background: BackgroundLoop) -> None:
        """Tell the intakes what they need to know: see ``intake`` and ``webhooks.intake``."""
        self.slots, self.is_amqp = settings.slots, where.is_amqp
        self.webhook_slots, self.webhook_queue = settings.webhook_slots, _queue(PostWebhook.QUEUE, where)
        self.is_paused = parts.routes.paused
        self.seals = parts.seals
        self.health = Health(
            settings.health_directory,
            background,
            longest=settings.account_patience_seconds + settings.lease_seconds + _SLACK_SECONDS,
            slots=settings.slots,
            underway=lambda: state.active_requests,
        )
        for queue in (*MAILER_QUEUES, PostWebhook.QUEUE):
            lane = queue.removeprefix("mailer.")
            parts.metrics.watch_slots(lane, partial(busy, queue, lambda: state.active_requests))
        presence = Presence(parts.routes, self._slot_uses, every=settings.presence_interval_seconds)
        self.announcer = Announcer(where, presence, parts.seals)
        self._parts, self.background = parts, background

    def _slot_uses(self) -> Iterable[SlotUse]:
        """What the slots do that serve a queue; those whose queue is left to others are idle for good."""
        served = {name: self.slots for name in MAILER_QUEUES if name in self.amqp.queues.consume_from}
        if self.webhook_slots:
            served[PostWebhook.QUEUE] = self.webhook_slots
        for name, slots in served.items():
            lane = name.removeprefix("mailer.")
            paused = lane in set(Lane) and self.is_paused(Lane(lane))
            taken = busy(name, lambda: state.active_requests)
            yield SlotUse(queue=name, busy=min(taken, slots), slots=slots, paused=paused)

    def on_unreadable(self, message_id: UUID) -> None:
        """A broker message that cannot be decoded is given up: tell the gateway."""
        event = tasks.failure(str(message_id), "signature_invalid: the broker message cannot be decoded")
        self.background.submit(self._parts.reporter.report(event))

    def on_stale(self, message_id: UUID) -> None:
        """A message waited longer than copies of it would be known: have it published again, if need be."""
        event = tasks.failure(str(message_id), "seal_stale: it waited too long in the broker", Event.DEFERRED)
        self.background.submit(self._parts.reporter.report(event))


class DeadLetterStep(bootsteps.StartStopStep):
    """Makes sure, at every connect, that dead letters have somewhere to go."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, consumer: Any) -> None:
        """Declare the queue that nobody consumes."""
        if consumer.connection.transport.driver_type == "amqp":
            DEAD_LETTERS(consumer.connection.default_channel).declare()


def create_worker(settings: Settings) -> Celery:
    """Wire a mailer; nothing connects before the worker starts.

    Raises:
        ValueError: A URL among the settings is not usable.
    """
    embedded.install()
    where = broker(settings.broker_url.get_secret_value())
    app = Mailer("pillarbox.mailer")
    app.conf.update(_celery_settings(where, settings))
    app.steps["consumer"].add(PausingStep)
    if settings.webhook_slots:
        app.steps["consumer"].add(WebhookStep)
    if where.is_amqp:
        app.steps["consumer"].add(DeadLetterStep)
    background = BackgroundLoop()
    parts = parts_of(settings, where)
    app.prepare(settings, where, parts, background)
    tasks.register(
        app,
        delivery=parts.delivery,
        reporter=parts.reporter,
        background=background,
        welcome=Welcome(Address(email=settings.welcome_sender, name=settings.welcome_sender_name)),
        bug_retry_limit=settings.bug_retry_limit,
        bug_backoff_cap=settings.bug_backoff_cap_seconds,
        base=_base(parts),
    )
    webhook_tasks.register(app, posting=parts.posting, background=background)
    _dress_what_is_published(app, parts.seals)
    _connect_signals(settings, app, parts, background)
    return app


def _celery_settings(where: Broker, settings: Settings) -> dict[str, Any]:
    queues = [_queue(name, where) for name in MAILER_QUEUES]
    options = (
        {**where.transport_options, "confirm_publish": True, "confirm_timeout": 10}
        if where.is_amqp
        else where.transport_options
    )
    return {
        "broker_url": where.url,
        "broker_transport_options": options,
        "broker_heartbeat": HEARTBEAT_SECONDS,
        "broker_connection_timeout": 3,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_native_delayed_delivery_queue_type": "quorum",
        "task_queues": queues,
        "task_default_queue": queues[0].name,
        "task_default_exchange": queues[0].exchange.name,
        "task_default_exchange_type": queues[0].exchange.type,
        "task_default_routing_key": queues[0].routing_key,
        "task_routes": {task: {"queue": queues[0].name} for task in (SendEmail.task, SendWelcomeEmail.task)},
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_pool": "services.mailer.pool:LoopPool",
        "worker_concurrency": settings.slots * len(queues) + settings.webhook_slots,
        "worker_consumer": "services.mailer.intake:LaneConsumer",
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def _queue(name: str, where: Broker) -> Queue:
    if not where.is_amqp:
        return Queue(name, Exchange("", "direct"), routing_key=name)
    # A topic exchange, because native delayed delivery refuses direct ones.
    exchange = Exchange(EXCHANGE, "topic", durable=True)
    return Queue(name, exchange, routing_key=name, queue_arguments=_QUEUE_ARGUMENTS)


def _settle_down() -> None:
    """Exempt what every attempt needs from garbage collection, which looked at all of it again and again.

    It was 7 % of the processor's time.  What attempts leave behind is looked for as often as by default:
    less often was seen to cost memory where many are deferred.
    """
    gc.collect()
    gc.freeze()


async def _close(routes: Routes) -> None:
    routes.close()


def _base(parts: Parts) -> type[tasks.MailerTask]:
    if parts.tracing is None:
        return tasks.MailerTask
    from services.mailer.tracing.tasks import traced_task  # noqa: PLC0415 - it needs optional packages

    return traced_task(parts.tracing.tracer, parts.tracing.system)


def _dress_what_is_published(app: Mailer, seals: Seals) -> None:
    """See to what Celery publishes by itself: a retry, or somebody's ``.delay()``."""

    @before_task_publish.connect(weak=False)
    def dress(body: Any = None, headers: Any = None, exchange: Any = None, **_: Any) -> None:
        if str(getattr(exchange, "name", exchange)).startswith(_DELAYED):
            # The broker does the waiting.  Whoever gets it then would wait for that moment once more, in
            # memory, by a clock of its own: for years, if the clock that it was reckoned by was ahead.
            headers["eta"] = None
        if seals:
            # Celery writes the body in just this way.
            _, _, written = dumps(body, serializer=app.conf.task_serializer)
            headers[HEADER] = seals.seal(headers, written.encode())


def _connect_signals(settings: Settings, app: Mailer, parts: Parts, background: BackgroundLoop) -> None:
    @setup_logging.connect(weak=False)
    def configure_logging(**_: Any) -> None:
        logs.configure(settings.log_format, settings.log_level, traced=settings.tracing)

    @worker_init.connect(weak=False)
    def show(**_: Any) -> None:
        # Before the broker is there: that it is away is what the figures tell.
        expose(parts.metrics.registry, settings.host, settings.metrics_port)

    @worker_ready.connect(weak=False)
    def announce(sender: Any = None, **_: Any) -> None:
        _settle_down()
        complain(sender.pool, settings.metrics_port)
        failpoints.announce()
        log.info("mailer.started", settings=settings.changed())
        app.health.ready()
        background.submit(logs.gather())
        background.submit(app.announcer.announce_for_ever())
        background.submit(purge_for_ever(parts.claims, older_than=settings.claims_retention_days * 86_400))

    @worker_shutting_down.connect(weak=False)
    def let_go(**_: Any) -> None:
        app.health.stopping()
        # Whoever waits for an account or a turn goes back to the broker; what has begun is finished.
        background.submit(_close(parts.routes))
        background.submit(app.announcer.say_goodbye())

    @worker_shutdown.connect(weak=False)
    def flush(**_: Any) -> None:
        if parts.tracing is not None:
            parts.tracing.exporting.close()

    @task_unknown.connect(weak=False)
    def report_unknown(name: str = "", id: str = "", **_: Any) -> None:  # noqa: A002 - Celery's name
        # A newer gateway knows a task that this mailer does not.  Celery has dead-lettered it; the
        # sweeper brings it back later, when the mailer may have been upgraded too.
        log.error("task.unknown", task=name, message_id=id)
        event = tasks.failure(id, f"task_unknown: this mailer does not know {name}", Event.DEFERRED)
        background.submit(parts.reporter.report(event))


failpoints.arm(os.environ)
app = create_worker(load())
send_email = app.tasks[SendEmail.task]
send_welcome_email = app.tasks[SendWelcomeEmail.task]
