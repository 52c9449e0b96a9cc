"""The mailer's settings: promised defaults, refused values, and what a log may show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.mailer.settings import Settings, load

PROMISED: dict[str, Any] = {
    "broker_url": SecretStr("filesystem://var/broker"),
    "claims_url": SecretStr("sqlite:///var/claims.sqlite3"),
    "slots": 100,
    "provider": "outbox",
    "outbox_directory": Path("var/outbox"),
    "sendgrid_api_key": None,
    "sendgrid_base_url": "https://api.sendgrid.com",
    "mandrill_api_key": None,
    "mandrill_base_url": "https://mandrillapp.com",
    "welcome_sender": "welcome@example.com",
    "welcome_sender_name": "Pillarbox",
    "attempt_deadline_seconds": 20.0,
    "lease_seconds": 45.0,
    "backoff_base_seconds": 5.0,
    "backoff_cap_seconds": 900.0,
    "retry_horizon_seconds": 86_400.0,
    "resend_limit": 5,
    "unauthorised_pause_seconds": 60.0,
    "bug_retry_limit": 60,
    "bug_backoff_cap_seconds": 600,
    "log_format": "auto",
    "log_level": "INFO",
}
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a fresh machine."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PILLARBOX_{name.upper()}", raising=False)


def test_defaults_are_promised() -> None:
    """Nobody's deployment changes because a default did."""
    assert PROMISED == Settings().model_dump()


def test_an_outage_of_hours_is_survived() -> None:
    """A provider may be away for four hours at least."""
    assert Settings().retry_horizon_seconds >= 4 * 3600


def test_every_setting_says_what_it_means() -> None:
    """In the words that the documentation shows."""
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """From variables named like them, with a prefix."""
    monkeypatch.setenv("PILLARBOX_SLOTS", "7")
    monkeypatch.setenv("PILLARBOX_CLAIMS_URL", "postgresql://a:b@db/claims")
    monkeypatch.setenv("PILLARBOX_SOMEBODY_ELSES", "ignored")
    settings = load()

    assert (7, "postgresql://a:b@db/claims") == (settings.slots, settings.claims_url.get_secret_value())


def test_defaults_are_not_worth_a_line() -> None:
    """A log shows what somebody has changed."""
    assert not Settings().changed()


def test_secrets_are_starred() -> None:
    """Wherever settings are printed."""
    settings = Settings(
        slots=7,
        provider="sendgrid",
        broker_url=SecretStr(f"amqp://mailer:{PASSWORD}@mq/pillarbox"),
        claims_url=SecretStr(f"postgresql://mailer:{PASSWORD}@db/claims"),
        sendgrid_api_key=SecretStr(PASSWORD),
        mandrill_api_key=SecretStr(PASSWORD),
    )
    secrets = ("broker_url", "claims_url", "sendgrid_api_key", "mandrill_api_key")
    expected = {"slots": 7, "provider": "sendgrid"} | dict.fromkeys(secrets, "**********")

    assert expected == settings.changed()
    assert PASSWORD not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slots", "0"),
        ("slots", "2001"),
        ("provider", "pigeon"),
        ("attempt_deadline_seconds", "0"),
        ("lease_seconds", "0"),
        ("backoff_base_seconds", "0"),
        ("backoff_cap_seconds", "0"),
        ("retry_horizon_seconds", "-1"),
        ("resend_limit", "0"),
        ("unauthorised_pause_seconds", "0"),
        ("bug_retry_limit", "-1"),
        ("bug_backoff_cap_seconds", "0"),
        ("log_format", "xml"),
        ("log_level", "LOUD"),
    ],
)
def test_an_unusable_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """At the start, by the name of its variable."""
    monkeypatch.setenv(f"PILLARBOX_{name.upper()}", value)

    with pytest.raises(SystemExit, match=f"PILLARBOX_{name.upper()}: "):
        load()


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"LEASE_SECONDS": "20"}, "lease_seconds must be at least twice attempt_deadline_seconds"),
        ({"ATTEMPT_DEADLINE_SECONDS": "60"}, "lease_seconds must be at least twice attempt_deadline_seconds"),
        ({"PROVIDER": "sendgrid"}, "provider=sendgrid needs sendgrid_api_key"),
        ({"PROVIDER": "mandrill", "SENDGRID_API_KEY": "x"}, "provider=mandrill needs mandrill_api_key"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], because: str
) -> None:
    """At the start, rather than at the first message."""
    for name, value in settings.items():
        monkeypatch.setenv(f"PILLARBOX_{name}", value)

    with pytest.raises(SystemExit, match=because):
        load()


def test_a_refusal_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where two settings contradict each other, and one of them is a key."""
    monkeypatch.setenv("PILLARBOX_SLOTS", PASSWORD)
    monkeypatch.setenv("PILLARBOX_PROVIDER", "mandrill")
    monkeypatch.setenv("PILLARBOX_SENDGRID_API_KEY", PASSWORD)
    with pytest.raises(SystemExit) as told:
        load()
    with pytest.raises(ValidationError) as raised:
        Settings()

    assert PASSWORD not in f"{told.value} {raised.value}"


def test_a_contradiction_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong as a whole is not shown as a whole."""
    monkeypatch.setenv("PILLARBOX_PROVIDER", "mandrill")
    monkeypatch.setenv("PILLARBOX_SENDGRID_API_KEY", PASSWORD)
    with pytest.raises(SystemExit) as told:
        load()
    with pytest.raises(ValidationError) as raised:
        Settings()

    assert PASSWORD not in f"{told.value} {raised.value}"
