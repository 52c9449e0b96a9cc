"""Whether Mandrill has a message: found, not there for certain, or unclear."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.mailer.providers.base import Absent, Finding, Found, Response, Unclear
from services.mailer.providers.mandrill import Mandrill
from shared.signatures import Address, SendEmail
from tests.fakes import FakeMandrill, faults
from tests.mailer.answers.answer import json_response
from tests.mailer.answers.mandrill import says
from tests.mailer.batches import batch
from tests.mailer.made import KEY, made
from tests.mailer.places import post
from tests.mailer.samples import MESSAGE_ID, PLAIN, message


def answer(status: int, document: object) -> Response:
    return json_response(status, json.dumps(document))


async def searched(fake: FakeMandrill, sought: SendEmail = PLAIN) -> Finding:
    provider = Mandrill(KEY, fake.base_url)
    request = provider.build_search(sought, datetime.now(UTC) - timedelta(minutes=5))
    return provider.read_search(await post(request), sought)


async def test_a_message_is_found_as_soon_as_the_index_has_it() -> None:
    """Until then Mandrill says in good faith that it has none, which is why delivery waits."""
    async with FakeMandrill(api_key=KEY) as fake:
        await post(made("mandrill", fake.base_url).build(batch(2)[1]))
        before = await searched(fake)
        fake.script(faults.refuse(500, accept=True))
        await post(made("mandrill", fake.base_url).build(PLAIN))
        fake.searching.lag = 60.0
        too_early = await searched(fake)
        fake.searching.lag = 0.0
        after = await searched(fake)

    assert Absent() == before
    assert Absent() == too_early
    assert Found(fake.record[1].provider_message_id) == after


async def test_an_account_that_does_not_index_our_id_leaves_the_doubt() -> None:
    """Its search cannot find the message by our id, so that it found none proves nothing."""
    async with FakeMandrill(api_key=KEY) as fake:
        fake.registered = False
        nothing_alike = await searched(fake)
        await post(made("mandrill", fake.base_url).build(PLAIN))
        alike = await searched(fake)
        another_subject = await searched(fake, message(subject="Another"))

    assert Absent() == nothing_alike
    assert isinstance(alike, Unclear)
    assert "Custom Metadata" in alike.reason
    assert Absent() == another_subject


def test_every_recipient_is_asked_about() -> None:
    """One that is no address at all has no message, and the others may have theirs."""
    to = (Address(email='"ada\\"@example.net'), Address(email="b@example.net"))
    request = Mandrill(KEY).build_search(
        message(to=to, bcc=(to[1],)), datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    )
    body = json.loads(request.body)

    wanted = [f'u_message_id:"{MESSAGE_ID}"', 'email:"\\"ada\\\\\\"@example.net"', 'email:"b@example.net"']
    assert " OR ".join(wanted) == body["query"]
    assert ("2026-11-21", 1000) == (body["date_from"], body["limit"])


def found(message_id: str | None = None, **fields: object) -> dict[str, object]:
    metadata = {"message_id": message_id} if message_id else []
    return {"_id": "b", "sender": "no-reply@example.org", "subject": "Hi", "metadata": metadata, **fields}


ANOTHER = found("another", subject="Welcome")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (answer(200, []), Absent),
        (answer(200, [ANOTHER, found()]), Absent),
        (answer(200, [found(subject="Welcome", sender="other@example.org")]), Absent),
        (answer(200, [ANOTHER, found(str(MESSAGE_ID))]), Found),
        (answer(200, [7, found(str(MESSAGE_ID))]), Found),
        (answer(200, [found(subject=" Welcome ")]), Unclear),
        (answer(200, [found(subject="Welcome", metadata={"order": "1"})]), Unclear),
        (answer(200, [found(subject="Welcome", metadata=None)]), Unclear),
        (answer(200, [ANOTHER] * 1000), Unclear),
        (answer(200, [ANOTHER, 7]), Unclear),
        (answer(500, []), Unclear),
        (answer(200, {}), Unclear),
        (Response(200, b"[]]"), Unclear),
        (Response(200, b"<html></html>"), Unclear),
        (Response(500), Unclear),
        (says("Invalid_Key"), Unclear),
    ],
)
def test_only_a_whole_list_without_ours_says_that_there_is_none(response: Response, expected: type) -> None:
    """A search that failed, was cut short, or lost what tells messages apart says nothing."""
    finding = Mandrill(KEY).read_search(response, PLAIN)

    assert expected is type(finding), finding
