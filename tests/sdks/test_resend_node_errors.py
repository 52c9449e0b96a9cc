"""Errors as Resend's Node.js SDK hands them over: the body of our answer, as it is."""

from __future__ import annotations

import pytest

from tests.sdks.gateway import NOWHERE, STRANGE_KEY, Pillarbox
from tests.sdks.node import Node
from tests.sdks.test_resend_node_emails import EMAIL


def test_a_blank_key_is_a_missing_key(node: Node) -> None:
    """The SDK refuses an empty key itself; of a blank one nothing is left behind Bearer."""
    error = node.error("emails.send", EMAIL, key=" ")

    assert (401, "missing_api_key") == (error["statusCode"], error["name"])


def test_a_header_without_a_key_is_a_missing_key(node: Node) -> None:
    """A call can blank the header for itself."""
    error = node.error("emails.list", {}, {"headers": {"Authorization": ""}})

    assert (401, "missing_api_key") == (error["statusCode"], error["name"])


@pytest.mark.parametrize("key", [STRANGE_KEY, "re_123456789"], ids=["unknown", "foreign"])
def test_an_unknown_key_is_invalid(node: Node, key: str) -> None:
    """A key that nobody made, and one of Resend's."""
    error = node.error("emails.send", EMAIL, key=key)

    assert (403, "invalid_api_key") == (error["statusCode"], error["name"])


def test_a_key_may_be_good_for_sending_only(node: Node) -> None:
    """It cannot read templates."""
    made = node.data("apiKeys.create", {"name": "Sending", "permission": "sending_access"})
    error = node.error("templates.list", {}, key=made["token"])

    assert (401, "restricted_api_key") == (error["statusCode"], error["name"])


def test_a_wrong_field_is_a_validation_error(node: Node) -> None:
    """What Resend does not have, the list of failing fields, comes through as well."""
    error = node.error("emails.send", {**EMAIL, "to": "nobody"})

    assert (422, "validation_error") == (error["statusCode"], error["name"])
    assert error["message"]
    assert error["errors"][0]["pointer"].startswith("/to")


@pytest.mark.parametrize("field", ["from", "to", "subject"])
def test_a_field_that_was_left_out_is_missing(node: Node, field: str) -> None:
    """It is named as it is written in the request."""
    error = node.error("emails.send", {name: value for name, value in EMAIL.items() if name != field})

    assert (422, "missing_required_field") == (error["statusCode"], error["name"])
    assert [f"/{field}"] == [wrong["pointer"] for wrong in error["errors"]]


def test_a_body_that_was_left_out_is_missing(node: Node) -> None:
    """Neither html nor text nor a template."""
    error = node.error("emails.send", {name: value for name, value in EMAIL.items() if name != "text"})

    assert (422, "missing_required_field") == (error["statusCode"], error["name"])


@pytest.mark.parametrize(
    "method",
    [
        "emails.get",
        "emails.cancel",
        "templates.get",
        "templates.publish",
        "templates.remove",
        "suppressions.get",
        "suppressions.remove",
        "apiKeys.remove",
    ],
)
def test_what_is_not_there_is_not_found(node: Node, method: str) -> None:
    """Every resource answers an unknown id in the same way."""
    error = node.error(method, NOWHERE)

    assert (404, "not_found") == (error["statusCode"], error["name"])


def test_too_many_requests_are_refused(pillarbox: Pillarbox, node: Node) -> None:
    """A key with one request a second has it used up at once, and the headers say until when."""
    key = pillarbox.make_key("--permission", "full_access", "--rate", "1")
    results = [node.result("emails.list", {}, key=key) for _ in range(10)]
    refused = next(result for result in results if result["error"])

    assert (429, "rate_limit_exceeded") == (refused["error"]["statusCode"], refused["error"]["name"])
    assert "0" == refused["headers"]["ratelimit-remaining"]
    assert int(refused["headers"]["retry-after"]) >= 1
