"""What every provider does: carry the whole message, classify every answer, tell no secrets."""

from __future__ import annotations

import pathlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.mailer.outcome import Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain
from services.mailer.providers import PROVIDERS
from services.mailer.providers.base import Response, UnsupportedError
from shared.signatures import Address, SendEmail
from tests.fakes import HTTP_FAKES, faults
from tests.fakes.esp import FakeESP
from tests.mailer.answers import ACCEPTANCES, REFUSALS, ROWS
from tests.mailer.answers.answer import DATE, RESET
from tests.mailer.answers.garbage import any_body
from tests.mailer.carried import READERS, meant
from tests.mailer.limits import UNSUPPORTED, sample
from tests.mailer.made import ARGUMENTS, KEY, made
from tests.mailer.places import place, post
from tests.mailer.samples import MESSAGE_ID, PLAIN, SAMPLES, message

OUTCOMES = (Accepted, Deferred, Rejected, Suppressed, Unauthorised, Uncertain)


@pytest.fixture(params=HTTP_FAKES)
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[FakeESP]:
    async with HTTP_FAKES[request.param](api_key=KEY) as fake:
        yield fake


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("name", SAMPLES)
async def test_everything_in_a_message_arrives(kind: str, name: str, tmp_path: pathlib.Path) -> None:
    """What the provider receives equals the message: people, words, headers, files byte for byte."""
    async with place(kind, tmp_path) as there:
        outcome = there.provider.read(await there.perform(there.provider.build(sample(kind, name))))

        assert isinstance(outcome, Accepted)
        assert meant(sample(kind, name)) == there.arrived()


async def test_the_provider_s_message_id_is_kept(fake: FakeESP) -> None:
    """The outcome names the message as the provider does."""
    provider = made(fake.kind, fake.base_url)

    outcome = provider.read(await post(provider.build(sample(fake.kind, "full"))))

    assert Accepted(fake.record[0].provider_message_id) == outcome
    assert str(MESSAGE_ID) == fake.record[0].message_id


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("name", SAMPLES)
def test_equal_messages_give_equal_bytes(kind: str, name: str) -> None:
    """A second attempt sends the very same request."""
    first = sample(kind, name)
    again = SendEmail.parse(first.arguments())

    assert made(kind).build(first) == made(kind).build(again)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_key_is_not_shown(kind: str) -> None:
    """A provider can be logged."""
    assert KEY not in repr(made(kind))


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_provider_is_called_by_its_kind_in_the_registry(kind: str) -> None:
    """Settings, events and logs use one word."""
    assert kind == made(kind).kind


@pytest.mark.parametrize(
    ("kind", "response", "outcome"),
    [
        pytest.param(kind, response, outcome, id=f"{kind}: {case}")
        for kind, rows in ROWS.items()
        for case, (response, outcome) in rows.items()
    ],
)
def test_every_answer_has_its_outcome(kind: str, response: Response, outcome: type) -> None:
    """Each row of the provider's table of answers is classified as the table says."""
    read = made(kind).read(response)

    assert outcome is type(read), read


@pytest.mark.parametrize(
    ("kind", "response", "expected"),
    [(kind, *answer) for kind, answers in ACCEPTANCES.items() for answer in answers],
)
def test_acceptance_carries_the_provider_s_message_id(
    kind: str, response: Response, expected: Accepted
) -> None:
    """Without an id that can be kept, accepted is accepted all the same."""
    assert expected == made(kind).read(response)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "86400"}, 900.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:07 GMT", "date": DATE}, 7.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": DATE}, 1.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:07 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon", "ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"ratelimit": '"default";r=0;t=7'}, 7.0),
        ({"x-ratelimit-reset": RESET, "date": DATE}, 7.0),
        ({"x-ratelimit-reset": f"{RESET}.0", "date": DATE}, 7.0),
        ({"x-ratelimit-reset": RESET}, None),
        ({"x-ratelimit-reset": RESET, "date": "yesterday"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("kind", HTTP_FAKES)
def test_the_wait_follows_the_provider_s_hint(
    kind: str, headers: dict[str, str], seconds: float | None
) -> None:
    """The wait is what the provider asked for, within bounds of ours; garbage is no hint."""
    outcome = made(kind).read(Response(429, b"", headers))

    assert isinstance(outcome, Deferred)
    assert seconds == outcome.retry_after


async def test_a_rate_limit_is_waited_out(fake: FakeESP) -> None:
    """The hint of a real answer arrives in the outcome."""
    fake.script(faults.refuse(429, headers={"Retry-After": "2"}))
    provider = made(fake.kind, fake.base_url)

    outcome = provider.read(await post(provider.build(PLAIN)))

    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == 2.0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.page(200), Uncertain),
        (faults.page(202), Uncertain),
        (faults.page(502, accept=False), Uncertain),
        (faults.truncated(), Uncertain),
        (faults.refuse(500), Uncertain),
        (faults.refuse(500, accept=True), Uncertain),
        (faults.refuse(503), Deferred),
        (faults.refuse(401), Unauthorised),
        (faults.refuse(400), Rejected),
        (faults.redirect(), Unauthorised),
        (faults.huge(100_000), Uncertain),
        (faults.gzip_bomb(100_000), Uncertain),
        (faults.late(0.05), Accepted),
    ],
)
async def test_faults_on_the_wire_have_their_outcome(
    fake: FakeESP, fault: faults.Fault, expected: type
) -> None:
    """What a failing provider sends over a real connection is classified, never raised."""
    fake.script(fault)
    provider = made(fake.kind, fake.base_url)

    outcome = provider.read(await post(provider.build(PLAIN)))

    assert expected is type(outcome), outcome


@pytest.mark.parametrize("kind", PROVIDERS)
def test_reading_never_raises(kind: str) -> None:
    """Any status, bytes and headers give an outcome."""
    dice = random.Random(20261122)
    provider = made(kind)
    values = [
        "",
        "soon",
        "-1",
        "9" * 400,
        "Fri, 99 Foo 99999 99:99:99 +9999",
        f"Sun, 22 Nov {10**30} 10:00:00 GMT",
        "\x00",
        "é",
        "http://[",
        DATE,
        RESET,
    ]
    names = [
        "retry-after",
        "date",
        "x-ratelimit-reset",
        "ratelimit",
        "ratelimit-reset",
        "location",
        "x-message-id",
    ]
    for _ in range(4000):
        headers = {key: dice.choice(values) for key in dice.sample(names, dice.randrange(len(names)))}
        status = dice.choice([0, 100, 200, 201, 202, 204, 302, 400, 401, 404, 429, 500, 503, 507, 999, -7])
        outcome = provider.read(Response(status, any_body(dice), headers))
        assert isinstance(outcome, OUTCOMES)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_reason_tells_neither_address_nor_key(kind: str) -> None:
    """Reasons are logged and shown, so what the provider echoes is taken out."""
    outcome = made(kind).read(REFUSALS[kind](f"Invalid 'To' address: 'x@y.z' for key {KEY}"))

    assert isinstance(outcome, Rejected)
    assert outcome.reason.endswith("Invalid 'To' address: '<address>' for key <key>")


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_long_answer_is_read_quickly(kind: str) -> None:
    """A megabyte without a space does not keep the search for addresses busy."""
    outcome = made(kind).read(REFUSALS[kind]("x" * 1_000_000))

    assert isinstance(outcome, Rejected)
    assert len(outcome.reason) <= 300


EVERYWHERE: list[tuple[dict[str, object], str]] = [
    ({"headers": {"Subject": "another"}}, "reserved"),
    ({"headers": {"message-id": "<mine@example.org>"}}, "reserved"),
    ({"headers": {"X Y": "1"}}, "RFC 5322"),
    ({"headers": {"X-A": "1\r\nBcc: all@example.org"}}, "line break"),
    ({"subject": "a\nBcc: all@example.org"}, "line break"),
    ({"to": (Address(email="a@example.org", name="a\r\nb"),)}, "line break"),
    ({"metadata": {"message_id": "mine"}}, "reserved"),
    ({"sender": Address(email=f"a@{'x' * 64}.org")}, "ASCII"),
]


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        *[(kind, *row) for kind, rows in UNSUPPORTED.items() for row in rows],
        *[(kind, *row) for kind in PROVIDERS for row in EVERYWHERE],
    ],
)
def test_what_cannot_be_carried_is_refused(kind: str, fields: dict[str, Any], words: str) -> None:
    """Nothing is dropped silently: the reason says what the provider cannot do."""
    with pytest.raises(UnsupportedError, match=words):
        made(kind).build(message(**fields))


@pytest.mark.parametrize("table", [READERS, ROWS, ACCEPTANCES, ARGUMENTS, UNSUPPORTED])
def test_every_provider_is_in_every_table(table: dict[str, Any]) -> None:
    """A provider that is registered and not tested would be one that nobody has looked at."""
    assert set(PROVIDERS) == set(table)


@pytest.mark.parametrize("kind", HTTP_FAKES)
def test_the_base_url_may_end_with_a_slash(kind: str) -> None:
    """Both spellings in the settings mean the same."""
    bare, slashed = made(kind, "https://provider.test"), made(kind, "https://provider.test/")

    assert bare.build(PLAIN) == slashed.build(PLAIN)
