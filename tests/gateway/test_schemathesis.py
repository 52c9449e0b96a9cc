"""Thousands of requests made from the description, good ones and bad ones: the gateway does what it says."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow.system import BIN, ROOT, System

pytestmark = pytest.mark.timeout(1500)  # it takes two minutes, and ten on a machine that is busy

PHASES = {
    "quick": ("examples", "fuzzing", "stateful"),
    # With all that a schema says of a value, and one step beyond: five minutes.
    "whole": ("examples", "coverage", "fuzzing", "stateful"),
}
CASES = {"quick": 150, "whole": 2_500}
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = "tests.gateway.schemathesis_hooks"
# Schemathesis leaves out the call that it has the document from, and would wait for a stream to end.
UNTRIED = {"GET /openapi.json", "GET /events"}
LINK_KEY = base64.urlsafe_b64encode(bytes(32)).decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker, with a template that nobody can change."""
    folder = tmp_path_factory.mktemp("schemathesis")
    templates = folder / "templates"
    templates.mkdir()
    (templates / "welcome.subject.txt").write_text("Hello")
    (templates / "welcome.txt").write_text("Hello")
    (templates / "welcome.json").write_text('{"from": "letters@example.com"}')
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    settings = {
        "PILLARBOX_RATE_LIMIT_PER_SECOND": "100000",
        "PILLARBOX_TEMPLATES_FOLDER": str(templates),
        "PILLARBOX_PUBLIC_URL": "https://mail.example.com",
        "PILLARBOX_UNSUBSCRIBE_KEYS": LINK_KEY,
        "PILLARBOX_PROVIDER_EVENTS__POSTMARK__USERNAME": "postmark",
        "PILLARBOX_PROVIDER_EVENTS__POSTMARK__PASSWORDS": "canary",
    }
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


def configured(gateway: System) -> Path:
    """Add two callers to the configuration: the owner of all that is made, and a stranger to it."""
    keys = {
        "owner": gateway.key,
        "stranger": gateway.create_key("--tenant", "other", "--permission", "read_access"),
    }
    callers, path = gateway.folder / "callers.json", gateway.folder / "schemathesis.toml"
    headers = {name: [{"name": "Authorization", "value": f"Bearer {key}"}] for name, key in keys.items()}
    auth = [{"name": name, "fixedHeaders": fixed} for name, fixed in headers.items()]
    callers.write_text(json.dumps({"auth": auth}))
    peers = f'[auth.wfc]\npath = "{callers}"\npeers = ["owner", "stranger"]\n'
    path.write_text(f"{CONFIG.read_text()}\n{peers}")
    return path


@pytest.fixture(scope="module", params=["quick", pytest.param("whole", marks=pytest.mark.soak)])
def extent(request: pytest.FixtureRequest) -> str:
    """How much is tried."""
    return str(request.param)


@pytest.fixture(scope="module")
def report(gateway: System, extent: str) -> dict[str, Any]:
    """What came out of it: every phase, with every check."""
    url = str(gateway.client.base_url).rstrip("/")
    path = gateway.folder / "report.json"
    command = [
        *(str(BIN / "schemathesis"), "--config-file", str(configured(gateway)), "run"),
        *(f"{url}/openapi.json", "--checks", "all", "--report", "json", "--report-json-path", str(path)),
        *("--phases", ",".join(PHASES[extent])),
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SCHEMATHESIS_")},
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "SCHEMATHESIS_HOOKS": HOOKS,
        "GATEWAY_URL": url,
        "GATEWAY_KEY": gateway.key,
        "GATEWAY_UNSUBSCRIBE_KEY": LINK_KEY,
        "GATEWAY_LEDGER": gateway.ledger_url.removeprefix("sqlite:///"),
    }
    result = subprocess.run(
        command, cwd=gateway.folder, env=environment, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
    written: dict[str, Any] = json.loads(path.read_text())
    return written


def test_the_gateway_does_what_its_description_says(report: dict[str, Any], extent: str) -> None:
    """No check of no case failed, in any phase, and there were thousands of them."""
    assert report["complete"]
    assert ([], []) == (report["failures"], report["errors"])
    assert dict.fromkeys(PHASES[extent], "success") == {
        name: phase["status"] for name, phase in report["phases"].items() if name in PHASES[extent]
    }
    assert report["test_cases"]["generated"] >= CASES[extent]


def test_every_call_was_tried(gateway: System, report: dict[str, Any]) -> None:
    """And each was done at least once, rather than refused all the time."""
    document = gateway.client.get("/openapi.json").json()
    calls = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    done = {
        call
        for call, phases in report["valid_rates"].items()
        if any(counts["accepted"] for counts in phases.values())
    }

    assert calls - UNTRIED == done


def test_a_stranger_looked_and_saw_nothing(gateway: System, report: dict[str, Any]) -> None:
    """What one tenant's key reads was asked for with another tenant's, too, and was not there."""
    assert report
    lines = [json.loads(line) for line in gateway.gateway.log().splitlines() if line[:1] == "{"]
    asked = {line["route"]: line["status"] for line in lines if line.get("tenant") == "other"}

    assert {"/emails/{id}": 404, "/templates/{id}": 404} == {
        route: status for route, status in asked.items() if route in {"/emails/{id}", "/templates/{id}"}
    }
    assert {404} == set(asked.values())


def test_nothing_crashed(gateway: System, report: dict[str, Any]) -> None:
    """The log tells of no bug."""
    assert report
    assert "request.crashed" not in gateway.gateway.log()
