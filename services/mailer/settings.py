"""Every setting of the mailer: meaning, unit, reason of the default.

Each is read from the environment variable ``PILLARBOX_`` + its name in capitals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The mailer's settings; the defaults are the embedded mode, which needs nothing installed."""

    model_config = SettingsConfigDict(
        env_prefix="PILLARBOX_", extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    broker_url: SecretStr = SecretStr("filesystem://var/broker")
    """``amqp://user:password@host/vhost``, ``redis://:password@host/0``, or ``filesystem://folder``."""

    claims_url: SecretStr = SecretStr("sqlite:///var/claims.sqlite3")
    """``postgresql://user:password@host/database``, or ``sqlite:///file``; shared by all mailers."""

    slots: Annotated[int, Field(ge=1, le=2000)] = 100
    """Messages one mailer works on at once; threads that mostly wait for the provider."""

    provider: Literal["outbox", "sendgrid", "mandrill"] = "outbox"
    """Who delivers.  ``outbox`` writes ``.eml`` files instead of sending."""

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

    bug_retry_limit: Annotated[int, Field(ge=0)] = 60
    """How often a message that makes our own code fail comes again before it is a dead letter."""

    bug_backoff_cap_seconds: Annotated[int, Field(ge=1)] = 600
    """Longest wait between those; 60 of them span hours, long enough to deploy a fix."""

    log_format: Literal["auto", "columns", "json"] = "auto"
    """``auto`` writes columns on a terminal and JSON elsewhere."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log line that is written."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lease_seconds < 2 * self.attempt_deadline_seconds:
            msg = "lease_seconds must be at least twice attempt_deadline_seconds"
            raise ValueError(msg)
        if self.provider != "outbox" and getattr(self, f"{self.provider}_api_key") is None:
            msg = f"provider={self.provider} needs {self.provider}_api_key"
            raise ValueError(msg)
        return self

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
        raise SystemExit(
            "\n".join(
                f"PILLARBOX_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
        ) from None
