"""Batches and repeated requests through Resend's Python SDK."""

from __future__ import annotations

from uuid import uuid4

import pytest
import resend
from resend.exceptions import ResendError, ValidationError

from tests.sdks.gateway import Pillarbox
from tests.sdks.test_resend_python_emails import EMAIL

pytestmark = pytest.mark.usefixtures("python_resend")

WRONG: resend.Emails.SendParams = {**EMAIL, "to": "nobody"}


def test_a_batch_is_answered_in_its_order(pillarbox: Pillarbox) -> None:
    """Each message of a batch has its id at its place, and is delivered."""
    sent = resend.Batch.send([{**EMAIL, "subject": "One"}, {**EMAIL, "subject": "Two"}])

    assert ["One", "Two"] == [pillarbox.letter(email["id"])["Subject"] for email in sent["data"]]
    assert "errors" not in sent


def test_a_strict_batch_is_taken_whole_or_not_at_all() -> None:
    """Without being told otherwise, one wrong message refuses the batch."""
    last = resend.Emails.send(EMAIL)["id"]
    with pytest.raises(ValidationError) as refused:
        resend.Batch.send([EMAIL, WRONG])

    assert 422 == refused.value.code
    assert last == resend.Emails.list({"limit": 1})["data"][0]["id"]


def test_a_permissive_batch_takes_what_is_right(pillarbox: Pillarbox) -> None:
    """The wrong message is named by its place, and the others are sent."""
    sent = resend.Batch.send([EMAIL, WRONG, EMAIL], {"batch_validation": "permissive"})

    assert ["Hello", "Hello"] == [pillarbox.letter(email["id"])["Subject"] for email in sent["data"]]
    assert [1] == [error["index"] for error in sent["errors"]]
    assert sent["errors"][0]["message"]


def test_a_permissive_batch_without_a_mistake_has_no_errors() -> None:
    """The SDK's types promise the list, so it is there and empty."""
    sent = resend.Batch.send([EMAIL], {"batch_validation": "permissive"})

    assert [] == sent["errors"]


def test_a_repeated_request_is_answered_as_the_first() -> None:
    """With the same idempotency key and body nothing is sent twice, in a batch neither."""
    one: resend.Emails.SendOptions = {"idempotency_key": str(uuid4())}
    many: resend.Batch.SendOptions = {"idempotency_key": str(uuid4())}

    assert resend.Emails.send(EMAIL, one)["id"] == resend.Emails.send(EMAIL, one)["id"]
    assert resend.Batch.send([EMAIL], many)["data"] == resend.Batch.send([EMAIL], many)["data"]


def test_a_key_for_another_body_is_refused() -> None:
    """The same idempotency key with another body is a mistake of the caller."""
    options: resend.Emails.SendOptions = {"idempotency_key": str(uuid4())}
    resend.Emails.send(EMAIL, options)
    with pytest.raises(ResendError) as refused:
        resend.Emails.send({**EMAIL, "subject": "Another"}, options)

    assert (409, "invalid_idempotent_request") == (refused.value.code, refused.value.error_type)
