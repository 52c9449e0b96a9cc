"""Every setting of the mailer: meaning, unit, reason of the default.

Each is read from the environment variable ``PILLARBOX_`` + its name in capitals, or from a file of that
name: see :mod:`services.mailer.secret_files`.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from services.mailer.account_settings import (
    AccountSettings,
    MandrillAccount,
    OutboxAccount,
    SendGridAccount,
    with_kinds,
)
from services.mailer.secret_files import SecretFilesError, SettingsWithSecretFiles
from services.mailer.webhooks.addresses import Network, networks
from shared.signatures import Lane

_STRONG = re.compile(r"[!-~]{32,}")


def _networks(given: Any) -> Any:
    return networks(given) if isinstance(given, str) else given


def _listed(given: Any) -> Any:
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


def _traceable(wanted: bool) -> bool:  # noqa: FBT001 - pydantic's signature
    if wanted and find_spec("opentelemetry") is None:
        raise ValueError("needs the packages of the dependency group tracing")
    return wanted


class Settings(SettingsWithSecretFiles, BaseSettings):
    """The mailer's settings; the defaults are the embedded mode, which needs nothing installed."""

    model_config = SettingsConfigDict(
        env_prefix="PILLARBOX_",
        env_nested_delimiter="__",
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    broker_url: SecretStr = SecretStr("filesystem://var/broker")
    """``amqp://user:password@host/vhost``, ``redis://:password@host/0``, or ``filesystem://folder``."""

    claims_url: SecretStr = SecretStr("sqlite:///var/claims.sqlite3")
    """``postgresql://user:password@host/database``, or ``sqlite:///file``; shared by all mailers."""

    slots: Annotated[int, Field(ge=1, le=2000)] = 200
    """Messages of each lane that one mailer works on at once; mostly they wait for the provider."""

    provider: str = "outbox"
    """Who delivers: accounts in order, with commas; the next one is asked while those before it cannot be.

    Each is the name of an account in ``providers``, or one of ``outbox``, ``sendgrid`` and ``mandrill``
    with the settings below.  ``outbox`` writes ``.eml`` files instead of sending."""

    bulk_provider: str | None = None
    """The same for the bulk lane; without it bulk mail takes the way of all mail."""

    providers: Annotated[dict[str, AccountSettings], BeforeValidator(with_kinds)] = {}
    """Accounts by name: ``PILLARBOX_PROVIDERS__<NAME>__<FIELD>``, or one JSON object."""

    outbox_directory: Path = Path("var/outbox")
    """Where the ``outbox`` provider writes."""

    sendgrid_api_key: SecretStr | None = None
    """API key with the permission "Mail Send"; needed for ``provider=sendgrid``."""

    sendgrid_base_url: str = "https://api.sendgrid.com"
    """``https://api.eu.sendgrid.com`` for accounts in the EU region."""

    mandrill_api_key: SecretStr | None = None
    """API key of Mailchimp Transactional; needed for ``provider=mandrill``."""

    mandrill_base_url: str = "https://mandrillapp.com"
    """Where Mandrill's API is."""

    welcome_sender: str = "welcome@example.com"
    """From address of the welcome message."""

    welcome_sender_name: str = "Pillarbox"
    """Display name beside it."""

    attempt_deadline_seconds: Annotated[float, Field(gt=0)] = 20.0
    """Total time one attempt may take, from connecting to the last byte of the answer."""

    lease_seconds: Annotated[float, Field(gt=0)] = 45.0
    """How long a claim keeps other mailers away: twice the deadline or more, for a slow beginning."""

    backoff_base_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Upper bound of the first wait; it doubles with each attempt."""

    backoff_cap_seconds: Annotated[float, Field(gt=0)] = 900.0
    """Longest wait between two attempts."""

    retry_horizon_seconds: Annotated[float, Field(gt=0)] = 24 * 3600.0
    """After so long since its first attempt a message is given up (an outage of 4 h must be survived)."""

    resend_limit: Annotated[int, Field(ge=1)] = 5
    """Attempts of one message that may end in doubt; after so many it is held, not sent once more."""

    unauthorised_pause_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Wait after the provider refused the account itself; somebody has to repair the key."""

    circuit_failures: Annotated[int, Field(ge=1)] = 5
    """Failures of an account in a row after which no message is sent there for a while."""

    circuit_longest_seconds: Annotated[float, Field(gt=0)] = 10.0
    """An account that is away is tried with one message after 1 s, 2 s, 4 s, and at least this often."""

    recovery_ramp_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long an account that came back takes from a tenth of its load to all of it."""

    account_patience_seconds: Annotated[float, Field(ge=0)] = 600.0
    """How long a message waits in its slot while every account is away, before it goes back to the broker
    (RabbitMQ allows half an hour; on other brokers, which hand it out again, it is at most 20 s)."""

    bulk_requests: Annotated[int, Field(ge=1)] = 4
    """Requests with many bulk messages each that are under way at one account; what waits shares the next."""

    webhook_slots: Annotated[int, Field(ge=0, le=2000)] = 50
    """Webhooks that one mailer posts at once, in slots of their own, lest a slow receiver take mail's; with
    0 it leaves them to others."""

    webhook_deadline_seconds: Annotated[float, Field(gt=0)] = 15.0
    """Total time a webhook's receiver has, from looking up its name to the last byte of its answer."""

    webhook_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    """Networks, with commas, that webhooks may go to although they are not public, and by http too.

    Give the gateway the same.  Empty in production, where only https to public addresses is posted."""

    seal_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Keys, with commas, that what goes through the broker is sealed with: the first seals, all are known.

    The gateway has the same.  Empty: nothing is sealed, and whoever may publish can have mail sent."""

    seal_required: bool = True
    """Whether what is not sealed is refused where there are keys; off only while keys are handed out."""

    claims_retention_days: Annotated[float, Field(gt=0)] = 30.0
    """How long it is remembered what became of a message: a copy that comes later would be sent again."""

    bug_retry_limit: Annotated[int, Field(ge=0)] = 60
    """How often a message that makes our own code fail comes again before it is a dead letter."""

    bug_backoff_cap_seconds: Annotated[int, Field(ge=1)] = 600
    """Longest wait between those; 60 of them span hours, long enough to deploy a fix."""

    presence_interval_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How often the mailer tells the gateways, for the dashboard, that it is there; 0 for never."""

    health_directory: Annotated[Path | None, BeforeValidator(lambda folder: folder or None)] = None
    """Folder for the files ``beat`` and ``ready``, which probes look at; empty for none."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """TCP port of ``GET /metrics``; 0, the default, for none: it asks for no key."""

    host: str = "127.0.0.1"
    """Address that it is served at; the mailer listens for nothing else."""

    tracing: Annotated[bool, AfterValidator(_traceable)] = False
    """Whether traces are exported by OpenTelemetry, which reads all else from its variables, ``OTEL_…``."""

    log_format: Literal["auto", "columns", "json"] = "auto"
    """``auto`` writes columns on a terminal and JSON elsewhere."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log line that is written."""

    @field_validator("seal_keys")
    @classmethod
    def _strong(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_STRONG.fullmatch(key.get_secret_value()) for key in keys):
            raise ValueError("must be keys of at least 32 visible ASCII characters, separated by commas")
        return keys

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lease_seconds < 2 * self.attempt_deadline_seconds:
            raise _unusable("lease_seconds", "lease_seconds must be at least twice attempt_deadline_seconds")
        for lane in Lane:
            self.accounts(lane)
        return self

    def accounts(self, lane: Lane) -> dict[str, AccountSettings]:
        """The accounts that the lane's messages may take, in order.

        Raises:
            ValidationError: One of them is not there, or lacks its key.
        """
        bulk = lane is Lane.BULK and self.bulk_provider is not None
        setting, names = ("bulk_provider", self.bulk_provider) if bulk else ("provider", self.provider)
        listed = [name.strip() for name in (names or "").split(",")]
        if len(set(listed)) < len(listed):
            raise _unusable(setting, "an account is named twice")
        return {name: self.providers.get(name) or self._plain(setting, name) for name in listed}

    def _plain(self, setting: str, name: str) -> AccountSettings:
        """Make an account of the settings that every deployment had before there could be several."""
        if name == "outbox":
            return OutboxAccount(kind=name, directory=self.outbox_directory)
        if name not in {"sendgrid", "mandrill"}:
            raise _unusable(setting, f"there is no account {name!r} in providers")
        key = self.sendgrid_api_key if name == "sendgrid" else self.mandrill_api_key
        if key is None:
            raise _unusable(setting, f"{setting}={name} needs {name}_api_key")
        if name == "sendgrid":
            return SendGridAccount(kind="sendgrid", api_key=key, base_url=self.sendgrid_base_url)
        return MandrillAccount(kind="mandrill", api_key=key, base_url=self.mandrill_base_url)

    def changed(self) -> dict[str, Any]:
        """What differs from the defaults, fit for a log: secrets are starred."""
        return self.model_dump(mode="json", exclude_defaults=True)


def load() -> Settings:
    """Read the settings from the environment.

    Raises:
        SystemExit: One of them cannot be used; names each, and no value, since values hold secrets.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        raise SystemExit("\n".join(map(_told, problems))) from None
    except SecretFilesError as error:
        raise SystemExit(str(error)) from None
    except SettingsError:
        raise SystemExit("PILLARBOX_PROVIDERS: no JSON object") from None  # no other setting is JSON


def _unusable(setting: str, because: str) -> ValidationError:
    """Say what is wrong with a setting in the light of others; what it is need not be shown."""
    problem = InitErrorDetails(type=PydanticCustomError("unusable", because), loc=(setting,), input=None)
    return ValidationError.from_exception_data("Settings", [problem], hide_input=True)


def _told(problem: ErrorDetails) -> str:
    """Name the environment variable that a setting stands in, and say what is wrong with it."""
    place, told = problem["loc"], problem["msg"]
    match place:
        case ("providers", account) if problem["type"] == "union_tag_invalid":
            place, told = ("providers", account, "kind"), f"not one of {problem['ctx']['expected_tags']}"
        case ("providers", account, _, *field):  # in between stands the kind, which is no part of the name
            place = ("providers", account, *field)
    return f"PILLARBOX_{'__'.join(map(str, place)).upper()}: {told}"
