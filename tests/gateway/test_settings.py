"""The gateway's settings: promised defaults, refused values, and what a log may show."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.gateway.settings import Settings, load

PROMISED: dict[str, Any] = {
    "secrets_directory": None,
    "host": "127.0.0.1",
    "port": 8080,
    "broker_url": SecretStr("filesystem://var/broker"),
    "ledger_url": SecretStr("sqlite:///var/ledger.sqlite3"),
    "ledger_timeout_seconds": 1.0,
    "api_key_cache_seconds": 1.0,
    "api_key_use_seconds": 5.0,
    "rate_limit_per_second": 10_000.0,
    "development_key": None,
    "body_limit_bytes": 10_000_000,
    "body_timeout_seconds": 10.0,
    "idle_timeout_seconds": 75.0,
    "in_flight_limit": 512,
    "in_flight_limit_bytes": 128_000_000,
    "relay_capacity": 10_000,
    "confirm_timeout_seconds": 10.0,
    "sweep_interval_seconds": 1.0,
    "publish_lease_seconds": 5.0,
    "silent_after_seconds": 60.0,
    "templates_folder": None,
    "body_retention_days": 30.0,
    "retention_interval_seconds": 60.0,
    "roll_up_interval_seconds": 60.0,
    "drain_timeout_seconds": 20.0,
    "idempotency_retention_seconds": 86_400.0,
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


def test_every_setting_says_what_it_means() -> None:
    """In the words that the documentation shows."""
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """From variables named like them, with a prefix."""
    monkeypatch.setenv("PILLARBOX_PORT", "0")
    monkeypatch.setenv("PILLARBOX_LEDGER_URL", "postgresql://a:b@db/ledger")
    monkeypatch.setenv("PILLARBOX_SOMEBODY_ELSES", "ignored")
    settings = load()

    assert (0, "postgresql://a:b@db/ledger") == (settings.port, settings.ledger_url.get_secret_value())


def test_defaults_are_not_worth_a_line() -> None:
    """A log shows what somebody has changed."""
    assert not Settings().changed()


def test_secrets_are_starred() -> None:
    """Wherever settings are printed."""
    settings = Settings(
        port=8081,
        broker_url=SecretStr(f"amqp://gateway:{PASSWORD}@mq/pillarbox"),
        ledger_url=SecretStr(f"postgresql://gateway:{PASSWORD}@db/ledger"),
    )
    embedded = Settings(development_key=SecretStr(PASSWORD))
    expected = {"port": 8081, "broker_url": "**********", "ledger_url": "**********"}

    assert expected == settings.changed()
    assert {"development_key": "**********"} == embedded.changed()
    assert PASSWORD not in f"{settings!r} {settings} {embedded!r} {embedded}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_development_key_is_taken_on_loopback(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """In the embedded mode, in any form without blanks."""
    monkeypatch.setenv("PILLARBOX_HOST", host)
    monkeypatch.setenv("PILLARBOX_DEVELOPMENT_KEY", "re_12345")
    key = load().development_key

    assert key is not None
    assert "re_12345" == key.get_secret_value()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "0.0.0.0"),
        ("HOST", "::"),
        ("HOST", ""),
        ("BROKER_URL", f"amqp://gateway:{PASSWORD}@mq/pillarbox"),
        ("BROKER_URL", f"redis://:{PASSWORD}@redis/0"),
        ("LEDGER_URL", f"postgresql://gateway:{PASSWORD}@db/ledger"),
    ],
)
def test_a_development_key_is_refused_elsewhere(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Nobody takes it along into production: the gateway does not start, and says what to do instead."""
    monkeypatch.setenv(f"PILLARBOX_{name}", value)
    monkeypatch.setenv("PILLARBOX_DEVELOPMENT_KEY", PASSWORD)
    with pytest.raises(SystemExit, match=r"^PILLARBOX_DEVELOPMENT_KEY: .*keys create$") as told:
        load()

    assert PASSWORD not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("port", "http"),
        ("ledger_timeout_seconds", "0"),
        ("api_key_cache_seconds", "-1"),
        ("api_key_cache_seconds", "61"),
        ("api_key_use_seconds", "0"),
        ("rate_limit_per_second", "-1"),
        ("rate_limit_per_second", "inf"),
        ("development_key", "1234567"),
        ("development_key", "two words"),
        ("development_key", "schlüssel"),
        ("body_limit_bytes", "1023"),
        ("body_timeout_seconds", "0"),
        ("idle_timeout_seconds", "0"),
        ("in_flight_limit", "0"),
        ("relay_capacity", "0"),
        ("confirm_timeout_seconds", "-1"),
        ("sweep_interval_seconds", "0"),
        ("publish_lease_seconds", "0"),
        ("silent_after_seconds", "0"),
        ("body_retention_days", "-1"),
        ("body_retention_days", "inf"),
        ("retention_interval_seconds", "0"),
        ("drain_timeout_seconds", "-0.1"),
        ("log_format", "xml"),
        ("log_level", "LOUD"),
    ],
)
def test_an_unusable_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """At the start, by the name of its variable."""
    monkeypatch.setenv(f"PILLARBOX_{name.upper()}", value)

    with pytest.raises(SystemExit, match=f"PILLARBOX_{name.upper()}: "):
        load()


def test_a_refusal_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in the wrong variable must not end up in a log."""
    monkeypatch.setenv("PILLARBOX_PORT", PASSWORD)
    with pytest.raises(SystemExit) as told:
        load()
    with pytest.raises(ValidationError) as raised:
        Settings()

    assert PASSWORD not in f"{told.value} {raised.value}"
