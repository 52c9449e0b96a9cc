"""Reading the statistics: sums of counts, and accepted messages that are not counted yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from services.gateway.latencies import UNMEASURED
from services.gateway.ledger.errors import LedgerUnavailableError
from services.gateway.ledger.question import Group, Grouping, Question
from services.gateway.ledger.reporting_tables import statistics
from services.gateway.ledger.schema import Moment
from services.gateway.ledger.sessions import Sessions
from services.gateway.ledger.uncounted import uncounted
from services.gateway.states import ACCEPTED

MOST_TAGS: Final = 500
"""Tags in one answer."""

_TURN_SECONDS: Final = 1.0
_PATIENCE: Final = 10.0
_PART: Final = 100


@dataclass(frozen=True, slots=True)
class Sum:
    """What happened in one group, as counts by event and bucket."""

    group: Group
    buckets: dict[str, dict[int, int]] = field(default_factory=dict)

    def count(self, event: str) -> int:
        """How often it happened."""
        return sum(self.buckets.get(event, {}).values())

    def add(self, event: str, count: int) -> None:
        """Count what nobody has measured."""
        buckets = self.buckets.setdefault(event, {})
        buckets[UNMEASURED] = buckets.get(UNMEASURED, 0) + count


class Report:
    """The tenants' statistics.

    Raises :class:`LedgerUnavailableError` when the database does not answer in time, or too many are asking.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._turn = asyncio.Semaphore(1)  # the other connections are for those who send

    async def ask(self, tenant: str, question: Question) -> tuple[list[Sum], bool]:
        """Return the sums of all groups that have any, and whether there are more.

        Hours and days are in their order, tags by how much happened, accounts by their names.
        """
        async with self._snapshot() as connection:
            tags, has_more = await _tags(connection, tenant, question)
            sums: dict[Group, Sum] = {tag: Sum(tag) for tag in tags if question.group_by == Grouping.TAG}
            await _add_counted(connection, tenant, question, tags, sums)
            async for group, number in uncounted(connection, tenant, question, tags):
                sums.setdefault(group, Sum(group)).add(ACCEPTED, number)
        if question.group_by == Grouping.TAG:
            return [*sums.values()], has_more
        return sorted(sums.values(), key=lambda one: one.group), False

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that sees no change: a message that is counted meanwhile counts once."""
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise LedgerUnavailableError(unknown=False) from error
        try:
            async with self._sessions.reading(patience=_PATIENCE) as connection:
                if self._sessions.is_sqlite:
                    await connection.exec_driver_sql("BEGIN")
                else:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection
        finally:
            self._turn.release()


async def _tags(connection: AsyncConnection, tenant: str, question: Question) -> tuple[list[str], bool]:
    """The values of the column ``tag`` that are asked for; empty stands for all messages."""
    if question.tag is not None or question.group_by != Grouping.TAG:
        return [question.tag or ""], False
    total = sa.func.sum(statistics.c.count)
    query = sa.select(statistics.c.tag).where(*_conditions(tenant, question), statistics.c.tag != "")
    query = query.group_by(statistics.c.tag).order_by(total.desc(), statistics.c.tag).limit(MOST_TAGS + 1)
    found = (await connection.scalars(query)).all()
    return list(found[:MOST_TAGS]), len(found) > MOST_TAGS


async def _add_counted(
    connection: AsyncConnection, tenant: str, question: Question, tags: list[str], sums: dict[Group, Sum]
) -> None:
    event, bucket = statistics.c.event, statistics.c.bucket
    # A constant is no key that PostgreSQL would group by; the tenant is one, too.
    by = statistics.c.tenant if question.group_by is None else _column(question.group_by)
    total = sa.cast(sa.func.sum(statistics.c.count), sa.BigInteger)
    conditions = (*_conditions(tenant, question), statistics.c.tag.in_(tags))
    rows = sa.select(by.label("its"), event, bucket, total.label("total")).where(*conditions)
    each = rows.group_by(by, event, bucket).subquery()
    # One row for all buckets: there can be two hundred thousand, and others want an answer meanwhile.
    collect = sa.func.json_group_object if connection.dialect.name == "sqlite" else sa.func.json_object_agg
    buckets = sa.cast(collect(each.c.bucket, each.c.total), sa.Text)
    query = sa.select(each.c.its, each.c.event, buckets).group_by(each.c.its, each.c.event)
    result = await connection.stream(query)
    async for part in result.partitions(_PART):
        for its, word, text in part:
            group = "" if question.group_by is None else its
            counts = {int(number): count for number, count in from_json(text).items()}
            sums.setdefault(group, Sum(group)).buckets[word] = counts


def _conditions(tenant: str, question: Question) -> list[sa.ColumnElement[bool]]:
    conditions = [
        statistics.c.tenant == tenant,
        statistics.c.hour >= question.since,
        statistics.c.hour < question.until,
    ]
    return conditions + ([] if question.provider is None else [statistics.c.provider == question.provider])


def _column(grouping: Grouping) -> sa.ColumnElement[Any]:
    return _day(statistics.c.hour) if grouping == Grouping.DAY else statistics.c[grouping.value]


class _day(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The beginning of a moment's day, in UTC."""

    type = Moment()
    name = "day"
    inherit_cache = True


@compiles(_day, "postgresql")
def _postgresql_day(element: _day, compiler: Any, **kw: Any) -> str:
    return f"date_trunc('day', {compiler.process(element.clauses, **kw)}, 'UTC')"


@compiles(_day, "sqlite")
def _sqlite_day(element: _day, compiler: Any, **kw: Any) -> str:
    return f"strftime('%Y-%m-%d 00:00:00.000000', {compiler.process(element.clauses, **kw)})"
