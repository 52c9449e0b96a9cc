"""``make run``: both services as two processes under one terminal, and one e-mail as proof.

Uses the standard library only: it must say something sensible when everything else is broken.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
GATEWAY = [str(BIN / "python"), "-m", "services.gateway"]
START_SECONDS = 60
STOP_SECONDS = 40
OUTBOX = Path("var/outbox")
LOOPBACK = "127.0.0.0/8,::1"
RUN_FILE = Path("var/run.json")
"""Tells the command `pillarbox` where we are, while we are."""
FINAL = {"sent", "failed", "suppressed", "expired", "held"}


def main() -> int:
    """Start, prove, serve; return the exit status."""
    port = os.environ.get("PORT", "8080")
    if (complaint := unusable(port)) is not None:
        print(complaint, file=sys.stderr)
        return 1
    base = f"http://127.0.0.1:{port}"
    # Ctrl-C reaches every process of the terminal; the services are told by us, once and in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if os.environ.get("LEDGER", "").startswith("postgresql"):
        start([*GATEWAY, "migrate"], port, "").wait()
    try:
        key = api_key(port)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    services = [start(command, port, broker) for command, broker in commands()]
    try:
        wait_until_ready(base, services)
        tell_command_line(base, key)
        prove(base, key)
        print(f"\nPillarbox is listening on {base}. Ctrl-C ends it.")
        print(
            f"API key:   {key}\nDashboard: {dashboard(base, key)}\nTry it:\n\n{curl(base, key)}\n", flush=True
        )
        while all(service.poll() is None for service in services):
            time.sleep(0.5)
        print("A service ended by itself; its last lines above say why.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nFinishing what was begun …", flush=True)
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        stop(services)
        RUN_FILE.unlink(missing_ok=True)


def commands() -> list[tuple[list[str], str]]:
    """The plain commands behind ``make run``, and the broker URL of each, if one was given."""
    celery = [str(BIN / "celery"), "-A", "services.mailer.worker", "--quiet", "worker", "-l", "INFO"]
    return [
        (GATEWAY, os.environ.get("BROKER", "")),
        (celery, os.environ.get("MAILER_BROKER", "")),
    ]


def api_key(port: str) -> str:
    """The key to send with: a fixed one where the gateway takes it, otherwise one made for this run.

    Raises:
        RuntimeError: None could be made.
    """
    if is_embedded():
        # The gateway reads it there, too.
        return os.environ.setdefault("PILLARBOX_DEVELOPMENT_KEY", secrets.token_urlsafe(24))
    command = [*GATEWAY, "keys", "create", "--tenant", "default", "--name", "make run"]
    making = start(command, port, "", stdout=subprocess.PIPE)
    key = making.communicate()[0].decode().strip()
    if making.returncode != 0:
        raise RuntimeError("No API key could be made; the lines above say why.")
    return key


def is_embedded() -> bool:
    """Whether the gateway will use the files under var/ and nothing else."""
    broker = os.environ.get("BROKER") or os.environ.get("PILLARBOX_BROKER_URL", "filesystem://")
    ledger = os.environ.get("LEDGER") or os.environ.get("PILLARBOX_LEDGER_URL", "sqlite://")
    host = os.environ.get("PILLARBOX_HOST", "127.0.0.1")
    loopback = host in {"127.0.0.1", "::1", "localhost"}
    return loopback and broker.startswith("filesystem://") and ledger.startswith("sqlite://")


def unusable(port: str) -> str | None:
    """Why the port cannot be used, or None."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        return f"PORT must be a number from 1 to 65535, not {port!r}."
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            return f"Port {port} cannot be used ({error.strerror}). Choose another one: make run PORT=18080"
    return None


def start(
    command: list[str], port: str, broker: str, *, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """Start one service in a session of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PILLARBOX_PORT": port}
    given = {"BROKER": broker, "LEDGER": os.environ.get("LEDGER"), "CLAIMS": os.environ.get("CLAIMS")}
    # A developer's own server has neither TLS nor a public address.
    environment.setdefault("PILLARBOX_WEBHOOK_NETWORKS", LOOPBACK)
    if is_embedded():
        environment.setdefault("PILLARBOX_OUTBOX_DIRECTORY", str(OUTBOX))  # the dashboard's inbox
    environment.update({f"PILLARBOX_{name}_URL": url for name, url in given.items() if url})
    if command[: len(GATEWAY)] != GATEWAY:
        environment.pop("PILLARBOX_DEVELOPMENT_KEY", None)  # none of the mailer's business
        environment.pop("PILLARBOX_METRICS_PORT", None)  # the gateway has it
    return subprocess.Popen(command, env=environment, start_new_session=True, stdout=stdout)


def wait_until_ready(base: str, services: list[subprocess.Popen[bytes]]) -> None:
    """Return when the gateway takes traffic.

    Raises:
        RuntimeError: A service ended, or it takes too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if any(service.poll() is not None for service in services):
            raise RuntimeError("A service did not start; its last lines above say why.")
        try:
            call(f"{base}/readyz")
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"The gateway was not ready within {START_SECONDS} s.")


def tell_command_line(base: str, key: str) -> None:
    """Write URL and key down, for our own user alone."""
    RUN_FILE.parent.mkdir(exist_ok=True)
    RUN_FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(RUN_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"url": base, "api_key": key}, file)


def prove(base: str, key: str) -> None:
    """Send one welcome e-mail, and show what becomes of it."""
    message_id = call(f"{base}/welcome-emails", key, {"email": "you@example.com"})["id"]
    print(f"\nAccepted: {message_id}", flush=True)
    deadline = time.monotonic() + START_SECONDS
    while (email := call(f"{base}/emails/{message_id}", key))[
        "status"
    ] not in FINAL and time.monotonic() < deadline:
        time.sleep(0.1)
    print(f"Status:   {email['status']}\n\nTimeline of {message_id}:")
    for event in call(f"{base}/emails/{message_id}/events", key)["data"]:
        attempt = f"attempt {event['attempt']}" if event["attempt"] else ""
        details = [event["actor"], attempt, event["provider"] or "", event["reason"] or ""]
        print(f"  {event['at'][11:23]}  {event['event']:<10} {', '.join(filter(None, details))}")
    letter = OUTBOX / f"{message_id}.eml"
    if letter.exists():
        print(f"\nDelivered to {letter}:\n")
        print("  " + letter.read_text().replace("\n", "\n  ").rstrip())


def call(url: str, key: str = "", body: dict[str, Any] | None = None) -> Any:
    """GET, or POST where there is a body; return the JSON answered."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own URL
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - likewise
        return json.load(response)


def dashboard(base: str, key: str) -> str:
    """Where to look: in the embedded mode the link logs in, elsewhere the page asks for the key."""
    return f"{base}/dashboard/login?key={quote(key)}" if is_embedded() else f"{base}/"


def curl(base: str, key: str) -> str:
    """A command for the user to copy."""
    message = {"from": "shop@example.com", "to": "joao@example.com", "subject": "Hello", "text": "It works."}
    body = json.dumps(message)
    headers = f"-H 'Authorization: Bearer {key}' \\\n    -H 'Content-Type: application/json'"
    return f"  curl {base}/emails {headers} \\\n    -d '{body}'"


def stop(services: list[subprocess.Popen[bytes]]) -> None:
    """Let every service finish; end by force what does not."""
    # make hands on a SIGTERM that its whole group has got already: the second one must not end this.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for service in services:
        if service.poll() is None:
            service.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for service in services:
        try:
            service.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            service.kill()


if __name__ == "__main__":
    sys.exit(main())
