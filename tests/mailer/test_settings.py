"""The mailer's settings: promised defaults, refused values, and what a log may show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.mailer.account_settings import (
    MandrillAccount,
    OutboxAccount,
    PostmarkAccount,
    ResendAccount,
    SendGridAccount,
    SmtpAccount,
)
from services.mailer.providers import PROVIDERS
from services.mailer.providers.base import Provider
from services.mailer.providers.mailgun import Mailgun
from services.mailer.providers.mandrill import Mandrill
from services.mailer.providers.outbox import Outbox
from services.mailer.providers.postmark import Postmark
from services.mailer.providers.resend import Resend
from services.mailer.providers.sendgrid import SendGrid
from services.mailer.providers.ses import Ses
from services.mailer.providers.smtp import Smtp
from services.mailer.settings import Settings, load
from shared.signatures import Lane

PROMISED: dict[str, Any] = {
    "secrets_directory": None,
    "broker_url": SecretStr("filesystem://var/broker"),
    "claims_url": SecretStr("sqlite:///var/claims.sqlite3"),
    "slots": 200,
    "provider": "outbox",
    "bulk_provider": None,
    "providers": {},
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
    "circuit_failures": 5,
    "circuit_longest_seconds": 10.0,
    "recovery_ramp_seconds": 10.0,
    "account_patience_seconds": 600.0,
    "bulk_requests": 4,
    "webhook_slots": 50,
    "webhook_deadline_seconds": 15.0,
    "webhook_networks": (),
    "seal_keys": (),
    "seal_required": True,
    "claims_retention_days": 30.0,
    "bug_retry_limit": 60,
    "bug_backoff_cap_seconds": 600,
    "presence_interval_seconds": 10.0,
    "health_directory": None,
    "metrics_port": 0,
    "host": "127.0.0.1",
    "tracing": False,
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


def test_networks_of_webhooks_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CIDR notation; a single address is one, too."""
    monkeypatch.setenv("PILLARBOX_WEBHOOK_NETWORKS", "10.1.0.0/16, ::1, 127.0.0.1,")
    settings = load()

    assert ("10.1.0.0/16", "::1/128", "127.0.0.1/32") == tuple(map(str, settings.webhook_networks))
    assert ["10.1.0.0/16", "::1/128", "127.0.0.1/32"] == settings.changed()["webhook_networks"]


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


def test_keys_of_seals_are_secrets_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seals, so it counts which one that is."""
    keys = ["a" * 32, "b" * 40]
    monkeypatch.setenv("PILLARBOX_SEAL_KEYS", ", ".join(keys))
    settings = load()

    assert keys == [key.get_secret_value() for key in settings.seal_keys]
    assert {"seal_keys": ["**********"] * 2} == settings.changed()
    assert not any(key in f"{settings!r} {settings}" for key in keys)


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
        ("bulk_provider", "pigeon"),
        ("providers", "{"),
        ("providers", "[1]"),
        ("circuit_failures", "0"),
        ("metrics_port", "65536"),
        ("circuit_longest_seconds", "0"),
        ("recovery_ramp_seconds", "0"),
        ("account_patience_seconds", "-1"),
        ("bulk_requests", "0"),
        ("webhook_slots", "-1"),
        ("webhook_slots", "2001"),
        ("webhook_deadline_seconds", "0"),
        ("webhook_networks", "10.0.0.0/99"),
        ("webhook_networks", "10.0.0.1/8"),
        ("webhook_networks", "localhost"),
        ("seal_keys", "k" * 31),
        ("seal_keys", "k" * 32 + ",short"),
        ("seal_required", "perhaps"),
        ("claims_retention_days", "0"),
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
    ("name", "least"),
    [
        ("slots", 1),
        ("slots", 2000),
        ("resend_limit", 1),
        ("circuit_failures", 1),
        ("account_patience_seconds", 0.0),
        ("bulk_requests", 1),
        ("bug_retry_limit", 0),
        ("bug_backoff_cap_seconds", 1),
        ("backoff_base_seconds", 0.001),
        ("backoff_cap_seconds", 0.001),
        ("retry_horizon_seconds", 0.001),
        ("unauthorised_pause_seconds", 0.001),
        ("circuit_longest_seconds", 0.001),
        ("recovery_ramp_seconds", 0.001),
        ("claims_retention_days", 0.001),
    ],
)
def test_an_extreme_value_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, least: float) -> None:
    """Tests make waits short, and somebody may want the least of everything."""
    monkeypatch.setenv(f"PILLARBOX_{name.upper()}", str(least))

    assert least == getattr(load(), name)


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"LEASE_SECONDS": "20"}, "lease_seconds must be at least twice attempt_deadline_seconds"),
        ({"ATTEMPT_DEADLINE_SECONDS": "60"}, "lease_seconds must be at least twice attempt_deadline_seconds"),
        ({"PROVIDER": "sendgrid"}, "provider=sendgrid needs sendgrid_api_key"),
        ({"PROVIDER": "mandrill", "SENDGRID_API_KEY": "x"}, "provider=mandrill needs mandrill_api_key"),
        (
            {"BULK_PROVIDER": "sendgrid"},
            "PILLARBOX_BULK_PROVIDER: bulk_provider=sendgrid needs sendgrid_api_key",
        ),
        ({"PROVIDER": "outbox,pigeon"}, "PILLARBOX_PROVIDER: there is no account 'pigeon' in providers"),
        ({"PROVIDER": "outbox,"}, "PILLARBOX_PROVIDER: there is no account '' in providers"),
        ({"PROVIDER": "outbox, outbox"}, "PILLARBOX_PROVIDER: an account is named twice"),
        ({"LEASE_SECONDS": "1"}, "PILLARBOX_LEASE_SECONDS: "),
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


# Accounts


@pytest.mark.parametrize(
    ("provider", "key", "kind"),
    [
        ("outbox", {}, OutboxAccount),
        ("sendgrid", {"SENDGRID_API_KEY": PASSWORD}, SendGridAccount),
        ("mandrill", {"MANDRILL_API_KEY": PASSWORD}, MandrillAccount),
    ],
)
def test_one_provider_is_set_as_ever(
    monkeypatch: pytest.MonkeyPatch, provider: str, key: dict[str, str], kind: type
) -> None:
    """By settings that were there before there could be several accounts, for both lanes."""
    for name, value in {"PROVIDER": provider, **key}.items():
        monkeypatch.setenv(f"PILLARBOX_{name}", value)
    settings = load()
    accounts = [settings.accounts(lane) for lane in Lane]

    assert [[provider]] * 2 == [list(each) for each in accounts]
    assert isinstance(accounts[0][provider], kind)
    assert accounts[0][provider].rate_per_second is None


def test_the_address_of_a_provider_is_set_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the EU region is, say, and where the outbox writes."""
    for name in ("SENDGRID", "MANDRILL"):
        monkeypatch.setenv(f"PILLARBOX_{name}_API_KEY", PASSWORD)
        monkeypatch.setenv(f"PILLARBOX_{name}_BASE_URL", f"https://{name.lower()}.example")
    monkeypatch.setenv("PILLARBOX_OUTBOX_DIRECTORY", "/srv/post")
    monkeypatch.setenv("PILLARBOX_PROVIDER", "sendgrid,mandrill,outbox")
    sendgrid, mandrill, outbox = (each.provider() for each in load().accounts(Lane.BULK).values())

    assert SendGrid(PASSWORD, "https://sendgrid.example") == sendgrid
    assert Mandrill(PASSWORD, "https://mandrill.example") == mandrill
    assert Outbox(Path("/srv/post")) == outbox


ACCOUNTS: dict[str, tuple[dict[str, str], Provider]] = {
    "outbox": ({"DIRECTORY": "/srv/post"}, Outbox(Path("/srv/post"))),
    "sendgrid": ({"API_KEY": PASSWORD}, SendGrid(PASSWORD, "https://api.sendgrid.com")),
    "mandrill": ({"API_KEY": PASSWORD}, Mandrill(PASSWORD, "https://mandrillapp.com")),
    "postmark": (
        {"SERVER_TOKEN": PASSWORD, "MESSAGE_STREAM": "broadcast"},
        Postmark(PASSWORD, "https://api.postmarkapp.com", "broadcast"),
    ),
    "resend": ({"API_KEY": PASSWORD}, Resend(PASSWORD, "https://api.resend.com")),
    "mailgun": (
        {"API_KEY": PASSWORD, "DOMAIN": "example.org", "BASE_URL": "https://api.eu.mailgun.net"},
        Mailgun(PASSWORD, "example.org", "https://api.eu.mailgun.net"),
    ),
    "ses": (
        {"ACCESS_KEY_ID": "AKIA", "SECRET_ACCESS_KEY": PASSWORD, "SESSION_TOKEN": "t", "REGION": "eu-west-1"},
        Ses(
            access_key_id="AKIA",
            secret_access_key=PASSWORD,
            session_token="t",
            region="eu-west-1",
            configuration_set=None,
            base_url=None,
        ),
    ),
    "smtp": (
        {"HOST": "mail.example.org", "PORT": "465", "SECURITY": "tls", "USERNAME": "u", "PASSWORD": PASSWORD},
        Smtp("mail.example.org", 465, "tls", "u", PASSWORD),
    ),
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("kind", ACCOUNTS)
def test_every_provider_may_be_an_account(monkeypatch: pytest.MonkeyPatch, kind: str, *, named: bool) -> None:
    """Under a name of its own, or under the provider's, which says it all."""
    fields, expected = ACCOUNTS[kind]
    name = "main" if named else kind
    for field, value in (fields | ({"KIND": kind} if named else {})).items():
        monkeypatch.setenv(f"PILLARBOX_PROVIDERS__{name.upper()}__{field}", value)
    monkeypatch.setenv("PILLARBOX_PROVIDER", name)
    (account,) = load().accounts(Lane.TRANSACTIONAL).values()

    assert expected == account.provider()
    assert kind == expected.kind
    assert expected.traits == account.traits(account.provider())


def test_a_mail_server_is_met_where_submissions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its port for them (RFC 6409), with STARTTLS, and without a name."""
    monkeypatch.setenv("PILLARBOX_PROVIDERS__SMTP__HOST", "mail.example.org")
    monkeypatch.setenv("PILLARBOX_PROVIDER", "smtp")
    (account,) = load().accounts(Lane.BULK).values()

    assert Smtp("mail.example.org", 587, "starttls", None, None) == account.provider()


@pytest.mark.parametrize("port", [1, 65_535])
def test_a_mail_server_may_be_on_any_port(port: int) -> None:
    """From the first to the last."""
    assert SmtpAccount(kind="smtp", host="h", port=port).port == port


def test_no_provider_is_forgotten() -> None:
    """Whoever is registered can be an account."""
    assert set(ACCOUNTS) == set(PROVIDERS)


@pytest.mark.parametrize("key", ["123456", "0042", "1e5", "true", "null", '{"a": 1}', "{", "[1]", '"x"'])
def test_a_key_is_taken_literally(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Although it may look like a number, or like JSON."""
    monkeypatch.setenv("PILLARBOX_PROVIDERS__RESEND__API_KEY", key)
    monkeypatch.setenv("PILLARBOX_PROVIDER", "resend")
    (account,) = load().accounts(Lane.BULK).values()

    assert Resend(key, "https://api.resend.com") == account.provider()


def test_accounts_may_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """From one secret, with what stands beside it on top."""
    accounts = {"first": {"kind": "resend", "api_key": PASSWORD}, "outbox": {"directory": "/srv/post"}}
    monkeypatch.setenv("PILLARBOX_PROVIDERS", json.dumps(accounts))
    monkeypatch.setenv("PILLARBOX_PROVIDERS__FIRST__RATE_PER_SECOND", "2.5")
    monkeypatch.setenv("PILLARBOX_PROVIDER", "first,outbox")
    first, outbox = load().accounts(Lane.TRANSACTIONAL).values()

    assert Resend(PASSWORD, "https://api.resend.com") == first.provider()
    assert first.rate_per_second == 2.5
    assert Outbox(Path("/srv/post")) == outbox.provider()


def test_accounts_are_asked_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are named, with or without spaces; bulk mail may have an order of its own."""
    for name in ("A", "B", "C"):
        monkeypatch.setenv(f"PILLARBOX_PROVIDERS__{name}__KIND", "outbox")
    monkeypatch.setenv("PILLARBOX_PROVIDER", "b, a ,outbox")
    before = [list(load().accounts(lane)) for lane in Lane]
    monkeypatch.setenv("PILLARBOX_BULK_PROVIDER", "c")
    after = [list(load().accounts(lane)) for lane in Lane]

    assert [["b", "a", "outbox"]] * 2 == before
    assert [["b", "a", "outbox"], ["c"]] == after


def test_an_account_named_like_a_plain_setting_comes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says more."""
    monkeypatch.setenv("PILLARBOX_SENDGRID_API_KEY", "plain")
    monkeypatch.setenv("PILLARBOX_PROVIDERS__SENDGRID__API_KEY", PASSWORD)
    monkeypatch.setenv("PILLARBOX_PROVIDER", "sendgrid")
    (account,) = load().accounts(Lane.BULK).values()

    assert SendGrid(PASSWORD, "https://api.sendgrid.com") == account.provider()


def test_an_account_may_know_its_provider_better() -> None:
    """How long its search takes, and how long its keys count, where it has keys at all."""
    better = {"settle_delay_seconds": 5.0, "key_window_seconds": 60.0}
    resend = ResendAccount(kind="resend", api_key=SecretStr(PASSWORD), **better)
    postmark = PostmarkAccount(kind="postmark", server_token=SecretStr(PASSWORD), **better)
    plain = ResendAccount(kind="resend", api_key=SecretStr(PASSWORD))
    expected = [(5.0, 60.0), (5.0, None), (30.0, Resend.traits.key_window)]

    assert expected == [
        (traits.settle_delay, traits.key_window)
        for traits in (account.traits(account.provider()) for account in (resend, postmark, plain))
    ]


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"A__KIND": "pigeon"}, "A__KIND"),
        ({"A__API_KEY": "x"}, "A__KIND"),
        ({"RESEND__RATE_PER_SECOND": "1"}, "RESEND__API_KEY"),
        ({"RESEND__API_KEY": "x", "RESEND__RATE_PER_SECOND": "0"}, "RESEND__RATE_PER_SECOND"),
        ({"RESEND__API_KEY": "x", "RESEND__SETTLE_DELAY_SECONDS": "-1"}, "RESEND__SETTLE_DELAY_SECONDS"),
        ({"RESEND__API_KEY": "x", "RESEND__KEY_WINDOW_SECONDS": "0"}, "RESEND__KEY_WINDOW_SECONDS"),
        ({"RESEND__API_KEY": "x", "RESEND__DOMAIN": "y"}, "RESEND__DOMAIN"),
        ({"SMTP__HOST": "x", "SMTP__PORT": "0"}, "SMTP__PORT"),
        ({"SMTP__HOST": "x", "SMTP__PORT": "65536"}, "SMTP__PORT"),
        ({"SMTP__HOST": "x", "SMTP__SECURITY": "ssl"}, "SMTP__SECURITY"),
        ({"A": "x"}, "A"),
    ],
)
def test_an_unusable_account_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], variable: str
) -> None:
    """By the name of the variable to mend."""
    for name, value in settings.items():
        monkeypatch.setenv(f"PILLARBOX_PROVIDERS__{name}", value)

    with pytest.raises(SystemExit, match=f"(?m)^PILLARBOX_PROVIDERS__{variable}: "):
        load()


@pytest.mark.parametrize("field", ["KIND", "API_KEY", "RATE_PER_SECOND", "TYPO", "API_KEY__TYPO"])
def test_an_unusable_account_shows_no_value(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """A key may stand in the wrong variable."""
    monkeypatch.setenv("PILLARBOX_PROVIDERS__SES__API_KEY", PASSWORD)
    monkeypatch.setenv(f"PILLARBOX_PROVIDERS__SES__{field}", PASSWORD)
    with pytest.raises(SystemExit) as told:
        load()

    assert PASSWORD not in str(told.value)
    assert "PILLARBOX_PROVIDERS__SES__" in str(told.value)


def test_json_that_is_none_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds keys."""
    monkeypatch.setenv("PILLARBOX_PROVIDERS", f'{{"a": {{"kind": "resend", "api_key": "{PASSWORD}"}}')
    with pytest.raises(SystemExit) as told:
        load()

    assert str(told.value) == "PILLARBOX_PROVIDERS: no JSON object"


def test_the_secrets_of_accounts_are_starred(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever settings are printed: in ``mailer.started``, say."""
    for kind, (fields, _) in ACCOUNTS.items():
        for field, value in fields.items():
            monkeypatch.setenv(f"PILLARBOX_PROVIDERS__{kind.upper()}__{field}", value)
    settings = load()
    shown = settings.changed()

    assert PASSWORD not in f"{settings!r} {settings} {shown}"
    assert shown["providers"]["mailgun"]["api_key"] == "**********"
    assert shown["providers"]["mailgun"]["domain"] == "example.org"
    assert set(ACCOUNTS) == set(shown["providers"])


def test_every_field_of_an_account_has_one_unit_in_its_name() -> None:
    """Of what all accounts have, and its docstring says the rest."""
    fields = OutboxAccount.model_fields

    assert {"rate_per_second", "settle_delay_seconds", "key_window_seconds", "kind", "directory"} == set(
        fields
    )
    assert all(fields[name].description for name in fields if name.endswith(("_second", "_seconds")))
