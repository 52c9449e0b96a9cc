"""A gateway and a mailer in embedded mode, with a fake provider behind them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command.typing import Ended, typed
from tests.fakes.dialect import Call, Verdict, spoken
from tests.fakes.sendgrid import FakeSendGrid
from tests.flow.system import BIN, ROOT, System

API_KEY = "SG.canary-key-that-no-output-may-show"

Type = Callable[..., Ended]


class FakeSendGridWithScopes(FakeSendGrid):
    """Says what an API key may do, too:
    https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions."""

    def judge(self, call: Call) -> Verdict:
        if call.path != "/v3/scopes":
            return super().judge(call)
        if call.headers.get("authorization") != f"Bearer {self.api_key}":
            return self.refusal(401)
        return Verdict(200, spoken({"scopes": ["mail.send"]}))


@pytest.fixture(scope="session")
def sendgrid() -> Iterator[FakeSendGridWithScopes]:
    """The provider."""
    with FakeSendGridWithScopes(api_key=API_KEY).in_thread() as fake:
        yield fake


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory, sendgrid: FakeSendGridWithScopes) -> Iterator[System]:
    """Both services, started once."""
    folder = tmp_path_factory.mktemp("command")
    broker = f"filesystem://{folder}/broker"
    settings = {
        "PILLARBOX_PROVIDER": "sendgrid",
        "PILLARBOX_SENDGRID_API_KEY": API_KEY,
        "PILLARBOX_SENDGRID_BASE_URL": sendgrid.base_url,
        "PILLARBOX_RESEND_LIMIT": "1",
    }
    urls = (f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3")
    with System(folder, broker, broker, *urls, settings) as system:
        yield system.start()


@pytest.fixture
def pillarbox(system: System) -> Type:
    """Types a command with the gateway's URL and key in the environment."""

    def type_it(*arguments: str, **options: str) -> Ended:
        place = {"PILLARBOX_URL": f"http://127.0.0.1:{system.port}", "PILLARBOX_API_KEY": system.key}
        return typed(*arguments, **{**place, **options})

    return type_it


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program outside the checkout, without the settings of whoever runs the tests."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PILLARBOX_", "PYTHON"))
    }
    return subprocess.run(
        command,
        cwd="/",
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by uv itself, for which it needs nothing from elsewhere."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(BIN / "uv", "build", "--offline", "--wheel", "--out-dir", folder, ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a fresh environment, with the versions of the lock file."""
    folder = tmp_path_factory.mktemp("environment")
    pins = folder / "pins.txt"
    exported = ["export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes"]
    run(BIN / "uv", *exported, "--project", ROOT, "--output-file", pins)
    run(BIN / "uv", "venv", "--python", sys.executable, folder / "venv")
    into = folder / "venv" / "bin"
    done = run(BIN / "uv", "pip", "install", "--python", into / "python", "--constraint", pins, wheel)
    assert done.returncode == 0, done.stderr
    return into
