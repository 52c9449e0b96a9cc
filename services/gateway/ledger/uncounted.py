"""Accepted messages that the roll-up has not counted yet: they are counted whenever somebody asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.identifiers import first_id_of, moment_of
from services.gateway.ledger.question import Group, Grouping, Question
from services.gateway.ledger.roll_up import mark_of
from services.gateway.ledger.schema import lookups, messages

_STEPS: Final = {Grouping.HOUR: timedelta(hours=1), Grouping.DAY: timedelta(days=1)}


async def uncounted(
    connection: AsyncConnection, tenant: str, question: Question, tags: Sequence[str]
) -> AsyncIterator[tuple[Group, int]]:
    """Count what is above the roll-up's mark, by group; *tags* are those in question, or one empty text."""
    if question.provider is not None or not tags:
        return  # no account is part of accepting
    ids, rows = _rows(tenant, tags)
    mark = await mark_of(connection)
    rows = rows.where(ids >= max(mark, first_id_of(question.since)), ids < first_id_of(question.until))
    if question.group_by == Grouping.TAG:
        for tag, number in await connection.execute(
            rows.with_only_columns(lookups.c.value, sa.func.count()).group_by(lookups.c.value)
        ):
            yield tag, number
    elif question.group_by in _STEPS:
        async for group in _by_time(connection, rows, ids, _STEPS[question.group_by]):
            yield group
    elif number := await _count(connection, rows):
        yield "", number


def _rows(tenant: str, tags: Sequence[str]) -> tuple[sa.Column[UUID], sa.Select[Any]]:
    """The ids of a tenant's messages, each out of the index that has nothing else."""
    if any(tags):
        its = (lookups.c.tenant == tenant, lookups.c.kind == "tag", lookups.c.value.in_(tags))
        return lookups.c.message_id, sa.select(lookups.c.message_id).where(*its)
    return messages.c.id, sa.select(messages.c.id).where(messages.c.tenant == tenant)


async def _by_time(
    connection: AsyncConnection, rows: sa.Select[Any], ids: sa.Column[UUID], step: timedelta
) -> AsyncIterator[tuple[datetime, int]]:
    first = (await connection.execute(rows.order_by(ids).limit(1))).scalar_one_or_none()
    last = (await connection.execute(rows.order_by(ids.desc()).limit(1))).scalar_one_or_none()
    if first is None or last is None:
        return
    begin = _floor(moment_of(first), step)
    while begin <= moment_of(last):
        its = rows.where(ids >= first_id_of(begin), ids < first_id_of(begin, shift=step))
        if number := await _count(connection, its):
            yield begin, number
        begin += step


async def _count(connection: AsyncConnection, rows: sa.Select[Any]) -> int:
    return (await connection.execute(rows.with_only_columns(sa.func.count()))).scalar_one()


def _floor(moment: datetime, step: timedelta) -> datetime:
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (moment - epoch) // step * step
