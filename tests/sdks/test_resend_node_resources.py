"""Templates, suppressions and API keys through Resend's Node.js SDK."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.sdks.gateway import Pillarbox, moment, texts
from tests.sdks.node import Node
from tests.sdks.test_resend_node_emails import EMAIL

TEMPLATE: dict[str, Any] = {
    "name": "Order",
    "from": "Shop <shop@example.com>",
    "subject": "Your order",
    "replyTo": "help@example.com",
    "html": "<p>{{{NAME}}} ordered {{{COUNT}}}</p>",
    "text": "{{{NAME}}} ordered {{{COUNT}}}",
    "variables": [
        {"key": "NAME", "type": "string", "fallbackValue": None},
        {"key": "COUNT", "type": "number", "fallbackValue": 1},
    ],
}


@pytest.fixture
def template(node: Node) -> str:
    """A template, published in the same breath: ``templates.create(…).publish()``."""
    alias = f"order-{uuid4()}"
    published = node.data("templates.create", {**TEMPLATE, "alias": alias}, then="publish")

    assert "template" == published["object"]
    return str(published["id"])


def test_a_template_is_filled_in(pillarbox: Pillarbox, node: Node, template: str) -> None:
    """Sender, subject and Reply-To come from the template, variables from the message or their fallback."""
    given = {"id": template, "variables": {"NAME": "Ann", "COUNT": 3}}
    fallen_back = {"id": template, "variables": {"NAME": "Bob"}}
    first, second = (
        pillarbox.letter(node.data("emails.send", {"to": "ann@example.org", "template": chosen})["id"])
        for chosen in (given, fallen_back)
    )

    assert ("Shop <shop@example.com>", "Your order") == (first["From"], first["Subject"])
    assert "help@example.com" == first["Reply-To"]
    assert {"text/plain": "Ann ordered 3", "text/html": "<p>Ann ordered 3</p>"} == texts(first)
    assert "Bob ordered 1" == texts(second)["text/plain"]


def test_a_template_is_shown_by_id_and_by_alias(node: Node, template: str) -> None:
    """Everything that the SDK's type promises is there."""
    shown = node.data("templates.get", template)
    name, count = shown["variables"]

    assert ("template", template, "Order", "published") == tuple(
        shown[field] for field in ("object", "id", "name", "status")
    )
    assert (TEMPLATE["html"], TEMPLATE["text"]) == (shown["html"], shown["text"])
    assert (["help@example.com"], False) == (shown["reply_to"], shown["has_unpublished_versions"])
    assert ("NAME", "string", None) == (name["key"], name["type"], name["fallback_value"])
    assert ("COUNT", "number", 1) == (count["key"], count["type"], count["fallback_value"])
    assert moment(shown["created_at"]) <= moment(shown["published_at"])
    assert {"updated_at", "current_version_id"} <= shown.keys()
    assert template == node.data("templates.get", shown["alias"])["id"]


def test_a_template_is_changed_copied_and_removed(node: Node, template: str) -> None:
    """The copy is a template of its own, and a draft."""
    changed = node.data("templates.update", template, {"name": "Purchase"})
    copy = node.data("templates.duplicate", template)["id"]
    listed = {entry["id"]: entry["status"] for entry in node.data("templates.list", {"limit": 100})["data"]}
    removed = node.data("templates.remove", template)

    assert {"object": "template", "id": template} == changed
    assert ("published", "draft") == (listed[template], listed[copy])
    assert {"object": "template", "id": template, "deleted": True} == removed
    assert "not_found" == node.error("templates.get", template)["name"]
    assert copy == node.data("templates.get", copy)["id"]


def test_a_copy_can_be_published_at_once(node: Node, template: str) -> None:
    """``templates.duplicate(…).publish()`` publishes the copy."""
    copy = node.data("templates.duplicate", template, then="publish")["id"]

    assert copy != template
    assert "published" == node.data("templates.get", copy)["status"]


def test_templates_are_listed_in_pages(node: Node, template: str) -> None:
    """A page that is not the last one says so."""
    node.data("templates.duplicate", template)
    page = node.data("templates.list", {"limit": 1})
    rest = node.data("templates.list", {"limit": 100, "after": page["data"][0]["id"]})

    assert ("list", True, 1) == (page["object"], page["has_more"], len(page["data"]))
    assert template in [entry["id"] for entry in (*page["data"], *rest["data"])]


def test_a_suppression_is_added_shown_and_removed(node: Node) -> None:
    """An address is suppressed once, and found by itself as well as by its id."""
    address = f"{uuid4()}+tag@example.org"
    added, again = (node.data("suppressions.add", {"email": address}) for _ in range(2))
    shown = node.data("suppressions.get", address)
    listed = node.data("suppressions.list", {"origin": "manual", "limit": 100})
    removed = node.data("suppressions.remove", address)

    assert {"object": "suppression", "id": shown["id"]} == added == again
    assert ("suppression", address) == (shown["object"], shown["email"])
    assert ("manual", None) == (shown["origin"], shown["source_id"])
    assert ("list", False) == (listed["object"], listed["has_more"])
    assert added["id"] in [entry["id"] for entry in listed["data"]]
    assert {"object": "suppression", "id": added["id"], "deleted": True} == removed
    assert "not_found" == node.error("suppressions.get", added["id"])["name"]


def test_suppressions_come_and_go_in_batches(node: Node) -> None:
    """Addresses or ids, and whatever is not suppressed is left out of the answer."""
    one, two = (f"{uuid4()}@example.org" for _ in range(2))
    added = node.data("suppressions.batch.add", {"emails": [one, two, one]})["data"]
    by_email = node.data("suppressions.batch.remove", {"emails": [one, "nobody@example.org"]})["data"]
    ids = [entry["id"] for entry in added]
    by_id = node.data("suppressions.batch.remove", {"ids": ids})["data"]

    assert [{"object": "suppression", "id": id_} for id_ in ids] == added
    assert [True, True] == [entry["deleted"] for entry in (*by_email, *by_id)]
    assert set(ids) == {entry["id"] for entry in (*by_email, *by_id)}


def test_an_api_key_is_made_used_and_removed(node: Node) -> None:
    """The token is told once, works at once, and is worth nothing after its removal."""
    made = node.data("apiKeys.create", {"name": "Billing", "permission": "sending_access"})
    listed = {entry["id"]: entry for entry in node.data("apiKeys.list", {"limit": 100})["data"]}
    sent = node.data("emails.send", EMAIL, key=made["token"])
    removed = node.data("apiKeys.remove", made["id"])

    assert {"id", "token"} <= made.keys()
    assert ("Billing", None) == (listed[made["id"]]["name"], listed[made["id"]]["last_used_at"])
    assert made["token"] not in str(listed)
    assert sent["id"]
    assert {"object": "api_key", "id": made["id"], "deleted": True} == removed
    assert "invalid_api_key" == node.error("emails.send", EMAIL, key=made["token"])["name"]


def test_an_api_key_is_renamed(node: Node) -> None:
    """The name is the one thing that can be changed."""
    made = node.data("apiKeys.create", {"name": "Old"})
    renamed = node.data("apiKeys.update", made["id"], {"name": "New"})
    names = {entry["id"]: entry["name"] for entry in node.data("apiKeys.list", {"limit": 100})["data"]}

    assert {"object": "api_key", "id": made["id"]} == renamed
    assert "New" == names[made["id"]]
