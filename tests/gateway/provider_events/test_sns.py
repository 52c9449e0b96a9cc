"""What Amazon SNS has fetched: from Amazon alone, and only for topics that are listened to."""

from __future__ import annotations

import json

import pytest

from services.gateway.provider_events.reader import Aside, Call, Fetch, NotGenuineError
from services.gateway.provider_events.ses import SesReader
from services.gateway.provider_events.telling import Teller
from shared.signatures import RecordEvent
from tests.gateway.provider_events import amazon
from tests.gateway.provider_events.amazon import CERTIFICATE_URL, HOST, SUBSCRIBE_URL, TOPIC, envelope
from tests.gateway.provider_events.providers import NOW, read
from tests.gateway.provider_events.samples import ses

CONFIRMATION = {"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": SUBSCRIBE_URL}
EVENT = json.dumps(ses.SAMPLES[0].event)


def reader(topic: str = TOPIC) -> SesReader:
    """A reader that listens to one topic."""
    return SesReader(Teller("ses"), [topic])


ELSEWHERE = [
    "https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-{0}.pem",
    "https://evil.example/SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com@evil.example/SimpleNotificationService-{0}.pem",
    "https://evil.example/sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "https://evil.example#sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-{0}.pem",
    "https://user@sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com\\@evil.example/SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com/../SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com/somebody/SimpleNotificationService-{0}.pem",
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "https://s3.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "HTTPS://SNS.US-EAST-1.AMAZONAWS.COM/SimpleNotificationService-{0}.pem",
    "//sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "file:///SimpleNotificationService-{0}.pem",
    "https://[sns.us-east-1.amazonaws.com/SimpleNotificationService-{0}.pem",
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-.pem",
    "",
]


@pytest.mark.parametrize("url", [url.format("0" * 32) for url in ELSEWHERE])
def test_a_certificate_is_fetched_from_amazon_alone(url: str) -> None:
    """In the region of the topic; nothing is fetched that a stranger names."""
    call = Call({}, envelope(EVENT, NOW, SigningCertURL=url))
    with pytest.raises(NotGenuineError, match="certificate"):
        reader().read(call, NOW).send(None)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com.evil.example/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com@evil.example/?Action=ConfirmSubscription",
        "http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://169.254.169.254/",
        "",
    ],
)
def test_a_subscription_is_confirmed_at_amazon_alone(url: str) -> None:
    """However well the call is signed."""
    call = Call({}, envelope("Welcome", NOW, **{**CONFIRMATION, "SubscribeURL": url}))
    with pytest.raises(NotGenuineError, match="subscription"):
        read(reader(), call)


def test_a_subscription_is_confirmed() -> None:
    """By fetching what Amazon says, once it is known that Amazon says it."""
    steps = read(reader(), Call({}, envelope("You have chosen to subscribe", NOW, **CONFIRMATION)))

    assert [Fetch(CERTIFICATE_URL, keep=True), Fetch(SUBSCRIBE_URL)] == steps


def test_a_forged_confirmation_is_not_followed() -> None:
    """Not even to Amazon: somebody else's subscription is none of ours."""
    with pytest.raises(NotGenuineError, match="wrong"):
        read(reader(), Call({}, envelope("Welcome", NOW, by="wrong", **CONFIRMATION)))


def test_another_topic_is_refused() -> None:
    """Amazon signs for all its customers alike, and everybody can have a topic."""
    for topic in (TOPIC + "2", TOPIC.replace("123456789012", "210987654321"), "", "*"):
        with pytest.raises(NotGenuineError, match="topic"):
            reader().read(Call({}, envelope(EVENT, NOW, TopicArn=topic)), NOW).send(None)


def test_the_end_of_a_subscription_is_no_event() -> None:
    """Nothing is fetched for it, either: to subscribe again is for a human."""
    call = Call({}, envelope("Bye", NOW, **{**CONFIRMATION, "Type": "UnsubscribeConfirmation"}))

    assert [Fetch(CERTIFICATE_URL, keep=True)] == read(reader(), call)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_subject_is_signed_too(version: str) -> None:
    """Where there is one."""
    body = envelope(EVENT, NOW, version=version, Subject="Amazon SES Email Event Notification")

    assert any(isinstance(step, RecordEvent) for step in read(reader(), Call({}, body)))
    with pytest.raises(NotGenuineError, match="wrong"):
        read(reader(), Call({}, body.replace(b"Amazon SES", b"Amazon SEX")))


def test_another_version_of_signatures_is_refused() -> None:
    """Nobody knows how it would be verified."""
    with pytest.raises(NotGenuineError, match="wrong"):
        read(reader(), Call({}, envelope(EVENT, NOW, SignatureVersion="3")))


@pytest.mark.parametrize("certificate", [None, b"", b"no certificate", amazon.certificate("wrong")])
def test_another_certificate_verifies_nothing(certificate: bytes | None) -> None:
    """Nor does anything else that might come back."""
    reading = reader().read(Call({}, envelope(EVENT, NOW)), NOW)
    next(reading)
    with pytest.raises(NotGenuineError, match="wrong"):
        reading.send(certificate)


def test_a_greeting_in_plain_words_is_passed_over() -> None:
    """With which SES tries a topic."""
    greeting = "Successfully validated SNS topic for Amazon SES event publishing."
    steps = read(reader(), Call({}, envelope(greeting, NOW)))

    assert [Fetch(f"{HOST}/SimpleNotificationService-{'0' * 32}.pem", keep=True), Aside.UNKNOWN] == steps


def test_a_call_that_is_too_large_is_not_read() -> None:
    """SNS sends 256 kB at the most."""
    with pytest.raises(NotGenuineError):
        read(reader(), Call({}, envelope("x" * 600_000, NOW)))
