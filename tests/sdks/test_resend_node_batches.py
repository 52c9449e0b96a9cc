"""Batches and repeated requests through Resend's Node.js SDK."""

from __future__ import annotations

from uuid import uuid4

from tests.sdks.gateway import Pillarbox
from tests.sdks.node import Node
from tests.sdks.test_resend_node_emails import EMAIL

WRONG = {**EMAIL, "to": "nobody"}


def test_a_batch_is_answered_in_its_order(pillarbox: Pillarbox, node: Node) -> None:
    """Each message of a batch has its id at its place, and is delivered."""
    sent = node.data("batch.send", [{**EMAIL, "subject": "One"}, {**EMAIL, "subject": "Two"}])

    assert ["One", "Two"] == [pillarbox.letter(email["id"])["Subject"] for email in sent["data"]]
    assert "errors" not in sent


def test_a_strict_batch_is_taken_whole_or_not_at_all(node: Node) -> None:
    """Strict is what the SDK asks for unless told otherwise."""
    last = node.data("emails.send", EMAIL)["id"]
    error = node.error("batch.send", [EMAIL, WRONG])

    assert (422, "validation_error") == (error["statusCode"], error["name"])
    assert last == node.data("emails.list", {"limit": 1})["data"][0]["id"]


def test_a_permissive_batch_takes_what_is_right(pillarbox: Pillarbox, node: Node) -> None:
    """The wrong message is named by its place, and the others are sent."""
    sent = node.data("batch.send", [EMAIL, WRONG, EMAIL], {"batchValidation": "permissive"})
    faultless = node.data("batch.send", [EMAIL], {"batchValidation": "permissive"})

    assert ["Hello", "Hello"] == [pillarbox.letter(email["id"])["Subject"] for email in sent["data"]]
    assert [1] == [error["index"] for error in sent["errors"]]
    assert [] == faultless["errors"]


def test_a_repeated_request_is_answered_as_the_first(node: Node) -> None:
    """With the same idempotency key and body nothing is sent twice, in a batch neither."""
    one, many = {"idempotencyKey": str(uuid4())}, {"idempotencyKey": str(uuid4())}

    assert node.data("emails.send", EMAIL, one) == node.data("emails.send", EMAIL, one)
    assert node.data("batch.send", [EMAIL], many) == node.data("batch.send", [EMAIL], many)


def test_a_key_for_another_body_is_refused(node: Node) -> None:
    """The same idempotency key with another body is a mistake of the caller."""
    options = {"idempotencyKey": str(uuid4())}
    node.data("emails.send", EMAIL, options)
    error = node.error("emails.send", {**EMAIL, "subject": "Another"}, options)

    assert (409, "invalid_idempotent_request") == (error["statusCode"], error["name"])
