"""Templates, suppressions and API keys through Resend's Python SDK."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import resend
from resend.exceptions import InvalidApiKeyError, ResendError

from tests.sdks.gateway import Pillarbox, texts
from tests.sdks.test_resend_python_emails import EMAIL

pytestmark = pytest.mark.usefixtures("python_resend")


@pytest.fixture
def template() -> str:
    """A published template with one variable that has to be given and one that need not."""
    created = resend.Templates.create(
        {
            "name": "Order",
            "alias": f"order-{uuid4()}",
            "from": "Shop <shop@example.com>",
            "subject": "Your order",
            "html": "<p>{{{NAME}}} ordered {{{COUNT}}}</p>",
            "text": "{{{NAME}}} ordered {{{COUNT}}}",
            "variables": [
                {"key": "NAME", "type": "string"},
                {"key": "COUNT", "type": "number", "fallback_value": 1},
            ],
        }
    )
    published = resend.Templates.publish(created["id"])

    assert ("template", "template") == (created["object"], published["object"])
    assert created["id"] == published["id"]
    return created["id"]


def test_a_template_is_filled_in(pillarbox: Pillarbox, template: str) -> None:
    """Sender and subject come from the template, variables from the message or their fallback."""
    given = resend.Emails.send(
        {"to": "ann@example.org", "template": {"id": template, "variables": {"NAME": "Ann", "COUNT": 3}}}
    )
    fallen_back = resend.Emails.send(
        {"to": "bob@example.org", "template": {"id": template, "variables": {"NAME": "Bob"}}}
    )
    letter = pillarbox.letter(given["id"])

    assert ("Shop <shop@example.com>", "Your order") == (letter["From"], letter["Subject"])
    assert {"text/plain": "Ann ordered 3", "text/html": "<p>Ann ordered 3</p>"} == texts(letter)
    assert "Bob ordered 1" == texts(pillarbox.letter(fallen_back["id"]))["text/plain"]


def test_a_template_is_shown_by_id_and_by_alias(template: str) -> None:
    """What was stored is shown, with its variables."""
    shown: Any = resend.Templates.get(template)
    name, count = shown["variables"]

    assert ("template", template, "Order", "published") == tuple(
        shown[field] for field in ("object", "id", "name", "status")
    )
    assert ("NAME", "string", None) == (name["key"], name["type"], name["fallback_value"])
    assert ("COUNT", "number", 1) == (count["key"], count["type"], count["fallback_value"])
    assert template == resend.Templates.get(shown["alias"])["id"]


def test_a_template_is_changed_copied_and_removed(template: str) -> None:
    """The copy is a template of its own, and a draft."""
    changed = resend.Templates.update({"id": template, "name": "Purchase"})
    copy = resend.Templates.duplicate(template)["id"]
    listed = {entry["id"]: entry["status"] for entry in resend.Templates.list({"limit": 100})["data"]}
    removed = resend.Templates.remove(template)

    assert ("template", template) == (changed["object"], changed["id"])
    assert ("published", "draft") == (listed[template], listed[copy])
    assert ("template", template, True) == (removed["object"], removed["id"], removed["deleted"])
    assert copy == resend.Templates.get(copy)["id"]
    with pytest.raises(ResendError) as gone:
        resend.Templates.get(template)
    assert "not_found" == gone.value.error_type


def test_templates_are_listed_in_pages(template: str) -> None:
    """A page that is not the last one says so."""
    copy = resend.Templates.duplicate(template)["id"]
    page = resend.Templates.list({"limit": 1})
    rest = resend.Templates.list({"limit": 100, "after": page["data"][0]["id"]})

    assert ("list", True, 1) == (page["object"], page["has_more"], len(page["data"]))
    assert {template, copy} <= {entry["id"] for entry in (*page["data"], *rest["data"])}


def test_a_suppression_is_added_shown_and_removed() -> None:
    """An address is suppressed once, and found by itself as well as by its id."""
    address = f"{uuid4()}+tag@example.org"
    added, again = (resend.Suppressions.add({"email": address}) for _ in range(2))
    shown = resend.Suppressions.get(address)
    listed = resend.Suppressions.list({"origin": "manual", "limit": 100})
    removed = resend.Suppressions.remove(address)

    assert ("suppression", added["id"]) == (added["object"], again["id"])
    assert ("suppression", added["id"], address) == (shown["object"], shown["id"], shown["email"])
    assert ("manual", None) == (shown["origin"], shown["source_id"])
    assert ("list", False) == (listed["object"], listed["has_more"])
    assert added["id"] in [entry["id"] for entry in listed["data"]]
    assert ("suppression", added["id"], True) == (removed["object"], removed["id"], removed["deleted"])
    with pytest.raises(ResendError):
        resend.Suppressions.get(added["id"])


def test_suppressions_come_and_go_in_batches() -> None:
    """Addresses or ids, and whatever is not suppressed is left out of the answer."""
    one, two = (f"{uuid4()}@example.org" for _ in range(2))
    added = resend.Suppressions.Batch.add({"emails": [one, two, one]})["data"]
    by_email = resend.Suppressions.Batch.remove({"emails": [one, "nobody@example.org"]})["data"]
    by_id = resend.Suppressions.Batch.remove({"ids": [entry["id"] for entry in added]})["data"]

    assert ["suppression", "suppression"] == [entry["object"] for entry in added]
    assert [True, True] == [entry["deleted"] for entry in (*by_email, *by_id)]
    assert {entry["id"] for entry in added} == {entry["id"] for entry in (*by_email, *by_id)}


def test_an_api_key_is_made_used_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is told once, works at once, and is worth nothing after its removal."""
    made = resend.ApiKeys.create({"name": "Billing", "permission": "sending_access"})
    listed = {entry["id"]: entry for entry in resend.ApiKeys.list({"limit": 100})["data"]}
    with monkeypatch.context() as patch:
        patch.setattr(resend, "api_key", made["token"])
        sent = resend.Emails.send(EMAIL)
    removed = resend.ApiKeys.remove(made["id"])
    monkeypatch.setattr(resend, "api_key", made["token"])

    assert ("Billing", None) == (listed[made["id"]]["name"], listed[made["id"]]["last_used_at"])
    assert made["token"] not in str(listed)
    assert sent["id"]
    assert ("api_key", made["id"], True) == (removed["object"], removed["id"], removed["deleted"])
    with pytest.raises(InvalidApiKeyError):
        resend.Emails.send(EMAIL)


def test_an_api_key_is_renamed() -> None:
    """The name is the one thing that can be changed."""
    made = resend.ApiKeys.create({"name": "Old"})
    renamed = resend.ApiKeys.update({"id": made["id"], "name": "New"})
    names = {entry["id"]: entry["name"] for entry in resend.ApiKeys.list({"limit": 100})["data"]}

    assert ("api_key", made["id"]) == (renamed["object"], renamed["id"])
    assert "New" == names[made["id"]]
