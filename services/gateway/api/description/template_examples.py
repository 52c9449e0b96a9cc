"""True examples of what ``/templates`` takes and answers."""

from __future__ import annotations

from typing import Any

from services.gateway.api.description.catalogue import ID

TEMPLATE: dict[str, Any] = {
    "name": "Password reset",
    "alias": "password-reset",
    "from": "Shop <shop@example.com>",
    "subject": "Reset your password, {{ NAME }}",
    "html": "<p>The link is good for {{ MINUTES }} minutes.</p>",
    "variables": [{"key": "NAME", "type": "string", "fallback_value": "dear customer"}],
}
AT = "2026-01-02T03:04:05Z"
CHANGED = {"object": "template", "id": str(ID)}
SUMMARY = {
    "id": str(ID),
    "name": "Password reset",
    "alias": "password-reset",
    "status": "published",
    "created_at": AT,
    "updated_at": AT,
    "published_at": AT,
    "has_unpublished_versions": False,
    "read_only": False,
}
SHOWN = {
    **SUMMARY,
    **TEMPLATE,
    "object": "template",
    "reply_to": None,
    "text": None,
    "variables": [{**TEMPLATE["variables"][0], "created_at": AT, "updated_at": AT}],
    "version": 1,
    "current_version_id": str(ID),
}
VERSION = {"id": str(ID), "version": 1, "published": True, "created_at": AT}
RENDERED = {
    "subject": "Reset your password, Ann",
    "html": "<p>The link is good for 20 minutes.</p>",
    "text": None,
}
