"""The fake of Amazon SES answers as Amazon does."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.mailer.providers.base import AwsCredentials
from tests.fakes import FakeSes, faults
from tests.fakes.calls import KEY, perform, send
from tests.fakes.calls.ses import call, of

ONE = "/v2/email/outbound-emails"
MANY = "/v2/email/outbound-bulk-emails"
BY = AwsCredentials(access_key_id="AKIDEXAMPLE", secret_access_key=KEY, region="eu-central-1", service="ses")


def entry(message_id: str, **changes: Any) -> dict[str, Any]:
    tags = [{"Name": "message_id", "Value": message_id}]
    return {
        "Destination": {"ToAddresses": [f"{message_id}@example.net"]},
        "ReplacementTags": tags,
        **changes,
    }


def many(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = {"Subject": "Hi", "Text": "Hello"}
    return {
        "FromEmailAddress": "no-reply@example.org",
        "DefaultContent": {"Template": {"TemplateContent": content, "TemplateData": "{}"}},
        "BulkEmailEntries": list(entries),
        **changes,
    }


def raw(text: bytes) -> dict[str, Any]:
    return {"Content": {"Raw": {"Data": base64.b64encode(text).decode()}}}


async def test_success_has_amazon_s_id(client: httpx.AsyncClient) -> None:
    """Which is theirs alone: ours is a tag."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await send(client, fake, "m-7")

    assert (200, {"MessageId": fake.record[0].provider_message_id}) == (answer.status_code, answer.json())
    assert "m-7" == fake.record[0].message_id


@pytest.mark.parametrize(
    ("by", "at"),
    [
        (replace(BY, secret_access_key="another"), None),
        (replace(BY, service="email"), None),
        (BY, datetime.now(UTC) - timedelta(hours=1)),
        (BY, datetime.now(UTC) + timedelta(hours=1)),
    ],
)
async def test_a_signature_has_to_be_the_secret_s_and_new(
    client: httpx.AsyncClient, by: AwsCredentials, at: datetime | None
) -> None:
    """Of this service, and of this moment."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, of(ONE, call().payload, by=by, at=at))

    assert 403 == answer.status_code
    assert answer.headers["x-amzn-errortype"].startswith("InvalidSignatureException:http://")
    assert () == fake.record


@pytest.mark.parametrize(
    ("header", "value", "name"),
    [
        ("authorization", "", "MissingAuthenticationTokenException"),
        ("authorization", "Bearer x", "MissingAuthenticationTokenException"),
        ("content-type", "text/plain", "InvalidSignatureException"),
        ("x-amz-security-token", "unsigned", "InvalidSignatureException"),
    ],
)
async def test_what_is_signed_cannot_be_changed(
    client: httpx.AsyncClient, header: str, value: str, name: str
) -> None:
    """Neither can a token be added."""
    sending = call()
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, replace(sending, headers={**sending.headers, header: value}))

    assert (403, name) == (answer.status_code, answer.headers["x-amzn-errortype"].partition(":")[0])


async def test_the_body_is_signed(client: httpx.AsyncClient) -> None:
    """Another one is refused."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, replace(call(), body=call("m-2").body))

    assert 403 == answer.status_code


@pytest.mark.parametrize(
    "changes",
    [
        {"Destination": {}},
        {"Destination": {"ToAddresses": ["nobody"]}},
        {"Destination": {"ToAddresses": ["émile@example.org"]}},
        {"Destination": {"ToAddresses": [f"u{number}@x.org" for number in range(51)]}},
        {"EmailTags": [{"Name": "größe", "Value": "1"}]},
        {"EmailTags": [{"Name": "a", "Value": ""}]},
        {"EmailTags": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]},
        {"Content": {"Raw": {"Data": "?"}}},
        raw(b"Subject: no sender\r\n\r\nHello"),
        raw(b"From: a@example.org\r\nno end of the head"),
        raw(b"From: a@example.org\r\n\r\n" + b"x" * 1001),
        raw("From: a@example.org\r\n\r\nGrüße".encode()),
    ],
)
async def test_amazon_validates(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    """What the real one refuses is a BadRequestException."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await send(client, fake, **changes)

    assert (400, "BadRequestException") == (
        answer.status_code,
        answer.headers["x-amzn-errortype"].partition(":")[0],
    )
    assert () == fake.record


async def test_every_message_of_a_batch_has_a_status(client: httpx.AsyncClient) -> None:
    """Its own id, or its own refusal."""
    async with FakeSes(api_key=KEY) as fake:
        fake.script(faults.partial(1))
        answer = await perform(client, fake, of(MANY, many(entry("a"), entry("b"), entry("c"))))

    rows = answer.json()["BulkEmailEntryResults"]
    assert ["SUCCESS", "MESSAGE_REJECTED", "SUCCESS"] == [row["Status"] for row in rows]
    assert [("a", rows[0]["MessageId"]), ("c", rows[2]["MessageId"])] == [
        (each.message_id, each.provider_message_id) for each in fake.record
    ]
    assert ["a@example.net"] == fake.record[0].payload["Destination"]["ToAddresses"]


async def test_a_variable_without_a_value_is_accepted_and_never_sent(client: httpx.AsyncClient) -> None:
    """The rendering fails later, and says so in an event that may not be listened to."""
    content = {"Subject": "Hi", "Text": "Hello {{name}}"}
    template = {"Template": {"TemplateContent": content, "TemplateData": "{}"}}
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, of(MANY, many(entry("a"), DefaultContent=template)))

    assert "SUCCESS" == answer.json()["BulkEmailEntryResults"][0]["Status"]
    assert () == fake.record


@pytest.mark.parametrize(
    "document",
    [
        many(),
        many(*[entry(f"m{number}") for number in range(51)]),
        many(entry("a"), FromEmailAddress="nobody"),
        many(entry("a"), DefaultContent={}),
        many(entry("a"), DefaultContent={"Template": {"TemplateContent": {"Subject": "Hi", "Text": "H"}}}),
        many(entry("a", Destination={})),
        many(entry("a", ReplacementTags=[{"Name": "a b", "Value": "1"}])),
        many(entry("a", ReplacementHeaders=[{"Name": "X-A", "Value": "größe"}])),
        many(entry("a", ReplacementHeaders=[{"Name": f"X-{each}", "Value": "1"} for each in range(16)])),
    ],
)
async def test_a_bad_batch_is_refused_as_a_whole(client: httpx.AsyncClient, document: dict[str, Any]) -> None:
    """Nothing of it is taken over."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, of(MANY, document))

    assert (400, "BadRequestException") == (
        answer.status_code,
        answer.headers["x-amzn-errortype"].partition(":")[0],
    )
    assert () == fake.record


async def test_another_path_is_no_operation(client: httpx.AsyncClient) -> None:
    """And takes nothing over."""
    async with FakeSes(api_key=KEY) as fake:
        answer = await perform(client, fake, of("/v2/email/outbound", call().payload))

    assert 404 == answer.status_code
