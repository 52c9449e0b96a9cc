"""Errors as Resend's Python SDK raises them: the class follows from status and name together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import resend
from resend.exceptions import (
    InvalidApiKeyError,
    MissingApiKeyError,
    MissingRequiredFieldsError,
    RateLimitError,
    ResendError,
    ValidationError,
)

from tests.sdks.gateway import NOWHERE, STRANGE_KEY, Pillarbox
from tests.sdks.test_resend_python_emails import EMAIL

pytestmark = pytest.mark.usefixtures("python_resend")


def test_an_empty_key_is_a_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends the header all the same, with nothing behind Bearer."""
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises(MissingApiKeyError) as refused:
        resend.Emails.send(EMAIL)

    assert (401, "missing_api_key") == (refused.value.code, refused.value.error_type)


@pytest.mark.parametrize("key", [STRANGE_KEY, "re_123456789", None], ids=["unknown", "foreign", "none"])
def test_an_unknown_key_is_invalid(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that nobody made, one of Resend's, and None, which the SDK writes out."""
    monkeypatch.setattr(resend, "api_key", key)
    with pytest.raises(InvalidApiKeyError) as refused:
        resend.Emails.send(EMAIL)

    assert 403 == refused.value.code


def test_a_key_may_be_good_for_sending_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK has no class for that, only the name."""
    made = resend.ApiKeys.create({"name": "Sending", "permission": "sending_access"})
    monkeypatch.setattr(resend, "api_key", made["token"])
    with pytest.raises(ResendError) as refused:
        resend.Templates.list()

    assert (401, "restricted_api_key") == (refused.value.code, refused.value.error_type)


def test_a_wrong_field_is_a_validation_error() -> None:
    """The message says what is wrong."""
    with pytest.raises(ValidationError) as refused:
        resend.Emails.send({**EMAIL, "to": "nobody"})

    assert (422, "validation_error") == (refused.value.code, refused.value.error_type)
    assert refused.value.message


@pytest.mark.parametrize("field", ["from", "to", "subject"])
def test_a_field_that_was_left_out_is_missing(field: str) -> None:
    """The message names it as it is written in the request; of the list of errors the SDK keeps nothing."""
    email: Any = {name: value for name, value in EMAIL.items() if name != field}
    with pytest.raises(MissingRequiredFieldsError) as refused:
        resend.Emails.send(email)

    assert 422 == refused.value.code
    assert f"/{field}" in refused.value.message


def test_a_body_that_was_left_out_is_missing() -> None:
    """Neither html nor text nor a template."""
    email: Any = {name: value for name, value in EMAIL.items() if name != "text"}
    with pytest.raises(MissingRequiredFieldsError):
        resend.Emails.send(email)


@pytest.mark.parametrize(
    "look",
    [
        resend.Emails.get,
        resend.Emails.cancel,
        resend.Templates.get,
        resend.Templates.publish,
        resend.Templates.remove,
        resend.Suppressions.get,
        resend.Suppressions.remove,
        resend.ApiKeys.remove,
    ],
)
def test_what_is_not_there_is_not_found(look: Callable[[str], object]) -> None:
    """Every resource answers an unknown id with not_found, which has no class of its own."""
    with pytest.raises(ResendError) as missing:
        look(NOWHERE)

    assert (404, "not_found") == (missing.value.code, missing.value.error_type)


def test_too_many_requests_are_refused(pillarbox: Pillarbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key with one request a second has it used up at once, and the headers say until when."""
    key = pillarbox.make_key("--permission", "full_access", "--rate", "1")
    monkeypatch.setattr(resend, "api_key", key)
    with pytest.raises(RateLimitError) as refused:  # noqa: PT012 - which of them is refused depends on the clock
        for _ in range(10):
            resend.Emails.list()
    headers = {name.lower(): value for name, value in refused.value.headers.items()}

    assert (429, "rate_limit_exceeded") == (refused.value.code, refused.value.error_type)
    assert "0" == headers["ratelimit-remaining"]
    assert int(headers["retry-after"]) >= 1
