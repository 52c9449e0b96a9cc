"""The gateway's settings: promised defaults, refused values, and what a log may show."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.gateway.settings import Settings, load
from tests.gateway.provider_events.providers import SECRETS, public

PROMISED: dict[str, Any] = {
    "secrets_directory": None,
    "host": "127.0.0.1",
    "port": 8080,
    "metrics_port": 0,
    "metrics_interval_seconds": 10.0,
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
    "provider_events": {},
    "templates_folder": None,
    "body_retention_days": 30.0,
    "retention_interval_seconds": 60.0,
    "stray_interval_seconds": 30.0,
    "stray_retention_seconds": 86_400.0,
    "event_stream_interval_seconds": 0.5,
    "event_stream_heartbeat_seconds": 15.0,
    "event_streams_per_key": 10,
    "event_streams_limit": 500,
    "public_url": None,
    "unsubscribe_keys": (),
    "roll_up_interval_seconds": 60.0,
    "webhook_networks": (),
    "webhook_retention_days": 30.0,
    "dashboard": True,
    "dashboard_session_seconds": 43_200.0,
    "seal_keys": (),
    "seal_required": True,
    "outbox_directory": None,
    "lame_duck_seconds": 0.0,
    "drain_timeout_seconds": 20.0,
    "idempotency_retention_seconds": 86_400.0,
    "tracing": False,
    "log_format": "auto",
    "log_level": "INFO",
}
PASSWORD = "correct-horse-battery-staple"
LINK_KEYS = tuple(base64.urlsafe_b64encode(bytes([number] * 32)).decode() for number in (1, 2))


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


def test_networks_are_listed_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the mailer has them."""
    monkeypatch.setenv("PILLARBOX_WEBHOOK_NETWORKS", "127.0.0.1, 10.1.0.0/16,fd00::/8")

    assert ("127.0.0.1/32", "10.1.0.0/16", "fd00::/8") == tuple(map(str, load().webhook_networks))


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
        ("metrics_port", "65536"),
        ("in_flight_limit", "0"),
        ("relay_capacity", "0"),
        ("confirm_timeout_seconds", "-1"),
        ("sweep_interval_seconds", "0"),
        ("publish_lease_seconds", "0"),
        ("silent_after_seconds", "0"),
        ("body_retention_days", "-1"),
        ("body_retention_days", "inf"),
        ("retention_interval_seconds", "0"),
        ("stray_interval_seconds", "0"),
        ("stray_retention_seconds", "0"),
        ("webhook_networks", "10.0.0.1/8"),
        ("webhook_networks", "localhost"),
        ("webhook_retention_days", "-1"),
        ("event_stream_interval_seconds", "0"),
        ("event_stream_heartbeat_seconds", "0"),
        ("event_streams_per_key", "0"),
        ("event_streams_limit", "0"),
        ("public_url", "http://mail.example.com"),
        ("public_url", "mail.example.com"),
        ("public_url", "https://"),
        ("public_url", "https://user@mail.example.com"),
        ("public_url", "https://mail.example.com?x"),
        ("public_url", "https://[mail"),
        ("unsubscribe_keys", "short"),
        ("unsubscribe_keys", f"{LINK_KEYS[0]},{LINK_KEYS[1][:-4]}"),
        ("seal_keys", "k" * 31),
        ("seal_keys", "k" * 32 + ",short"),
        ("seal_required", "perhaps"),
        ("lame_duck_seconds", "-0.1"),
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


@pytest.mark.parametrize(
    "url", ["https://mail.example.com/box/", "http://localhost:8080", "http://[::1]:8080"]
)
def test_links_lead_to_https_or_to_this_machine(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Mail programs post to nothing else (RFC 8058)."""
    monkeypatch.setenv("PILLARBOX_PUBLIC_URL", url)

    assert url == load().public_url


def test_keys_of_links_are_secrets_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first makes links, so it counts which one that is."""
    monkeypatch.setenv("PILLARBOX_UNSUBSCRIBE_KEYS", ", ".join(LINK_KEYS))
    settings = load()

    assert LINK_KEYS == tuple(key.get_secret_value() for key in settings.unsubscribe_keys)
    assert {"unsubscribe_keys": ["**********"] * 2} == settings.changed()
    assert not any(key in f"{settings!r} {settings}" for key in LINK_KEYS)


def test_keys_of_seals_are_secrets_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seals, so it counts which one that is."""
    keys = ["a" * 32, "b" * 40]
    monkeypatch.setenv("PILLARBOX_SEAL_KEYS", ", ".join(keys))
    settings = load()

    assert keys == [key.get_secret_value() for key in settings.seal_keys]
    assert {"seal_keys": ["**********"] * 2} == settings.changed()
    assert not any(key in f"{settings!r} {settings}" for key in keys)


def test_settings_that_are_empty_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployments leave them."""
    for name in ("PUBLIC_URL", "UNSUBSCRIBE_KEYS", "SEAL_KEYS"):
        monkeypatch.setenv(f"PILLARBOX_{name}", "")

    assert not load().changed()


def test_a_refusal_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in the wrong variable must not end up in a log."""
    monkeypatch.setenv("PILLARBOX_PORT", PASSWORD)
    with pytest.raises(SystemExit) as told:
        load()
    with pytest.raises(ValidationError) as raised:
        Settings()

    assert PASSWORD not in f"{told.value} {raised.value}"


def _providers(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"PILLARBOX_PROVIDER_EVENTS__{name.upper()}", value)


TOPICS = "arn:aws:sns:us-east-1:123456789012:a,arn:aws:sns:eu-west-1:123456789012:b.fifo"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("sendgrid", {"public_keys": public("right")}),
        ("mandrill", {"keys": PASSWORD, "url": "https://mail.example.com/provider-events/mandrill"}),
        ("postmark", {"username": "postmark", "passwords": f"12345,1e5, {PASSWORD} "}),
        ("postmark", {"username": "1e5", "passwords": "12345", "networks": "192.0.2.1, 2001:db8::/32"}),
        ("resend", {"secrets": SECRETS["right"]}),
        ("mailgun", {"keys": f"{PASSWORD},1"}),
        ("ses", {"topic_arns": TOPICS}),
    ],
)
def test_an_account_may_post_events(
    monkeypatch: pytest.MonkeyPatch, kind: str, fields: dict[str, str]
) -> None:
    """Named after its provider, or otherwise and then with its kind; nothing in it is taken for JSON."""
    _providers(monkeypatch, **{f"{kind}__{name}": value for name, value in fields.items()})
    _providers(monkeypatch, **{f"main__{name}": value for name, value in {"kind": kind, **fields}.items()})
    settings = load()

    assert {kind, "main"} == set(settings.provider_events)
    assert {kind} == {account.kind for account in settings.provider_events.values()}
    assert all(account.reader(name) for name, account in settings.provider_events.items())
    for value in fields.values():
        assert PASSWORD not in f"{settings!r} {settings.changed()}" or value == PASSWORD


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({"main__keys": PASSWORD}, "MAIN__KIND"),
        ({"main__kind": PASSWORD}, "MAIN__KIND"),
        ({"sendgrid__public_keys": PASSWORD}, "SENDGRID__PUBLIC_KEYS"),
        ({"sendgrid__public_keys": ""}, "SENDGRID__PUBLIC_KEYS"),
        ({"mandrill__keys": PASSWORD}, "MANDRILL__URL"),
        ({"mandrill__keys": " , ", "mandrill__url": "https://a.example/"}, "MANDRILL__KEYS"),
        ({"postmark__username": "a", "postmark__passwords": ""}, "POSTMARK__PASSWORDS"),
        (
            {"postmark__username": "a", "postmark__passwords": "b", "postmark__networks": PASSWORD},
            "POSTMARK__NETWORKS",
        ),
        ({"resend__secrets": "whsec_"}, "RESEND__SECRETS"),
        ({"resend__secrets": f"whsec_{PASSWORD}a"}, "RESEND__SECRETS"),
        ({"mailgun__key": PASSWORD}, "MAILGUN__KEY"),
        ({"ses__topic_arns": "arn:aws:sns:*:*:*"}, "SES__TOPIC_ARNS"),
        ({"ses__kind": "ses"}, "SES__TOPIC_ARNS"),
    ],
)
def test_an_account_that_cannot_be_verified_is_refused(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, str], variable: str
) -> None:
    """At the start, by the name of its variable, and without its value."""
    _providers(monkeypatch, **fields)
    with pytest.raises(SystemExit, match=rf"(?m)^PILLARBOX_PROVIDER_EVENTS__{variable}: ") as told:
        load()

    assert PASSWORD not in str(told.value)


def test_accounts_may_be_given_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one variable; what is no JSON is refused without a word of it."""
    monkeypatch.setenv("PILLARBOX_PROVIDER_EVENTS", '{"mailgun": {"keys": "a"}}')

    assert ["mailgun"] == list(load().provider_events)
    monkeypatch.setenv("PILLARBOX_PROVIDER_EVENTS", PASSWORD)
    with pytest.raises(SystemExit, match=r"^PILLARBOX_PROVIDER_EVENTS: no JSON object$"):
        load()
