"""The bodies of lists, one model for each, so that each has a name in the document."""

from __future__ import annotations

from services.gateway.api.api_keys import ApiKeyRepresentation
from services.gateway.api.listing import EmailSummary
from services.gateway.api.pages import ListBody
from services.gateway.api.suppressions import SuppressionRepresentation
from services.gateway.api.template_bodies import TemplateSummary, VersionRepresentation
from services.gateway.api.webhook_bodies import WebhookAttempt, WebhookEventSummary, WebhookSummary


class EmailList(ListBody[EmailSummary]):
    """A page of messages, without their bodies."""


class TemplateList(ListBody[TemplateSummary]):
    """A page of templates, without their sources."""


class VersionList(ListBody[VersionRepresentation]):
    """A page of a template's versions."""


class SuppressionList(ListBody[SuppressionRepresentation]):
    """A page of suppressions."""


class ApiKeyList(ListBody[ApiKeyRepresentation]):
    """A page of API keys, without what makes them keys."""


class WebhookList(ListBody[WebhookSummary]):
    """A page of webhooks, without their secrets."""


class WebhookEventList(ListBody[WebhookEventSummary]):
    """A page of the events of an endpoint, without their payloads."""


class WebhookAttemptList(ListBody[WebhookAttempt]):
    """A page of the attempts at an event."""
