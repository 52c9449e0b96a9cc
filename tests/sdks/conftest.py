"""One system for all SDKs, in the embedded mode, and each SDK pointed at it the way its users do that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import resend
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped]  # ships no types

from tests.flow.system import System
from tests.sdks.gateway import KEY, Pillarbox
from tests.sdks.node import Node
from tests.servers.packages import UnavailableError


@pytest.fixture(scope="session")
def pillarbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A gateway and a mailer that delivers into the outbox."""
    folder = tmp_path_factory.mktemp("sdks")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {"PILLARBOX_DEVELOPMENT_KEY": KEY, "PILLARBOX_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield Pillarbox(system.start(mailers=1))


@pytest.fixture
def python_resend(pillarbox: Pillarbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resend's Python SDK, pointed at Pillarbox."""
    monkeypatch.setattr(resend, "api_url", pillarbox.url)
    monkeypatch.setattr(resend, "api_key", KEY)


@pytest.fixture
def python_sendgrid(pillarbox: Pillarbox) -> Any:
    """The client of SendGrid's Python SDK, pointed at Pillarbox."""
    return SendGridAPIClient(KEY, host=pillarbox.url)


@pytest.fixture(scope="session")
def node(pillarbox: Pillarbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The Node.js SDKs, pointed at Pillarbox; on a laptop without Node.js, skip the tests that ask."""
    try:
        process = Node(tmp_path_factory.mktemp("node") / "node.log", url=pillarbox.url, key=KEY)
    except UnavailableError as reason:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(reason))
    with process:
        yield process
