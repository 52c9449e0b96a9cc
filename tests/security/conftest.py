"""What tests from an attacker's place have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.conftest import (
    prepared_sqlite,  # noqa: F401 - fixtures, which pytest finds here by name
    sendgrid,  # noqa: F401
)
from tests.flow.system import System

BODY_LIMIT = 200_000


@pytest.fixture(scope="package")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway and a mailer that need nothing else, and write what they send into files."""
    folder = tmp_path_factory.mktemp("security")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {
        "PILLARBOX_BODY_LIMIT_BYTES": str(BODY_LIMIT),
        "PILLARBOX_BODY_TIMEOUT_SECONDS": "2",
        "PILLARBOX_IDLE_TIMEOUT_SECONDS": "5",
        "PILLARBOX_WEBHOOK_SLOTS": "0",  # what is told stays in the ledger
    }
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start()
