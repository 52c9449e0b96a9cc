"""What providers tell, in our words."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.gateway.provider_events.reader import Aside
from shared.signatures import Event, Feedback, RecordEvent
from tests.gateway.provider_events.providers import NOW, PROVIDERS, Provider, events, read
from tests.gateway.provider_events.samples import (
    ANN,
    OURS,
    Sample,
    mailgun,
    mandrill,
    postmark,
    resend,
    sendgrid,
    ses,
)

EVERY = [(provider, sample) for provider in PROVIDERS.values() for sample in provider.samples]
EACH = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
THEIRS = {
    "sendgrid": "14c5d75ce93",
    "mandrill": mandrill.THEIRS,
    "postmark": postmark.THEIRS,
    "resend": resend.THEIRS,
    "mailgun": mailgun.THEIRS,
    "ses": ses.THEIRS,
}
"""As the mailer reports them after its attempt."""


@pytest.mark.parametrize(
    ("provider", "sample"), EVERY, ids=[f"{provider.name} {sample.name}" for provider, sample in EVERY]
)
def test_a_documented_event_has_its_meaning(provider: Provider, sample: Sample) -> None:
    """Which it was, of whom, and why, without anybody's address."""
    found = events(provider, provider.call([sample.event], NOW, "right"))

    assert list(sample.means) == [(event.event, event.recipient, event.reason) for event in found]
    assert {event.event for event in found} <= {*Event, *Feedback}


@EACH
def test_an_event_names_its_message_twice(provider: Provider) -> None:
    """By our id, and by the provider's as the mailer was given it; the account is the provider."""
    (event,) = events(provider, provider.genuine())

    assert (UUID(OURS), THEIRS[provider.name]) == (event.message_id, event.provider_message_id)
    assert provider.name == event.provider


@EACH
def test_an_event_says_when_it_happened(provider: Provider) -> None:
    """By the provider's clock."""
    moments = {event.at.replace(microsecond=0) for event in events(provider, provider.genuine())}

    # SES says of what it took only when it took it.
    assert moments <= {datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 3, tzinfo=UTC)}


@EACH
def test_an_event_is_known_again(provider: Provider) -> None:
    """By an id that is the same when it is told twice, and another one for another event."""
    calls = [provider.call([sample.event], NOW, "right") for sample in provider.samples]
    ids = [[event.provider_event_id for event in events(provider, call)] for call in calls]
    again = [[event.provider_event_id for event in events(provider, call)] for call in calls]
    every = [one for some in ids for one in some]

    assert ids == again
    assert all(every)
    if provider.name not in {"resend", "ses", "postmark"}:  # one id for all of these samples; two formats
        assert len(every) == len(set(every))


def test_ses_tells_the_same_in_both_formats() -> None:
    """A message of which both are posted is not counted twice."""
    provider = PROVIDERS["ses"]
    by_format = [
        {
            event.provider_event_id
            for sample in samples
            for event in events(provider, provider.call([sample.event], NOW, "right"))
        }
        for samples in (ses.SAMPLES, ses.NOTIFICATIONS)
    ]

    assert by_format[1] <= by_format[0]


def test_a_message_without_our_id_is_known_by_the_providers() -> None:
    """As one that somebody sent without us, or a notification of SES's."""
    provider = PROVIDERS["ses"]
    (event,) = events(provider, provider.call([ses.NOTIFICATIONS[1].event], NOW, "right"))

    assert (None, ses.THEIRS) == (event.message_id, event.provider_message_id)


def test_many_events_come_at_once() -> None:
    """Those that say nothing are passed over, and do not keep the others from being read."""
    provider = PROVIDERS["sendgrid"]
    good = [sample.event for sample in sendgrid.SAMPLES] * 70
    bad: list[object] = [
        None,
        7,
        "text",
        [],
        {},
        {"event": "open"},
        {"event": "open", "timestamp": 1e300, "sg_message_id": "x"},
    ]
    steps = read(provider.reader(), provider.call([*bad, *good], NOW, "right"))

    assert 13 * 70 == sum(isinstance(step, RecordEvent) for step in steps)
    assert (2 * 70 + 5, 2) == (steps.count(Aside.UNKNOWN), steps.count(Aside.UNREADABLE))


@EACH
def test_whatever_is_in_an_event_it_can_be_published(provider: Provider) -> None:
    """Values of every wrong kind, and texts that no database takes."""
    values: list[object] = [
        None,
        True,
        0,
        -1e308,
        10**400,
        [],
        {},
        "",
        "\0",
        "\ud800",
        "x" * 100_000,
        ["\ud800"],
    ]
    for value in values:
        for sample in provider.samples[:3]:
            for name in sample.event:
                body = {**sample.event, name: value}
                if value == 10**400:
                    body[name] = 10**300
                for event in events(provider, provider.call([body], NOW, "right")):
                    assert event == RecordEvent.parse(event.arguments())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"no {ANN} here", "no <address> here"),
        (f"<{ANN}>: gone", "<address>: gone"),
        ("mailbox ann unavailable", "mailbox <address> unavailable"),
        ("see https://example.com/?to=bob%40example.org", "see <address>"),
        ('"ann o"@example.org gone', "<address> gone"),
        ("two\r\n  lines", "two lines"),
        ("", None),
        ("x" * 1000, "x" * 500),
    ],
)
def test_a_reason_holds_no_address(said: str, told: str | None) -> None:
    """It is shown and logged."""
    provider = PROVIDERS["sendgrid"]
    sample = {**sendgrid.SAMPLES[1].event, "response": said}
    (event,) = events(provider, provider.call([sample], NOW, "right"))

    assert told == event.reason
