"""Errors as SendGrid's Python SDK raises them: the class follows from the status."""

from __future__ import annotations

from typing import Any

import pytest
from python_http_client.exceptions import (  # type: ignore[import-untyped]  # ships no types
    BadRequestsError,
    TooManyRequestsError,
    UnauthorizedError,
)
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]  # ships no types

from tests.sdks.gateway import STRANGE_KEY, Pillarbox
from tests.sdks.test_sendgrid_python import mail


@pytest.mark.parametrize("key", [STRANGE_KEY, "SG.of.sendgrid", ""], ids=["unknown", "foreign", "none"])
def test_a_wrong_key_is_unauthorized(pillarbox: Pillarbox, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that nobody made, one of SendGrid's, and none, for which the SDK writes None."""
    monkeypatch.delenv("SENDGRID_API_KEY", raising=False)
    with pytest.raises(UnauthorizedError) as refused:
        SendGridAPIClient(key, host=pillarbox.url).send(mail())
    error = refused.value.to_dict["errors"][0]

    assert error["message"]
    assert None is error["field"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to_emails": ("nobody@", "Nobody")}, "personalizations.0.to.0.email"),
        ({"to_emails": None}, "personalizations"),
        ({"from_email": ("shop@", "Shop")}, "from.email"),
        ({"from_email": None}, "from"),
        ({"subject": None}, "subject"),
        ({"plain_text_content": None, "html_content": None}, "content"),
    ],
)
def test_a_wrong_field_is_named(python_sendgrid: Any, changes: dict[str, Any], field: str) -> None:
    """400 with the field as SendGrid writes it, and what is wrong with it."""
    with pytest.raises(BadRequestsError) as refused:
        python_sendgrid.send(mail(**changes))
    errors = refused.value.to_dict["errors"]

    assert field in [error["field"] for error in errors]
    assert all(error["message"] for error in errors)


def test_too_many_requests_are_refused(pillarbox: Pillarbox) -> None:
    """A key with one request a second has it used up at once."""
    limited = SendGridAPIClient(
        pillarbox.make_key("--permission", "full_access", "--rate", "1"), host=pillarbox.url
    )
    with pytest.raises(TooManyRequestsError) as refused:  # noqa: PT012 - which of them depends on the clock
        for _ in range(10):
            limited.send(mail())

    assert refused.value.to_dict["errors"][0]["message"]
