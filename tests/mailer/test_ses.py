"""Amazon SES' own ways."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from services.mailer.outcome import Accepted, Deferred, Outcome, Trouble, Unauthorised
from services.mailer.providers.base import AwsCredentials, Response, Searchable
from services.mailer.providers.ses import Ses
from tests.fakes import FakeSes
from tests.mailer.answers.ses import says
from tests.mailer.limits.values import people
from tests.mailer.made import KEY, made
from tests.mailer.places import post
from tests.mailer.samples import FULL, MESSAGE_ID, PLAIN, message

ACCOUNT = Ses("AKIDEXAMPLE", KEY, "eu-central-1")


def document(provider: Ses, **fields: Any) -> Any:
    return json.loads(provider.build(message(**fields)).body)


def test_the_endpoint_is_that_of_the_region() -> None:
    """Unless the settings name another one."""
    elsewhere = Ses("AKIDEXAMPLE", KEY, "cn-north-1", base_url="https://email.cn-north-1.amazonaws.com.cn/")

    assert "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails" == ACCOUNT.build(PLAIN).url
    assert "https://email.cn-north-1.amazonaws.com.cn/v2/email/outbound-emails" == elsewhere.build(PLAIN).url


def test_a_request_says_who_signs_it() -> None:
    """The signature itself holds the time, and so is the transport's business."""
    by = Ses("AKIDEXAMPLE", KEY, "eu-central-1", "the-token").build(PLAIN).signed_by

    assert (
        AwsCredentials(
            access_key_id="AKIDEXAMPLE",
            secret_access_key=KEY,
            session_token="the-token",
            region="eu-central-1",
            service="ses",
        )
        == by
    )


def test_bcc_stands_in_the_envelope_alone() -> None:
    """And neither tags nor metadata stand where recipients read them."""
    sent = json.loads(ACCOUNT.build(FULL.model_copy(update={"metadata": {"order": "42"}})).body)
    raw = base64.b64decode(sent["Content"]["Raw"]["Data"])

    assert ["secret@example.net"] == sent["Destination"]["BccAddresses"]
    assert b"secret@example.net" not in raw
    assert b"X-Pillarbox" not in raw
    assert f"Message-ID: <{MESSAGE_ID}@example.org>".encode() in raw


def test_our_message_id_comes_back_with_every_event() -> None:
    """As a tag, beside those of the message."""
    names = [tag["Name"] for tag in document(ACCOUNT, metadata={"order": "42"})["EmailTags"]]

    assert ["message_id", "order"] == names


def test_the_configuration_set_is_named() -> None:
    """It is what publishes the events."""
    provider = Ses("AKIDEXAMPLE", KEY, "eu-central-1", configuration_set="events")
    batch = json.loads(provider.build_batch([PLAIN, PLAIN]).body)

    assert "events" == document(provider)["ConfigurationSetName"] == batch["ConfigurationSetName"]
    assert "ConfigurationSetName" not in document(ACCOUNT)


def test_fifty_recipients_are_as_many_as_it_takes() -> None:
    """Over To, Cc and Bcc."""
    assert 50 == len(document(ACCOUNT, to=people(50))["Destination"]["ToAddresses"])


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (says(400, "ThrottlingException", "Maximum sending rate exceeded."), (1.0, Trouble.PACE)),
        (says(429, "TooManyRequestsException"), (1.0, Trouble.PACE)),
        (says(429, "TooManyRequestsException", **{"retry-after": "7"}), (7.0, Trouble.PACE)),
    ],
)
def test_a_rate_is_exceeded_for_a_second(response: Response, expected: tuple[float, Trouble]) -> None:
    """Amazon counts messages a second, and gives no hint."""
    outcome = ACCOUNT.read(response)

    assert isinstance(outcome, Deferred)
    assert expected == (outcome.retry_after, outcome.trouble)


@pytest.mark.parametrize(
    "response",
    [
        says(400, "ThrottlingException", "Daily message quota exceeded."),
        says(400, "LimitExceededException"),
    ],
)
def test_a_quota_pauses_the_account(response: Response) -> None:
    """For a while: the quota is of the last 24 hours, so it comes back little by little."""
    outcome = ACCOUNT.read(response)

    assert isinstance(outcome, Unauthorised)
    assert 900.0 == outcome.retry_after


@pytest.mark.parametrize(("secret", "expected"), [(KEY, Accepted), ("another-secret", Unauthorised)])
async def test_the_signature_is_that_of_the_secret(secret: str, expected: type) -> None:
    """The fake computes it again, by other means."""
    async with FakeSes(api_key=KEY) as fake:
        provider = Ses("AKIDEXAMPLE", secret, "eu-central-1", base_url=fake.base_url)
        outcome: Outcome = provider.read(await post(provider.build(PLAIN)))

    assert expected is type(outcome), outcome


async def test_temporary_credentials_are_good_too() -> None:
    """With their token, which is signed as well."""
    async with FakeSes(api_key=KEY) as fake:
        provider = Ses("ASIAEXAMPLE", KEY, "eu-central-1", "the-token", base_url=fake.base_url)
        outcome = provider.read(await post(provider.build(PLAIN)))

    assert isinstance(outcome, Accepted)
    assert "the-token" == fake.requests[0].headers["x-amz-security-token"]


def test_amazon_cannot_be_searched() -> None:
    """Insights are asked for by Amazon's own id, which is what a lost answer took along."""
    assert not isinstance(made("ses"), Searchable)
