"""What a mailer is made of, from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.mailer.accounts.routes import Routes
from services.mailer.broker import Broker
from services.mailer.parts import parts_of
from services.mailer.settings import Settings
from shared.signatures import Lane
from tests.mailer.made import ARGUMENTS


def routes(folder: Path, kinds: str, bulk: str | None = None, **more: object) -> Routes:
    """The routes through accounts of these kinds; *more* is said of each."""
    listed = {*kinds.split(","), *(bulk or kinds).split(",")}
    providers: dict[str, Any] = {
        kind: {"kind": kind, **ARGUMENTS[kind]("http://127.0.0.1:1"), **more} for kind in listed
    }
    settings = Settings.model_validate(
        {
            "provider": kinds,
            "bulk_provider": bulk,
            "providers": providers,
            "claims_url": f"sqlite:///{folder}/claims.sqlite3",
        }
    )
    return parts_of(settings, Broker("amqp://nowhere", is_amqp=True)).routes


@pytest.mark.parametrize(
    ("kind", "rate", "shares"),
    [
        ("postmark", None, True),
        ("postmark", 10, True),
        ("sendgrid", 10, True),
        ("mailgun", 10, True),
        ("ses", None, True),
        ("ses", 10, False),
        ("resend", None, False),
        ("mandrill", None, False),
    ],
)
def test_bulk_messages_share_requests_where_nothing_is_lost_by_it(
    tmp_path: Path, kind: str, rate: float | None, *, shares: bool
) -> None:
    """Not under an idempotency key, and not where the rate counts messages."""
    (account,) = routes(tmp_path, kind, rate_per_second=rate).all(Lane.BULK)

    assert shares is (account.lobby is not None)


def test_each_lane_has_its_order_and_shares_its_accounts(tmp_path: Path) -> None:
    """An account of both lanes has one circuit and one pace, whoever uses it."""
    made = routes(tmp_path, "sendgrid,postmark", "postmark,mailgun")
    transactional, bulk = made.all(Lane.TRANSACTIONAL), made.all(Lane.BULK)

    assert ["sendgrid", "postmark"] == [account.name for account in transactional]
    assert ["postmark", "mailgun"] == [account.name for account in bulk]
    assert transactional[1] is bulk[0]


def test_a_mailer_may_leave_webhooks_to_others(tmp_path: Path) -> None:
    """It starts like any other."""
    settings = Settings(webhook_slots=0, claims_url=SecretStr(f"sqlite:///{tmp_path}/claims.sqlite3"))

    assert parts_of(settings, Broker("amqp://nowhere", is_amqp=True)).posting
