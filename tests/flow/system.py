"""A whole Pillarbox as processes, the way an operator runs it, for tests from the outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self, TypeVar

import httpx

from tests.servers.server import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LOGS = Path("logs")

T = TypeVar("T")

EMAIL: dict[str, Any] = {
    "from": "Shop <shop@example.com>",
    "to": "joao@example.com",
    "subject": "Hello",
    "text": "It works.",
}

DEVELOPMENT_KEY = "canary-key-that-no-log-may-show"

FINAL = frozenset({"sent", "failed", "suppressed", "expired", "held"})

# Everything that a test would otherwise wait for; the defaults are pinned elsewhere.
QUICK = {
    "PILLARBOX_LOG_FORMAT": "json",
    "PILLARBOX_ATTEMPT_DEADLINE_SECONDS": "3",
    "PILLARBOX_LEASE_SECONDS": "6",
    "PILLARBOX_BACKOFF_BASE_SECONDS": "1",
    "PILLARBOX_BACKOFF_CAP_SECONDS": "4",
    "PILLARBOX_BUG_BACKOFF_CAP_SECONDS": "1",
    "PILLARBOX_SILENT_AFTER_SECONDS": "6",
    "PILLARBOX_PUBLISH_LEASE_SECONDS": "2",
    "PILLARBOX_CONFIRM_TIMEOUT_SECONDS": "5",
}


@dataclass(slots=True)
class Service:
    """One service process; its log is kept beside the test's other files."""

    command: list[str]
    environment: dict[str, str]
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] | None = None

    def start(self) -> None:
        """Start, appending to the same log."""
        self._log = self.log_path.open("ab")
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it lives."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, patience: float = 30) -> int:
        """End it as an operator would, and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(patience)

    def wait(self, patience: float = 30) -> int:
        """Wait for its end, by force if need be, and return its exit status."""
        if self.process is None:
            return 0
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        if self._log is not None:
            self._log.close()
        return status

    def log(self) -> str:
        """Everything it has said so far; what it gathers before it writes it, it has written by now."""
        time.sleep(0.02)
        return self.log_path.read_text() if self.log_path.exists() else ""


@dataclass(slots=True)
class System:
    """A gateway and any number of mailers on given brokers and databases."""

    folder: Path
    gateway_broker: str
    mailer_broker: str
    ledger_url: str
    claims_url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    given_key: str | None = None
    """An API key that is in the ledger already, which then is migrated as well."""
    port: int = field(default_factory=free_port)
    gateway: Service = field(init=False)
    mailers: list[Service] = field(default_factory=list)
    key: str = field(init=False)
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the gateway and the client, without starting anything."""
        self.key = self.given_key or self.settings.get("PILLARBOX_DEVELOPMENT_KEY", DEVELOPMENT_KEY)
        self.gateway = self._service("gateway", [str(BIN / "python"), "-m", "services.gateway"])
        base_url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=base_url, headers=self.headers(), timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, mailers: int = 1) -> Self:
        """Migrate, start the gateway and some mailers, and wait until the gateway is ready."""
        if self.ledger_url.startswith("postgresql") and self.given_key is None:
            self.migrate()
        self.gateway.start()
        for _ in range(mailers):
            self.add_mailer()
        if not self._is_embedded() and self.given_key is None:
            self.wait_until_ready()  # a SQLite ledger is migrated by the gateway
            self.key = self.create_key("--tenant", "default")
            self.client.headers.update(self.headers())
        self.wait_until_ready()
        return self

    def migrate(self) -> None:
        """Run the operator's migration command."""
        command = [*self.gateway.command, "migrate"]
        subprocess.run(command, env=self.gateway.environment, check=True, capture_output=True, timeout=60)

    def create_key(self, *options: str) -> str:
        """Run the operator's command that makes an API key, and return the key."""
        command = [*self.gateway.command, "keys", "create", *options]
        result = subprocess.run(
            command, env=self.gateway.environment, check=True, capture_output=True, text=True, timeout=60
        )
        return result.stdout.strip()

    def headers(self, key: str | None = None) -> dict[str, str]:
        """The headers that carry an API key, by default the system's own."""
        return {"Authorization": f"Bearer {self.key if key is None else key}"}

    def add_mailer(
        self, app: str = "services.mailer.worker", *, settings: Mapping[str, str] | None = None
    ) -> Service:
        """Start one more mailer, as ``kubectl scale`` would, perhaps with settings of its own."""
        number = len(self.mailers) + 1
        command = [str(BIN / "celery"), "-A", app, "worker", "-l", "INFO"]
        mailer = self._service(f"mailer-{number}", [*command, "-n", f"mailer-{number}@localhost"])
        mailer.environment.update(settings or {})
        mailer.start()
        self.mailers.append(mailer)
        return mailer

    def add_gateway(self, port: int) -> Service:
        """Start one more gateway on the same ledger and broker."""
        gateway = self._service("gateway", self.gateway.command)
        gateway.environment["PILLARBOX_PORT"] = str(port)
        gateway.log_path = self.folder / "gateway-2.log"
        gateway.start()
        return gateway

    def wait_until_ready(self, seconds: float = 30) -> None:
        """Wait until the gateway says that it may take traffic."""
        until(lambda: self._status("/readyz") == 200, seconds, "the gateway to be ready")

    def post(self, body: dict[str, Any] | None = None, path: str = "/emails") -> httpx.Response:
        """POST an e-mail."""
        return self.client.post(path, json=EMAIL if body is None else body)

    def accept(self, body: dict[str, Any] | None = None, path: str = "/emails") -> str:
        """POST an e-mail that must be accepted, and return its id."""
        response = self.post(body, path)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def email(self, message_id: str) -> dict[str, Any]:
        """GET the message."""
        response = self.client.get(f"/emails/{message_id}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def events(self, message_id: str) -> list[dict[str, Any]]:
        """GET the message's timeline."""
        events: list[dict[str, Any]] = self.client.get(f"/emails/{message_id}/events").json()["data"]
        return events

    def words(self, message_id: str) -> list[str]:
        """The timeline's events, by name."""
        return [event["event"] for event in self.events(message_id)]

    def wait_for(self, message_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until the message has a status, and return it."""

        def look() -> dict[str, Any] | None:
            email = self.email(message_id)
            return email if email["status"] == status else None

        return until(look, seconds, f"status {status}")

    def wait_until_final(self, ids: list[str], seconds: float) -> None:
        """Wait until every message has come to an end."""
        waiting = set(ids)

        def look() -> bool:
            waiting.difference_update([i for i in waiting if self.email(i)["status"] in FINAL])
            return not waiting

        until(look, seconds, "all messages to end")

    def stop(self) -> None:
        """End everything."""
        for service in (*self.mailers, self.gateway):
            service.signal(signal.SIGCONT)
            service.signal(signal.SIGTERM)
        for service in (*self.mailers, self.gateway):
            service.wait()
        self.client.close()

    def logs(self) -> str:
        """What all of them said."""
        return "".join(service.log() for service in (self.gateway, *self.mailers))

    def _status(self, path: str) -> int:
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0

    def _is_embedded(self) -> bool:
        """Whether the gateway takes a development key, and need not be given another."""
        host = self.settings.get("PILLARBOX_HOST", "127.0.0.1")
        urls = (self.gateway_broker, self.ledger_url)
        return host == "127.0.0.1" and [url.partition(":")[0] for url in urls] == ["filesystem", "sqlite"]

    def _service(self, name: str, command: list[str]) -> Service:
        is_gateway = name == "gateway"
        has_fixed_key = is_gateway and self._is_embedded()
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PILLARBOX_")},
            **QUICK,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "PILLARBOX_PORT": str(self.port),
            "PILLARBOX_BROKER_URL": self.gateway_broker if is_gateway else self.mailer_broker,
            "PILLARBOX_LEDGER_URL": self.ledger_url,
            "PILLARBOX_CLAIMS_URL": self.claims_url,
            "PILLARBOX_OUTBOX_DIRECTORY": str(self.folder / "outbox"),
            **({"PILLARBOX_DEVELOPMENT_KEY": self.key} if has_fixed_key else {}),
            **self.settings,
        }
        return Service(command, environment, self.folder / f"{name}.log")


def wait_past(moment: datetime) -> None:
    """Return a little after a moment, by this machine's clock."""
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()) + 0.2)


def until(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """Return the first truthy answer of ``look``; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")
