"""Every setting of the gateway: meaning, unit, reason of the default.

Each is read from the environment variable ``PILLARBOX_`` + its name in capitals, or from a file of that
name: see :mod:`services.gateway.secret_files`.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from services.gateway.provider_events.account_settings import EventsSettings, with_kinds
from services.gateway.secret_files import SecretFilesError, SettingsWithSecretFiles

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_VISIBLE = re.compile(r"[!-~]{8,}")
_STRONG = re.compile(r"[!-~]{32,}")


def _listed(value: object) -> object:
    """Let a text stand for what it lists between commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("must be networks such as 10.1.0.0/16, separated by commas") from None


def _traceable(wanted: bool) -> bool:  # noqa: FBT001 - pydantic's signature
    if wanted and find_spec("opentelemetry") is None:
        raise ValueError("needs the packages of the dependency group tracing")
    return wanted


class Settings(SettingsWithSecretFiles, BaseSettings):
    """The gateway's settings; the defaults are the embedded mode, which needs nothing installed."""

    model_config = SettingsConfigDict(
        env_prefix="PILLARBOX_",
        env_nested_delimiter="__",
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on.  Loopback, because API keys must not cross a network without TLS."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port to listen on; 0 takes a free one."""

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """TCP port of ``GET /metrics``, at the same address; 0, the default, for none: it asks for no key."""

    metrics_interval_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How often the ledger is asked for what ``/metrics`` tells of it; scrapes in between hear the same."""

    broker_url: SecretStr = SecretStr("filesystem://var/broker")
    """``amqp://user:password@host/vhost``, ``redis://:password@host/0``, or ``filesystem://folder``."""

    ledger_url: SecretStr = SecretStr("sqlite:///var/ledger.sqlite3")
    """``postgresql://user:password@host/database``, or ``sqlite:///file``."""

    ledger_timeout_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Longest wait for a commit; after it callers get an honest 503 rather than a hanging request."""

    api_key_cache_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How long a gateway may believe what it knows of an API key: one revoked elsewhere works so long."""

    api_key_use_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often it is written down which API keys were used."""

    rate_limit_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10_000.0
    """Requests a second of one API key that has no rate of its own; 0 is no limit.  Stops a runaway."""

    development_key: SecretStr | None = None
    """An API key of full access, tenant ``default``; only in the embedded mode, listening on loopback."""

    body_limit_bytes: Annotated[int, Field(ge=1024)] = 10_000_000
    """Largest request body, attachments included (base64 adds a third)."""

    body_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest time a caller may take to send its body."""

    idle_timeout_seconds: Annotated[float, Field(gt=0)] = 75.0
    """How long a connection may be silent, or take for a request's head; a load balancer's 60 s and some."""

    in_flight_limit: Annotated[int, Field(ge=1)] = 512
    """Requests worked on at once; more are answered 503 before their body is read."""

    in_flight_limit_bytes: Annotated[int, Field(ge=1)] = 128_000_000
    """Bodies of those requests together; a burst of attachments must not take the whole memory."""

    relay_capacity: Annotated[int, Field(ge=1)] = 10_000
    """Committed messages held in memory for publishing; more wait in the ledger for the sweeper."""

    confirm_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for the broker's confirms before the channel is thrown away."""

    sweep_interval_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How often the sweeper looks for messages that are due."""

    publish_lease_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How long a relay has for a message it accepted before a sweeper may publish it."""

    silent_after_seconds: Annotated[float, Field(gt=0)] = 60.0
    """A published message nobody has heard of for so long is published again, if the broker lost it."""

    idempotency_retention_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    """How long a repeat under the same idempotency key gets the stored answer; Resend keeps them 24 h."""

    templates_folder: Annotated[Path | None, BeforeValidator(lambda folder: folder or None)] = None
    """Folder of templates for every tenant, published when the gateway starts; none if empty."""

    body_retention_days: Annotated[float, Field(ge=0, le=36_500)] = 30.0
    """How long bodies, headers and attachments of messages that have ended are kept; 0 is for ever."""

    retention_interval_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often the gateway looks for bodies and idempotency keys that are too old."""

    stray_interval_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How often the gateway looks whether the messages are known by now that providers told of before."""

    stray_retention_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    """How long what a provider told of an unknown message is kept: a mailer may be late to tell of it."""

    roll_up_interval_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often accepted messages are counted into the statistics; until then whoever asks counts them."""

    provider_events: Annotated[dict[str, EventsSettings], BeforeValidator(with_kinds)] = {}
    """Accounts whose providers tell here what became of messages, by name:
    ``PILLARBOX_PROVIDER_EVENTS__<NAME>__<FIELD>``, or one JSON object."""

    webhook_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)
    ] = ()
    """Networks, separated by commas, that webhooks may be posted to although they are not public, over HTTP
    too.  Empty, as in production: HTTPS to public addresses only.  The mailer has it under the same name."""

    webhook_retention_days: Annotated[float, Field(ge=0, le=36_500)] = 30.0
    """How long it is kept what webhooks told, and every attempt at it; 0 is for ever."""

    event_stream_interval_seconds: Annotated[float, Field(gt=0)] = 0.5
    """How often the ledger is asked for new events while anybody streams them: so late is a stream."""

    event_stream_heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How often a stream gives a sign of life, and its API key is looked at; proxies hang up after 30 s."""

    event_streams_per_key: Annotated[int, Field(ge=1)] = 10
    """Streams of events that one API key may have open at a gateway."""

    event_streams_limit: Annotated[int, Field(ge=1)] = 500
    """Streams of events that a gateway serves at once; each is a connection, and no request in flight."""

    public_url: Annotated[str | None, BeforeValidator(lambda url: url or None)] = None
    """Where recipients reach this gateway, for links to unsubscribe: ``https://mail.example.com``."""

    unsubscribe_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Fernet keys for those links, separated by commas: the first makes links, all of them read links."""

    dashboard: bool = True
    """Whether there are pages for people at ``/``; nobody sees them without an API key."""

    dashboard_session_seconds: Annotated[float, Field(ge=60)] = 12 * 3600.0
    """How long somebody stays logged in: a working day, and the evening of an incident."""

    seal_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = ()
    """Keys, separated by commas, that what goes through the broker is sealed with: the first seals, all are
    known.  The mailer has the same; empty: nothing is sealed, and whoever may publish is believed."""

    seal_required: bool = True
    """Whether what is not sealed is refused where there are keys; off only while keys are handed out."""

    outbox_directory: Annotated[Path | None, BeforeValidator(lambda folder: folder or None)] = None
    """Folder that the mailer's provider ``outbox`` writes, which has it under the same name: the dashboard
    shows it as an inbox.  None unless it is named: elsewhere no gateway reads files of a mailer."""

    lame_duck_seconds: Annotated[float, Field(ge=0)] = 0.0
    """On shutdown, how long requests are still taken while readiness is red, until balancers know."""

    drain_timeout_seconds: Annotated[float, Field(ge=0)] = 20.0
    """On shutdown, how long running requests and the relay may take to finish."""

    tracing: Annotated[bool, AfterValidator(_traceable)] = False
    """Whether traces are exported by OpenTelemetry, which reads all else from its variables, ``OTEL_…``."""

    log_format: Literal["auto", "columns", "json"] = "auto"
    """``auto`` writes columns on a terminal and JSON elsewhere."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log line that is written."""

    @field_validator("public_url")
    @classmethod
    def _reachable(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        # Mail programs post to HTTPS only (RFC 8058, section 3.1); on loopback nobody but a developer does.
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not is_safe or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must be an https:// URL without user, query and fragment")
        return url

    @field_validator("unsubscribe_keys")
    @classmethod
    def _fernet_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not keys:
            return keys
        from cryptography.fernet import Fernet  # noqa: PLC0415 - for gateways that make such links

        try:
            for key in keys:
                Fernet(key.get_secret_value())
        except ValueError:
            raise ValueError(
                "must be keys as Fernet.generate_key() makes them, separated by commas"
            ) from None
        return keys

    @field_validator("seal_keys")
    @classmethod
    def _strong(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_STRONG.fullmatch(key.get_secret_value()) for key in keys):
            raise ValueError("must be keys of at least 32 visible ASCII characters, separated by commas")
        return keys

    @field_validator("development_key")
    @classmethod
    def _for_development(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is None:
            return None
        if not _VISIBLE.fullmatch(key.get_secret_value()):
            raise ValueError("must be at least 8 visible ASCII characters, without blanks")
        urls = [info.data[name].get_secret_value() for name in ("broker_url", "ledger_url")]
        embedded = urls[0].startswith("filesystem://") and urls[1].startswith("sqlite://")
        if not embedded or info.data["host"] not in _LOOPBACK:
            raise ValueError(
                "is for the embedded mode on loopback only (broker filesystem://, ledger sqlite://): "
                "make a key with python -m services.gateway keys create"
            )
        return key

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
        raise SystemExit("PILLARBOX_PROVIDER_EVENTS: no JSON object") from None  # no other setting is JSON


def _told(problem: ErrorDetails) -> str:
    """Name the environment variable that a setting stands in, and say what is wrong with it."""
    place, told = problem["loc"], problem["msg"]
    match place:
        case ("provider_events", _) if problem["type"] == "union_tag_invalid":
            place, told = (*place, "kind"), f"not one of {problem['ctx']['expected_tags']}"
        case ("provider_events", account, _, *field):  # between them the kind, which is no part of the name
            place = ("provider_events", account, *field)
        case (name, int(), *_):  # one of those that a variable lists
            place = (name,)
    return f"PILLARBOX_{'__'.join(map(str, place)).upper()}: {told}"
