"""What the gateway may rely on in its templates, be they in SQLite or in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.ledger.database import LedgerAddress, migrate, open_engine
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.paging import Page
from services.gateway.ledger.schema import template_versions
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.template_folder import FolderTemplate, Loaded, load
from services.gateway.ledger.template_rows import EVERYBODY, AliasTakenError
from services.gateway.ledger.templates import Change, StoredTemplates
from services.gateway.templates.content import Content, Variable
from services.gateway.templates.folder import TemplateFolder
from services.gateway.templates.published import Templates
from shared.signatures import Address
from tests.contract.ledgers import TIMEOUT

HELLO = Content(
    sender=Address(email="shop@example.com", name="Zoë"),
    reply_to=(Address(email="help@example.com"),),
    subject="Hello {{ name }}",
    html="<p>Hello {{ name }}, {{ when | default: 'today' }}</p>",
    variables=(
        Variable(key="name"),
        Variable(key="when", fallback_value="now"),
        Variable(key="x", type="number"),
    ),
)
BYE = Content(text="Bye {{ name }}")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A migrated ledger."""
    engine = open_engine(LedgerAddress.parse(database_url), TIMEOUT)
    await migrate(engine)
    yield engine
    await engine.dispose()


def sessions_of(engine: AsyncEngine) -> Sessions:
    """A gateway's way to its ledger."""
    writing = asyncio.Lock() if engine.dialect.name == "sqlite" else None
    return Sessions(engine, writing=writing, timeout=TIMEOUT)


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    """One gateway's way to the ledger."""
    return sessions_of(engine)


@pytest.fixture
def stored(sessions: Sessions) -> StoredTemplates:
    """The templates in it."""
    return StoredTemplates(sessions)


class CountingTemplates(StoredTemplates):
    """Counts the look-ups, and can be made to fail."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self.asked = 0
        self.error: Exception | None = None

    async def published(self, tenant: str, which: UUID | str) -> sa.Row[Any] | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return await super().published(tenant, which)


@pytest.fixture
def counting(sessions: Sessions) -> CountingTemplates:
    """The same, counted."""
    return CountingTemplates(sessions)


async def publish(
    stored: StoredTemplates, tenant: str = "acme", alias: str | None = "hello", content: Content = HELLO
) -> UUID:
    """Make a template that messages can be made from."""
    template_id = await stored.create(tenant, "A name", alias, content.encode())
    assert await stored.publish(tenant, template_id)
    return template_id


async def found(stored: StoredTemplates, tenant: str, which: UUID | str) -> sa.Row[Any]:
    """A template that must be there."""
    row = await stored.find(tenant, which)
    assert row is not None
    return row


# Storing


async def test_a_new_template_is_a_draft(stored: StoredTemplates) -> None:
    """It is found by its id and by its alias, and no message is made from it."""
    template_id = await stored.create("acme", "Wëlcome", "hello", HELLO.encode())
    row = await found(stored, "acme", template_id)

    assert ("acme", "hello", "Wëlcome", 1, None, None) == (
        *(row.tenant, row.alias, row.name, row.latest_version),
        *(row.published_version, row.published_at),
    )
    assert HELLO == Content.decode(row.content)
    assert row == await stored.find("acme", "hello")
    assert abs(row.created_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert await stored.published("acme", "hello") is None


async def test_messages_are_made_from_what_was_published(stored: StoredTemplates) -> None:
    """A change makes a new version, which messages get only once it is published, too."""
    template_id = await publish(stored)
    made = await stored.update("acme", template_id, latest=1, content=BYE.encode())
    before = await stored.published("acme", "hello")
    assert await stored.publish("acme", template_id)
    after = await stored.published("acme", template_id)

    assert Change.DONE is made
    assert before is not None
    assert after is not None
    assert [HELLO, BYE] == [Content.decode(row.content) for row in (before, after)]
    assert before.version_id != after.version_id


async def test_versions_are_listed_and_never_change(stored: StoredTemplates) -> None:
    """In pages, the newest first; the first one is what it was."""
    template_id = await publish(stored)
    other_id = await publish(stored, alias=None)
    for latest in range(1, 4):
        await asyncio.sleep(0.002)  # ids have a resolution of a millisecond
        await stored.update("acme", template_id, latest=latest, content=b"%d" % latest)
    first, more = await stored.versions(template_id, Page(3))
    second, no_more = await stored.versions(template_id, Page(3, after=first[-1].id))

    assert ([4, 3, 2], True) == ([row.version for row in first], more)
    assert ([(1, HELLO.encode())], False) == ([(row.version, row.content) for row in second], no_more)
    assert [1] == [row.version for row in (await stored.versions(other_id, Page()))[0]]


async def test_a_new_name_is_no_new_version(stored: StoredTemplates) -> None:
    """Name and alias are not what messages are made from; either may change, the alias may go."""
    template_id = await publish(stored)
    await stored.update("acme", template_id, latest=1, name="Another", alias="other")
    named = await found(stored, "acme", "other")
    await stored.update("acme", template_id, latest=1, alias=None)
    nameless = await found(stored, "acme", template_id)

    assert ("Another", 1, 1) == (named.name, named.latest_version, named.published_version)
    assert named.updated_at > named.created_at
    assert (None, "Another") == (nameless.alias, nameless.name)
    assert await stored.find("acme", "hello") is None


async def test_a_change_that_was_overtaken_is_not_made(stored: StoredTemplates) -> None:
    """Of two authors who began with the same version one is told so, and nothing of either is lost."""
    template_id = await stored.create("acme", "A name", None, b"0")

    changes = await asyncio.gather(
        *(
            stored.update("acme", template_id, latest=1, content=b"%d" % number, name=f"by {number}")
            for number in range(5)
        )
    )
    row = await found(stored, "acme", template_id)

    assert 1 == changes.count(Change.DONE)
    assert 4 == changes.count(Change.OVERTAKEN)
    winner = changes.index(Change.DONE)
    assert (2, b"%d" % winner, f"by {winner}") == (row.latest_version, row.content, row.name)


async def test_an_alias_is_taken_once(stored: StoredTemplates) -> None:
    """A second template of a tenant under it is refused, when made and when changed, and leaves no trace."""
    await publish(stored)
    other_id = await stored.create("acme", "Other", None, BYE.encode())
    with pytest.raises(AliasTakenError):
        await stored.create("acme", "Third", "hello", BYE.encode())
    with pytest.raises(AliasTakenError):
        await stored.update("acme", other_id, latest=1, content=HELLO.encode(), alias="hello")
    rows, _ = await stored.page("acme", Page())
    other = await found(stored, "acme", other_id)

    assert {"A name", "Other"} == {row.name for row in rows}
    assert (None, 1, BYE) == (other.alias, other.latest_version, Content.decode(other.content))
    assert 1 == len((await stored.versions(other_id, Page()))[0])


async def test_removing_leaves_nothing(engine: AsyncEngine, stored: StoredTemplates) -> None:
    """No version stays behind, and the alias is free again."""
    template_id = await publish(stored)
    removed = [await stored.remove("acme", template_id) for _ in range(2)]
    async with engine.connect() as connection:
        left = (await connection.execute(sa.select(sa.func.count()).select_from(template_versions))).scalar()

    assert [True, False] == removed
    assert 0 == left
    assert await stored.find("acme", template_id) is None
    assert await publish(stored) != template_id
    assert Change.GONE is await stored.update("acme", template_id, latest=1, content=b"")
    assert not await stored.publish("acme", template_id)


async def test_a_tenant_does_not_see_another_ones(stored: StoredTemplates) -> None:
    """The same alias is free for each; nobody finds, lists, changes, publishes or removes the other's."""
    acme, other = await publish(stored, "acme"), await publish(stored, "other", content=BYE)

    assert acme == (await found(stored, "acme", "hello")).id
    assert await stored.find("acme", other) is None
    assert await stored.published("acme", other) is None
    assert [acme] == [row.id for row in (await stored.page("acme", Page()))[0]]
    assert Change.GONE is await stored.update("acme", other, latest=1, name="Mine")
    assert not await stored.publish("acme", other)
    assert not await stored.remove("acme", other)
    assert BYE == Content.decode((await found(stored, "other", other)).content)


async def test_lists_hold_no_content_and_come_in_pages(stored: StoredTemplates) -> None:
    """The newest first; those for everybody stand among the tenant's own."""
    made = []
    for number in range(5):
        made.append(await publish(stored, EVERYBODY if number % 2 else "acme", f"hello-{number}"))
        await asyncio.sleep(0.002)
    first, more = await stored.page("acme", Page(3))
    second, no_more = await stored.page("acme", Page(3, after=first[-1].id))

    assert made[::-1] == [row.id for row in first + second]
    assert [True, False] == [more, no_more]
    assert not hasattr(first[0], "content")


# Looking published ones up


async def test_what_is_published_is_read_as_it_was_written(stored: StoredTemplates) -> None:
    """With what it needs: a variable with a default in the source is not among that."""
    await publish(stored)
    content = await Templates(stored).published("acme", "hello")

    assert content is not None
    assert (HELLO.sender, HELLO.reply_to, HELLO.subject, HELLO.html, HELLO.text) == (
        *(content.sender, content.reply_to, content.subject),
        *(content.html, content.text),
    )
    assert {"when": "now"} == content.fallbacks
    assert {"name"} == content.needed
    assert {"name": "string", "when": "string", "x": "number"} == content.types


@pytest.mark.parametrize("which", ["nobody", "a b", "", "\0", "\ud800", "x" * 500, "'--", "%"])
async def test_what_is_not_there_is_none(counting: CountingTemplates, which: str) -> None:
    """Whatever the text; the ledger is not bothered with what cannot be an alias."""
    await publish(counting)

    assert await Templates(counting).published("acme", which) is None
    assert (which == "nobody") == counting.asked


async def test_a_draft_is_not_there(stored: StoredTemplates) -> None:
    """For a message; once published it is there at once, though it was asked for before."""
    template_id = await stored.create("acme", "A name", "hello", HELLO.encode())
    templates = Templates(stored)
    before = await templates.published("acme", "hello")
    await stored.publish("acme", template_id)

    assert before is None
    assert await templates.published("acme", "hello") is not None


async def test_look_ups_are_shared(counting: CountingTemplates) -> None:
    """A hundred messages of the same moment, and of the time after, cost one query."""
    template_id = await publish(counting)
    templates = Templates(counting, fresh=60)

    at_once = await asyncio.gather(*(templates.published("acme", "hello") for _ in range(100)))
    later = await templates.published("acme", "hello")

    assert [later] * 100 == at_once
    assert 1 == counting.asked
    assert later == await templates.published("acme", str(template_id))
    assert later == await templates.published("acme", str(template_id).upper())
    assert 2 == counting.asked


async def test_tenants_do_not_share_look_ups(stored: StoredTemplates) -> None:
    """Each gets its own template of the alias, or none."""
    await publish(stored, "acme")
    await publish(stored, "other", content=BYE)
    templates = Templates(stored)
    contents = [await templates.published(tenant, "hello") for tenant in ("acme", "other", "third")]

    assert [HELLO.text, BYE.text] == [content.text for content in contents if content]
    assert contents[2] is None


async def test_a_look_up_is_good_for_a_moment_only(counting: CountingTemplates) -> None:
    """What another gateway publishes or removes is noticed."""
    template_id = await publish(counting)
    templates = Templates(counting, fresh=60.0)
    await templates.published("acme", "hello")
    await counting.remove("acme", template_id)
    stale = await templates.published("acme", "hello")
    templates._look_ups._fresh = 0.0

    assert stale is not None
    assert await templates.published("acme", "hello") is None


async def test_what_was_changed_here_is_looked_up_anew(counting: CountingTemplates) -> None:
    """At once, even if a look-up was under way."""
    await publish(counting)
    templates = Templates(counting)
    early = asyncio.create_task(templates.published("acme", "hello"))
    await asyncio.sleep(0)
    templates.forget()
    late = await templates.published("acme", "hello")

    assert 2 == counting.asked
    assert late == await early


async def test_what_is_kept_is_bounded(counting: CountingTemplates) -> None:
    """Old look-ups make room for new ones."""
    await publish(counting)
    templates = Templates(counting, fresh=60, capacity=3)
    for tenant in ("acme", "acme", "other", "third"):
        await templates.published(tenant, "hello")
    for alias in ("a", "b", "c", "d"):
        await publish(counting, alias=alias)
        await templates.published("acme", alias)
    counted = counting.asked
    await templates.published("acme", "d")
    await templates.published("acme", "hello")

    assert counted + 1 == counting.asked


async def test_a_ledger_that_is_away_is_told_and_not_remembered(counting: CountingTemplates) -> None:
    """Everybody who asked is told; the next one is asked anew."""
    await publish(counting)
    templates = Templates(counting)
    counting.error = LedgerUnavailableError(unknown=True)
    errors = await asyncio.gather(
        *(templates.published("acme", "hello") for _ in range(3)), return_exceptions=True
    )
    counting.error = None

    assert [LedgerUnavailableError] * 3 == [type(error) for error in errors]
    assert await templates.published("acme", "hello") is not None


async def test_a_caller_that_goes_away_does_not_take_the_answer_along(stored: StoredTemplates) -> None:
    """Others wait for the same look-up."""
    await publish(stored)
    templates = Templates(stored)
    gone = asyncio.create_task(templates.published("acme", "hello"))
    staying = asyncio.create_task(templates.published("acme", "hello"))
    await asyncio.sleep(0)
    gone.cancel()

    assert await staying is not None


# The operator's folder


def of(**contents: Content) -> list[FolderTemplate]:
    """A folder's templates."""
    return [FolderTemplate(alias, alias, content.encode()) for alias, content in contents.items()]


async def test_a_folder_is_for_everybody(sessions: Sessions, stored: StoredTemplates) -> None:
    """Every tenant finds, by alias, what was loaded; it is published already."""
    loaded = await load(sessions, of(hello=HELLO, bye=BYE))
    contents = [await Templates(stored).published(tenant, "hello") for tenant in ("acme", "other")]

    assert Loaded(("hello", "bye"), ()) == loaded
    assert [HELLO.html] * 2 == [content.html for content in contents if content]
    assert EVERYBODY == (await found(stored, "acme", "bye")).tenant


async def test_a_tenants_own_alias_goes_first(sessions: Sessions, stored: StoredTemplates) -> None:
    """For itself, and for nobody else; the operator's is still there by its id."""
    await load(sessions, of(hello=HELLO))
    operators = (await found(stored, "acme", "hello")).id
    await publish(stored, "acme", content=BYE)
    contents = [
        await Templates(stored).published(*place)
        for place in (("acme", "hello"), ("other", "hello"), ("acme", str(operators)))
    ]

    assert [BYE.text, HELLO.text, HELLO.text] == [content.text for content in contents if content]


async def test_a_draft_of_a_tenant_does_not_hide_what_is_published(
    sessions: Sessions, stored: StoredTemplates
) -> None:
    """Messages go on while a tenant writes a template of its own under the same alias."""
    await load(sessions, of(hello=HELLO))
    await stored.create("acme", "Mine", "hello", BYE.encode())
    content = await Templates(stored).published("acme", "hello")

    assert content is not None
    assert HELLO.html == content.html


async def test_only_what_is_different_is_published(sessions: Sessions, stored: StoredTemplates) -> None:
    """The same folder again changes nothing; a changed file is a new version at once."""
    await load(sessions, of(hello=HELLO, bye=BYE))
    before = await found(stored, "acme", "bye")
    same = await load(sessions, of(hello=HELLO, bye=BYE))
    changed = await load(sessions, of(hello=BYE, bye=BYE))
    hello = await found(stored, "acme", "hello")

    assert [Loaded((), ()), Loaded(("hello",), ())] == [same, changed]
    assert before == await found(stored, "acme", "bye")
    assert (2, 2, BYE) == (hello.latest_version, hello.published_version, Content.decode(hello.content))


async def test_an_older_content_is_published_again(sessions: Sessions, stored: StoredTemplates) -> None:
    """A folder that is rolled back takes effect; its history stays."""
    for version in (HELLO, BYE, HELLO):
        await load(sessions, of(hello=version))
    content = await Templates(stored).published("acme", "hello")

    assert content is not None
    assert HELLO.html == content.html
    assert 3 == (await found(stored, "acme", "hello")).latest_version


async def test_what_left_the_folder_stays(sessions: Sessions, stored: StoredTemplates) -> None:
    """The operator is told; messages of a deployment that still has it go on."""
    await load(sessions, of(hello=HELLO, bye=BYE))

    assert Loaded((), ("bye",)) == await load(sessions, of(hello=HELLO))
    assert await stored.published("acme", "bye") is not None


async def test_a_new_name_in_the_folder_is_no_new_version(
    sessions: Sessions, stored: StoredTemplates
) -> None:
    """It is a name for people only."""
    await load(sessions, of(hello=HELLO))
    loaded = await load(sessions, [FolderTemplate("hello", "Another", HELLO.encode())])
    row = await found(stored, "acme", "hello")

    assert Loaded((), ()) == loaded
    assert ("Another", 1) == (row.name, row.latest_version)


async def test_two_gateways_load_at_once(database_url: str, engine: AsyncEngine) -> None:
    """One publishes, the other finds it done; nothing is doubled."""
    engines = [open_engine(LedgerAddress.parse(database_url), TIMEOUT * 4) for _ in range(4)]
    folder = of(**{f"template-{number}": HELLO for number in range(20)})
    loaded = await asyncio.gather(*(load(sessions_of(one), folder) for one in engines))
    for one in engines:
        await one.dispose()
    rows, _ = await StoredTemplates(sessions_of(engine)).page("acme", Page(100))

    assert [0, 0, 0, 20] == sorted(len(one.published) for one in loaded)
    assert [1] * 20 == [row.latest_version for row in rows]


async def test_a_gateway_starts_without_its_ledger(database_url: str, tmp_path: Path) -> None:
    """The folder is loaded as soon as the ledger has its tables."""
    (tmp_path / "hello.txt").write_text("Hello {{ name }}")
    engine = open_engine(LedgerAddress.parse(database_url), TIMEOUT)
    folder = TemplateFolder(tmp_path, sessions_of(engine), retry=0.05)
    await folder.start()
    await migrate(engine)
    content = None
    async with asyncio.timeout(10):
        while content is None:
            await asyncio.sleep(0.02)
            content = await Templates(StoredTemplates(sessions_of(engine))).published("acme", "hello")
    await folder.close()
    await engine.dispose()

    assert "Hello {{ name }}" == content.text


async def test_a_gateway_stops_without_its_ledger(database_url: str, tmp_path: Path) -> None:
    """It does not wait for it for ever."""
    (tmp_path / "hello.txt").write_text("Hello {{ name }}")
    engine = open_engine(LedgerAddress.parse(database_url), TIMEOUT)
    folder = TemplateFolder(tmp_path, sessions_of(engine), retry=0.05)
    await folder.start()
    closed, _ = await asyncio.wait([asyncio.create_task(folder.close())], timeout=5)
    await engine.dispose()

    assert closed
