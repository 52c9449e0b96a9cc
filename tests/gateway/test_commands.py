"""``python -m services.gateway keys``: how an operator makes the first key, lists and revokes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.gateway.commands.keys import api_keys
from services.gateway.doctor.checks import ledger_checks
from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.settings import Settings
from services.gateway.tenants import keys
from tests.flow.system import ROOT
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import free_port

COLUMNS = ["id", "tenant", "name", "permission", "domains", "rate", "created_at", "last_used_at"]


def run(ledger: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the gateway's command to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PILLARBOX_")}
    environment |= {"PYTHONPATH": str(ROOT), "PILLARBOX_LEDGER_URL": ledger, **settings}
    command = [sys.executable, "-m", "services.gateway", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def listed(ledger: str, *options: str) -> list[dict[str, str]]:
    """What the list shows."""
    head, *lines = run(ledger, "keys", "list", *options).stdout.splitlines()
    assert head.split("\t") == COLUMNS
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """Where a ledger can be; there is none yet."""
    return f"sqlite:///{tmp_path}/var/ledger.sqlite3"


def test_a_new_key_is_all_that_is_printed(ledger: str) -> None:
    """So that a script can take it as it is; a SQLite ledger is made on the way."""
    result = run(ledger, "keys", "create", "--tenant", "acme")
    key = result.stdout.removesuffix("\n")
    (entry,) = listed(ledger)

    assert 0 == result.returncode, result.stderr
    assert entry["id"] == str(keys.read(key))
    assert ("acme", "command line", "full_access", "", "") == tuple(
        entry[name] for name in ("tenant", "name", "permission", "domains", "rate")
    )
    assert "api_key.created" in result.stderr
    assert key[26:] not in result.stderr


def test_a_key_is_made_as_it_is_ordered(ledger: str) -> None:
    """With a name, a permission, domains and a rate."""
    options = ["--tenant", "a-1", "--name", "billing", "--permission", "sending_access", "--rate", "0.5"]
    domains = ["--domain", "EXAMPLE.com", "--domain", "bücher.example"]
    run(ledger, "keys", "create", *options, *domains)
    run(ledger, "keys", "create", "--tenant", "other")
    (entry,) = listed(ledger, "--tenant", "a-1")

    assert ("billing", "sending_access", "example.com,xn--bcher-kva.example", "0.5") == tuple(
        entry[name] for name in ("name", "permission", "domains", "rate")
    )
    assert ["a-1", "other"] == [each["tenant"] for each in listed(ledger)]


def test_a_key_is_revoked_by_its_id(ledger: str) -> None:
    """Once; the second time there is no such key."""
    key_id = str(keys.read(run(ledger, "keys", "create", "--tenant", "acme").stdout.strip()))
    first, second = (run(ledger, "keys", "revoke", key_id) for _ in range(2))

    assert (0, "") == (first.returncode, first.stdout)
    assert (1, "There is no such key, or it is revoked already.\n") == (second.returncode, second.stderr)
    assert [] == listed(ledger)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "required: create | list | revoke"),
        ("create", "required: --tenant"),
        ("create --tenant Acme", "argument --tenant: must be"),
        ("create --tenant -acme", "argument --tenant: expected"),
        (f"create --tenant {'a' * 64}", "argument --tenant: must be"),
        ("create --tenant a --name=", "argument --name: must be"),
        (f"create --tenant a --name {'x' * 51}", "argument --name: must be"),
        ("create --tenant a --permission root", "argument --permission: invalid choice"),
        ("create --tenant a --domain a@b.example", "argument --domain: must be a domain name"),
        ("create --tenant a --rate -1", "argument --rate: must be 0"),
        ("create --tenant a --rate nan", "argument --rate: must be 0"),
        ("revoke nonsense", "argument id: invalid"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: str, complaint: str
) -> None:
    """Exit status 2 and one sentence that names the option, before anything is opened."""
    with pytest.raises(SystemExit) as told:
        asyncio.run(api_keys(Settings(), arguments.split()))
    printed = capsys.readouterr()

    assert (2, "") == (told.value.code, printed.out)
    assert complaint in printed.err


def test_a_wrong_command_ends_with_status_2(ledger: str) -> None:
    """And with what can be commanded."""
    results = [run(ledger, *arguments) for arguments in (["keys"], ["key"], ["migrate", "now"])]

    assert [(2, "")] * 3 == [(result.returncode, result.stdout) for result in results]
    assert all("keys" in result.stderr for result in results)


def test_a_ledger_that_is_not_migrated_is_named(postgresql: PostgreSQL) -> None:
    """With the command that does it; afterwards keys can be made."""
    ledger = postgresql.create_database()
    before = run(ledger, "keys", "create", "--tenant", "acme")
    run(ledger, "migrate")
    after = run(ledger, "keys", "create", "--tenant", "acme")

    assert (1, "") == (before.returncode, before.stdout)
    assert before.stderr.endswith("run python -m services.gateway migrate\n")
    assert [str(keys.read(after.stdout.strip()))] == [entry["id"] for entry in listed(ledger)]


async def test_the_doctor_tells_a_ledgers_schema(postgresql: PostgreSQL) -> None:
    """Before the migration and after it; the clock is that of this machine."""
    settings = Settings(ledger_url=SecretStr(postgresql.create_database()))
    before = {finding.check: finding for finding in await ledger_checks(settings)}
    engine = open_engine(LedgerAddress.parse(settings.ledger_url.get_secret_value()), 10)
    await migrate(engine)
    await engine.dispose()
    after = {finding.check: finding for finding in await ledger_checks(settings)}

    assert ("failed", "Run python -m services.gateway migrate.") == (
        before["schema"].status,
        before["schema"].advice,
    )
    assert {"ledger": "ok", "schema": "ok", "clock": "ok"} == {
        name: each.status for name, each in after.items()
    }


def test_a_ledger_that_is_away_is_named() -> None:
    """By its setting, and without its password."""
    result = run(f"postgresql://gateway:canary@127.0.0.1:{free_port()}/ledger", "keys", "list")

    assert (1, "") == (result.returncode, result.stdout)
    assert "PILLARBOX_LEDGER_URL" in result.stderr
    assert "canary" not in result.stderr


def test_a_development_key_in_production_stops_the_gateway(ledger: str) -> None:
    """Before it listens, with a line that names the setting."""
    result = run(ledger, PILLARBOX_HOST="0.0.0.0", PILLARBOX_DEVELOPMENT_KEY="canary-canary")

    assert 1 == result.returncode
    assert result.stderr.startswith("PILLARBOX_DEVELOPMENT_KEY: ")
    assert "canary" not in result.stderr
