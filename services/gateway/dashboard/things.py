"""The pages about things, and what they share with the API: what it does, they do by the same functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from services.gateway.dashboard.dead_letters import DeadLetters
from services.gateway.dashboard.frame import Frame
from services.gateway.dashboard.inbox import Inbox
from services.gateway.dashboard.keys import KeyPages
from services.gateway.dashboard.message import MessagePage
from services.gateway.dashboard.messages import Messages
from services.gateway.dashboard.navigation import Pages
from services.gateway.dashboard.outbox import Outbox
from services.gateway.dashboard.suppressions import SuppressionPages
from services.gateway.dashboard.template_pages import TemplatePages
from services.gateway.dashboard.webhook_event import WebhookEventPage
from services.gateway.dashboard.webhooks import WebhookPages
from services.gateway.decisions import Decisions
from services.gateway.ledger.listing import Listing
from services.gateway.ledger.queries import Ledger
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.ledger.templates import StoredTemplates
from services.gateway.scheduling import Scheduling
from services.gateway.templates.editing import Editing
from services.gateway.tenants.issuing import Issuing
from services.gateway.webhooks.endpoint import Networks
from services.gateway.webhooks.management import WebhookManagement


@dataclass(frozen=True, slots=True)
class Things:
    """What the pages need."""

    ledger: Ledger
    listing: Listing
    scheduling: Scheduling
    decisions: Decisions
    suppressions: Suppressions
    management: WebhookManagement
    networks: Networks
    """Webhooks may be posted to these although they are not public."""
    stored: StoredTemplates
    editing: Editing
    issuing: Issuing
    outbox_directory: Path | None
    """None where the gateway is not to look into it."""

    def pages(self, frame: Frame) -> Iterator[Pages]:
        """Every group of pages, in the order of the menu."""
        outbox = Outbox(self.outbox_directory) if self.outbox_directory else None
        if outbox is not None:
            yield Inbox(frame, outbox, self.listing)
        yield Messages(frame, self.listing)
        yield MessagePage(frame, self.ledger, self.scheduling, self.decisions, outbox)
        yield DeadLetters(frame, self.listing, self.decisions)
        yield SuppressionPages(frame, self.suppressions)
        yield WebhookPages(frame, self.management, self.networks)
        yield WebhookEventPage(frame, self.management)
        yield TemplatePages(frame, self.stored, self.editing)
        yield KeyPages(frame, self.issuing)
