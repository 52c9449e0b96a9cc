"""A seed decides what happens, there is enough that can, and the documents say what."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.torture.faults import FAULTS
from tests.torture.hostile import TRICKS
from tests.torture.nemesis import deck, schedule
from tests.torture.orders import orders
from tests.torture.plan import ROOT, Plan
from tests.torture.stage import Servers, Stage
from tests.torture.test_torture import FALLING, STALLING

PAGE = ROOT / "docs" / "reliability.md"
ROW = re.compile(r"^\| ([GRBWPDK]\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
BROKERS: dict[str, type[RabbitMQ | Redis]] = {"rabbitmq": RabbitMQ, "redis": Redis}


def stage(plan: Plan) -> Stage:
    """One that is never built: nothing is started, and only what it is made of is known."""
    broker = object.__new__(BROKERS[plan.broker])
    database = object.__new__(PostgreSQL) if plan.database == "postgresql" else None
    return Stage(plan, Servers(broker, database), "", "", Path("hosts"))


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_there_are_forty_kinds_in_any_configuration(broker: str, database: str) -> None:
    """And more."""
    plan = Plan(broker=broker, database=database)  # type: ignore[arg-type]

    assert len(deck(plan, stage(plan))) >= 40


def test_a_seed_draws_the_same_faults_and_the_same_messages() -> None:
    """Another seed draws others."""
    drawn = [
        (
            list(islice(schedule(plan, deck(plan, stage(plan))), 300)),
            list(islice(orders(plan, tuple(TRICKS)), 300)),
        )
        for plan in (Plan(seed=7), Plan(seed=7), Plan(seed=8))
    ]

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_every_kind_comes_once_before_any_comes_twice() -> None:
    """So coverage does not hang on luck."""
    plan = Plan()
    kinds = deck(plan, stage(plan))

    drawn = [blow.kind for blow in islice(schedule(plan, kinds), len(kinds))]

    assert sorted(fault.name for fault in kinds) == sorted(drawn)


def test_the_short_storms_name_kinds_that_there_are() -> None:
    """None twice."""
    named = [*FALLING, *STALLING]

    assert set(named) <= set(FAULTS)
    assert len(set(named)) == len(named)


def test_the_crash_table_names_the_kinds_that_there_are() -> None:
    """Each row those that say they do it, and none of the rows is empty."""
    told = {
        row: set(re.findall(r"`([\w.:]+)`", cell)) & set(FAULTS)
        for row, cell in ROW.findall(PAGE.read_text())
    }
    done = {row: {name for name, fault in FAULTS.items() if row in fault.rows} for row in told}

    assert {row for fault in FAULTS.values() for row in fault.rows} <= set(told)
    assert done == told
