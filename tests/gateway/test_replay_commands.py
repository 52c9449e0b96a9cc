"""``python -m services.gateway replay`` and ``held``: an operator brings messages back, or gives them up."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from services.gateway.commands.held import held
from services.gateway.commands.replay import replay
from services.gateway.commands.running import CommandError
from services.gateway.ledger.database import migrate
from services.gateway.ledger.suppressions import Suppressions
from services.gateway.settings import Settings
from tests.contract.ledgers import Gateway, event, gateway
from tests.contract.stock import Item, id_at, stock
from tests.gateway.test_commands import run
from tests.servers.postgresql import PostgreSQL

ANN, BOB = "ann@example.org", "bob@example.org"
NOW = datetime.now(UTC)
Order = Callable[[Settings, Sequence[str]], Coroutine[Any, Any, None]]


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated ledger, in one database after the other."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.create_database()
    asyncio.run(_migrate(url))
    return url


async def _migrate(url: str) -> None:
    async with gateway(url) as box:
        await migrate(box.engine)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Gateway]:
    """The ledger as a gateway holds it."""
    async with gateway(url) as box:
        yield box


def old(status: str, minutes: int = 0, **fields: Any) -> Item:
    """A message that came to its end so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    return Item(id_at(at), status=status, accepted_at=at, **fields)


def store(url: str, *items: Item) -> list[str]:
    """Put messages into the ledger, and return their ids."""

    async def put() -> None:
        async with opened(url) as box:
            await stock(box.engine, *items)

    asyncio.run(put())
    return [str(item.id) for item in items]


def order(
    url: str, capsys: pytest.CaptureFixture[str], what: Order, arguments: str
) -> tuple[list[str], list[str]]:
    """Carry an order out for the tenant, and return the lines that it prints: for programs, for people."""
    with capture_logs():  # which would be printed
        asyncio.run(what(Settings(ledger_url=url), [*arguments.split(), "--tenant", "acme"]))
    printed = capsys.readouterr()
    return printed.out.splitlines(), [line for line in printed.err.splitlines() if " of " in line]


def states(url: str, ids: list[str]) -> list[tuple[str, int]]:
    """Status and series of each message."""

    async def look() -> list[tuple[str, int]]:
        async with opened(url) as box:
            rows = [await box.ledger.find("acme", UUID(one)) for one in ids]
        return [(row.status, row.series) for row in rows if row is not None]

    return asyncio.run(look())


def test_a_dry_run_counts_and_touches_nothing(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the newest, and asks for no leave."""
    ids = store(ledger, *(old("failed", minutes) for minutes in range(12)))
    store(ledger, old("sent"), old("held"), old("failed", tenant="theirs"))
    out, _ = order(ledger, capsys, replay, "--dry-run")

    assert ["12 messages", *ids[:10]] == out
    assert [("failed", 0)] * 12 == states(ledger, ids)


def test_all_of_them_are_replayed_with_progress(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Page by page; what cannot be sent once more is named in the end."""
    ids = store(ledger, *(old("failed", minutes) for minutes in range(450)))
    worthless = store(ledger, old("failed", 225, more={"expires_at": NOW - timedelta(hours=1)}))
    out, progress = order(ledger, capsys, replay, "--yes")

    assert ["replayed 450, skipped 1", f"{worthless[0]}\tmessage_expired"] == out
    assert ["200 of 451", "400 of 451", "451 of 451"] == progress
    assert {("accepted", 1)} == set(states(ledger, ids))
    assert ["0 messages"] == order(ledger, capsys, replay, "--yes --since 2100-01-01T00:00:00Z")[0]


def test_what_was_replayed_is_due_at_once(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A sweeper takes it, although no relay was told."""
    ids = store(ledger, old("failed"))
    order(ledger, capsys, replay, "--yes")

    async def take() -> list[str]:
        async with opened(ledger) as box:
            taken = await box.ledger.take_unpublished(["transactional"], limit=10, lease=5)
        return [str(entry.id) for entry in taken]

    assert ids == asyncio.run(take())


def test_options_say_which(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status, recipient, tag, time, and how the reason begins."""
    wanted = store(
        ledger,
        old(
            "suppressed", 90, recipients=(ANN,), tags=("kind:receipt",), more={"reason": "given_up: HTTP 503"}
        ),
    )
    store(
        ledger,
        old("failed", 90, recipients=(ANN,), tags=("kind:receipt",), more={"reason": "given_up: HTTP 503"}),
        old("suppressed", 90, recipients=(BOB,), tags=("kind:receipt",), more={"reason": "given_up"}),
        old("suppressed", 90, recipients=(ANN,), tags=("kind:other",), more={"reason": "given_up"}),
        old("suppressed", 10, recipients=(ANN,), tags=("kind:receipt",), more={"reason": "given_up"}),
        old("suppressed", 200, recipients=(ANN,), tags=("kind:receipt",), more={"reason": "given_up"}),
        old("suppressed", 90, recipients=(ANN,), tags=("kind:receipt",), more={"reason": "poison"}),
    )
    since, until = ((NOW - timedelta(minutes=m)).isoformat() for m in (120, 60))
    options = f"--status suppressed --recipient {ANN.upper()} --tag kind:receipt --reason given_up"
    out, _ = order(ledger, capsys, replay, f"{options} --since {since} --until {until} --dry-run")

    assert ["1 messages", *wanted] == out


def test_without_a_yes_nothing_is_sent(
    ledger: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal it is asked for; elsewhere it must be given."""
    ids = store(ledger, old("failed"))
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match="1 messages would be sent once more: say --yes"):
        order(ledger, capsys, replay, "")
    terminal = io.StringIO("no\nyes\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(CommandError, match="Nothing was sent"):
        order(ledger, capsys, replay, "")

    assert [("failed", 0)] == states(ledger, ids)
    assert ["replayed 1, skipped 0"] == order(ledger, capsys, replay, "")[0]


def test_held_messages_are_listed(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest first, with what a human needs to decide; no address among it."""
    more = {"attempts": 3, "provider": "sendgrid", "reason": "uncertain: no answer"}
    (newer,), (older,) = store(ledger, old("held", 5)), store(ledger, old("held", 10, more=more))
    store(ledger, old("failed"), old("held", tenant="theirs"))
    head, first, second = order(ledger, capsys, held, "list")[0]

    assert "id\taccepted_at\tattempts\tprovider\treason" == head
    assert [older, "3", "sendgrid", "uncertain: no answer"] == [
        cell for column, cell in enumerate(first.split("\t")) if column != 1
    ]
    assert second.startswith(f"{newer}\t")


@pytest.mark.parametrize(
    ("deed", "done", "state"),
    [("release", "released", ("accepted", 1)), ("drop", "dropped", ("failed", 0))],
)
def test_a_human_decides(
    ledger: str, capsys: pytest.CaptureFixture[str], deed: str, done: str, state: tuple[str, int]
) -> None:
    """On several at a time; what is not held, or is another tenant's, stays as it is and is named."""
    one, two, other = store(ledger, old("held", 1), old("held", 2), old("failed", 3))
    (theirs,) = store(ledger, old("held", tenant="theirs"))
    with pytest.raises(CommandError, match="Left as they are: 2"):
        order(ledger, capsys, held, f"{deed} {one} {other} {two} {theirs}")
    printed = capsys.readouterr()

    assert [f"{one}\t{done}", f"{other}\tnot_held", f"{two}\t{done}", f"{theirs}\tnot_found"] == (
        printed.out.splitlines()
    )
    assert [state, state, ("failed", 0)] == states(ledger, [one, two, other])


async def test_suppressed_recipients_are_left_out(ledger: str) -> None:
    """As with a call of the API."""
    item = old("held", recipients=(ANN,))
    async with opened(ledger) as box:
        await stock(box.engine, item)
        await Suppressions(box.sessions).add("acme", [ANN])
    with pytest.raises(CommandError, match="Left as they are: 1"):
        await held(Settings(ledger_url=ledger), ["release", "--tenant", "acme", str(item.id)])
    async with opened(ledger) as box:
        await box.ledger.record([event(item.id, "sent")])


@pytest.mark.parametrize(
    ("what", "arguments", "complaint"),
    [
        (replay, "", "required: --tenant"),
        (replay, "--tenant Acme", "argument --tenant: must be"),
        (replay, "--tenant a --status sent", "argument --status: invalid choice"),
        (replay, "--tenant a --since yesterday", "argument --since: must be a moment"),
        (replay, "--tenant a --recipient nobody", "argument --recipient: must look like"),
        (replay, "--tenant a --tag receipt", "argument --tag: must be a tag's name and value"),
        (replay, "--tenant a --reason=", "argument --reason: must be 1 to 200"),
        (held, "", "required: list | release | drop"),
        (held, "list", "required: --tenant"),
        (held, "drop --tenant a", "required: id"),
        (held, "release --tenant a nonsense", "argument id: invalid"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    capsys: pytest.CaptureFixture[str], what: Order, arguments: str, complaint: str
) -> None:
    """Exit status 2 and one sentence that names the option, before anything is opened."""
    with pytest.raises(SystemExit) as told:
        asyncio.run(what(Settings(), arguments.split()))
    printed = capsys.readouterr()

    assert (2, "") == (told.value.code, printed.out)
    assert complaint in printed.err


def test_the_commands_are_there(tmp_path: Path) -> None:
    """As an operator types them; a SQLite ledger is made on the way."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    (held_id,) = (asyncio.run(_migrate(url)), store(url, old("held", recipients=(ANN,))))[1]
    refused = run(url, "replay", "--tenant", "acme", "--status", "held")
    done = run(url, "replay", "--tenant", "acme", "--status", "held", "--yes")
    listed = run(url, "held", "list", "--tenant", "acme")

    assert (1, "", True) == (refused.returncode, refused.stdout, "say --yes" in refused.stderr)
    assert (0, "replayed 1, skipped 0\n") == (done.returncode, done.stdout)
    assert "message.replayed" in done.stderr
    assert (0, 1) == (listed.returncode, len(listed.stdout.splitlines()))
    assert [("accepted", 1)] == states(url, [held_id])
    assert ANN not in refused.stderr + done.stderr


def test_a_ledger_of_an_older_version_is_named(postgresql: PostgreSQL) -> None:
    """With the command that brings it up to date."""
    result = run(postgresql.create_database(), "replay", "--tenant", "acme")

    assert (1, "") == (result.returncode, result.stdout)
    assert result.stderr.endswith("run python -m services.gateway migrate\n")
