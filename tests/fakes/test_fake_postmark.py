"""The fake of Postmark answers, validates and is searched as Postmark."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.fakes import FakePostmark, faults
from tests.fakes.calls import KEY, perform, send
from tests.fakes.calls.postmark import TOKEN, batch, message
from tests.fakes.calls.sending import Sending, of_json


def search(query: str) -> Sending:
    headers = {"X-Postmark-Server-Token": KEY}
    return Sending(f"/messages/outbound?{query}", b"", headers, None, method="GET")


def found(message_id: str) -> Sending:
    return search(f"count=10&offset=0&metadata_message_id={message_id}")


async def test_postmark_answers_as_postmark(client: httpx.AsyncClient) -> None:
    """Success is 200 with a code of 0 and the message's id."""
    async with FakePostmark(api_key=KEY) as fake:
        answer = (await send(client, fake)).json()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", answer.pop("SubmittedAt"))
    message_id = fake.record[0].provider_message_id
    assert {"To": "ada@example.net", "MessageID": message_id, "ErrorCode": 0, "Message": "OK"} == answer


async def test_postmark_leaves_out_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    """Without To there is none in the answer; when its queues are ill there is no code."""
    async with FakePostmark(api_key=KEY) as fake:
        fake.delayed = True
        answer = (await send(client, fake, To="", Cc="ada@example.net")).json()

    assert {"SubmittedAt", "MessageID", "Message"} == set(answer)
    assert "Message accepted, but delivery may be delayed." == answer["Message"]


async def test_postmark_does_not_send_to_the_inactive(client: httpx.AsyncClient) -> None:
    """Some of them are named in a good answer, all of them are an error."""
    async with FakePostmark(api_key=KEY) as fake:
        some = await send(client, fake, To="Ada <ada@example.net>, Inactive@example.net")
        everybody = await send(client, fake, To="", Bcc="inactive@example.net")

    assert (200, 0) == (some.status_code, some.json()["ErrorCode"])
    assert "will not deliver to these inactive addresses: inactive@example.net." in some.json()["Message"]
    assert (422, 406) == (everybody.status_code, everybody.json()["ErrorCode"])
    assert 1 == len(fake.record)


async def test_postmark_answers_each_message_of_a_batch(client: httpx.AsyncClient) -> None:
    """Always with 200, in order; a failed one has a code and no id."""
    async with FakePostmark(api_key=KEY) as fake:
        fake.script(faults.partial(2))
        answer = await perform(client, fake, batch(message("a"), message("b", To="x"), message("c")))

    first, second, third = answer.json()
    assert 200 == answer.status_code
    assert ["a"] == [entry.message_id for entry in fake.record]
    assert fake.record[0].provider_message_id == first["MessageID"]
    assert [300, 300] == [second["ErrorCode"], third["ErrorCode"]]
    assert "MessageID" not in second


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"From": "nobody"}, 300),
        ({"From": "other@example.org"}, 400),
        ({"To": ""}, 300),
        ({"To": "nobody"}, 300),
        ({"Bcc": "a..b@example.net"}, 300),
        ({"To": ", ".join(f"{number}@x.org" for number in range(51))}, 300),
        ({"TextBody": ""}, 300),
        ({"HtmlBody": "x" * (5 * 1024 * 1024 + 1)}, 300),
        ({"Metadata": {"x" * 21: "a"}}, 300),
        ({"Metadata": {"a": "x" * 81}}, 300),
        ({"Metadata": {str(number): "a" for number in range(11)}}, 300),
        ({"Metadata": {"a": "1", "A": "2"}}, 300),
        ({"Metadata": ["a"]}, 403),
        ({"Tag": "x" * 1001}, 300),
        ({"Tag": ["a", "b"]}, 403),
        ({"Headers": [{"Name": "X-A"}]}, 403),
        ({"Attachments": [{"Name": "a.pdf", "Content": "?", "ContentType": "application/pdf"}]}, 300),
        ({"Attachments": [{"Name": "a.EXE", "Content": "YQ==", "ContentType": "a/b"}]}, 411),
        ({"MessageStream": "nowhere"}, 1235),
    ],
)
async def test_postmark_validates(client: httpx.AsyncClient, changes: dict[str, Any], code: int) -> None:
    """What the real one refuses is refused with 422 and the code that it has for this."""
    async with FakePostmark(api_key=KEY) as fake:
        fake.senders = frozenset({"no-reply@example.org"})
        answer = await send(client, fake, **changes)

    assert (422, code) == (answer.status_code, answer.json()["ErrorCode"])
    assert () == fake.record


@pytest.mark.parametrize(
    ("sending", "status", "code"),
    [
        (of_json("/email", message()), 401, 10),
        (of_json("/email", [], **TOKEN), 422, 402),
        (of_json("/email/batch", message(), **TOKEN), 422, 402),
        (of_json("/email", message(), **TOKEN, content_type="text/plain"), 422, 409),
        (batch(*[{}] * 501), 422, 410),
        (of_json("/email", message(TextBody="x" * 10 * 1024 * 1024), **TOKEN), 413, 300),
    ],
)
async def test_postmark_refuses_a_request_unread(
    client: httpx.AsyncClient, sending: Sending, status: int, code: int
) -> None:
    """The wrong token, shape or size is refused before anybody looks at the message."""
    async with FakePostmark(api_key=KEY) as fake:
        answer = await perform(client, fake, sending)

    assert (status, code) == (answer.status_code, answer.json()["ErrorCode"])
    assert () == fake.record


async def test_postmark_is_searched_by_metadata_and_stream(client: httpx.AsyncClient) -> None:
    """Only the message of that id is found, and only in its own stream."""
    async with FakePostmark(api_key=KEY) as fake:
        await perform(client, fake, batch(message("a"), message("b", MessageStream="broadcast")))
        first = (await perform(client, fake, found("a"))).json()
        elsewhere = (await perform(client, fake, found("b"))).json()
        there = await perform(
            client, fake, search("count=1&offset=0&messagestream=broadcast&metadata_message_id=b")
        )

    ids = [entry.provider_message_id for entry in fake.record]
    assert (1, ids[0]) == (first["TotalCount"], first["Messages"][0]["MessageID"])
    assert {"message_id": "a"} == first["Messages"][0]["Metadata"]
    assert {"TotalCount": 0, "Messages": []} == elsewhere
    assert ids[1] == there.json()["Messages"][0]["MessageID"]


async def test_postmark_s_search_is_for_the_account_and_counts(client: httpx.AsyncClient) -> None:
    """The token is checked, and how many are wanted has to be said."""
    async with FakePostmark(api_key=KEY) as fake:
        stranger = await perform(client, fake, replace(found("a"), headers={}))
        uncounted = await perform(client, fake, search("metadata_message_id=a"))

    assert [401, 422] == [stranger.status_code, uncounted.status_code]


async def test_a_postmark_attachment_arrives(client: httpx.AsyncClient) -> None:
    """What is well formed is taken over as it is."""
    file = {"Name": "a.pdf", "Content": base64.b64encode(b"a").decode(), "ContentType": "application/pdf"}
    async with FakePostmark(api_key=KEY) as fake:
        await send(client, fake, Attachments=[file])

    assert [file] == fake.record[0].payload["Attachments"]
