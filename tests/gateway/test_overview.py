"""What the overview makes of what is known: series, standings, troubles and plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.gateway.dashboard import plots, standing, words
from services.gateway.dashboard.recent import sum_up
from services.gateway.latencies import UNMEASURED, bucket
from services.gateway.ledger.attention import MOST, Attention
from services.gateway.ledger.mailers import KnownMailer
from shared.signatures import AccountUse, Lane, RecordMailer, SlotUse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WELL = Attention(failed=0, held=0, uncertain=0, deferred=0, oldest_waiting=None)


def mailer(host: str = "one", seconds_ago: float = 1.0, **fields: Any) -> KnownMailer:
    """A mailer that told something a while ago."""
    told = RecordMailer(mailer_id=UUID(int=1), at=NOW, started_at=NOW, host=host, **fields)
    return KnownMailer(told, seconds_ago)


def account(name: str = "main", **fields: Any) -> AccountUse:
    """How an account fares at a mailer."""
    return AccountUse(name=name, kind="sendgrid", lanes=("transactional",), **fields)


def texts(attention: Attention = WELL, *mailers: KnownMailer, broker_is_there: bool = True) -> list[str]:
    """What there is to look at, in words."""
    found = standing.troubles(attention, mailers, broker_is_there=broker_is_there, now=NOW)
    return [trouble.text for trouble in found]


# Series


def test_counts_become_rates_and_latencies() -> None:
    """Of slots that are complete; of those before and after nothing is shown."""
    fast, slow = bucket(0.1), bucket(2.0)
    rows = [
        *((10, "accepted", UNMEASURED, 40), (11, "accepted", UNMEASURED, 20)),
        *((10, "sent", fast, 19), (11, "sent", slow, 1), (12, "sent", fast, 500)),
        (11, "failed", UNMEASURED, 2),
    ]
    recent = sum_up(10, 12, rows)

    assert (4.0, 3.0) == (recent.rate(recent.accepted, 10), recent.now(recent.accepted))
    assert 1.0 == recent.now(recent.sent)
    assert pytest.approx(0.1, rel=0.1) == recent.latency(50)
    assert pytest.approx(2.0, rel=0.1) == recent.latency(99)
    assert recent.latency(50, 9) is None
    assert {"failed": 2} == recent.others
    assert [10] == list(recent.points(2))


# Standings


def test_a_lane_has_the_slots_of_all_its_mailers() -> None:
    """But of those that are silent, of whom nobody knows what they do."""
    uses = [SlotUse(queue="mailer.bulk", busy=30, slots=100, paused=True)]
    its = [mailer(queues=uses), mailer("two", queues=uses), mailer("three", 60, queues=uses)]
    transactional, bulk = standing.lanes({Lane.BULK: 7}, its)

    assert (None, 0, 0, 0) == (
        transactional.depth,
        transactional.busy,
        transactional.slots,
        transactional.paused,
    )
    assert (7, 60, 200, 2) == (bulk.depth, bulk.busy, bulk.slots, bulk.paused)


def test_an_account_is_one_over_all_mailers() -> None:
    """Its limit is shared, and what it carries is added up; those in trouble come first."""
    one = account(sent_per_second=1.5, in_flight=2, waiting=1, limit_per_second=10.0)
    other = account(sent_per_second=2.0, in_flight=3, limit_per_second=8.0, circuit="open")
    backup = account("backup")
    first, second = standing.accounts([mailer(accounts=[backup, one]), mailer("two", accounts=[other])])

    assert ("main", ("open",), 2, 8.0) == (first.name, first.circuits, first.mailers, first.limit_per_second)
    assert (3.5, 5, 1) == (first.sent_per_second, first.in_flight, first.waiting)
    assert ("backup", ()) == (second.name, second.circuits)


def test_nothing_is_wrong_where_all_is_well() -> None:
    """A mailer is there, and that is all that is needed."""
    assert [] == texts(WELL, mailer(accounts=[account()]))


def test_the_worst_comes_first() -> None:
    """What stops mail before what somebody may look at later."""
    attention = replace(WELL, failed=1, held=2, deferred=MOST, oldest_waiting=NOW - timedelta(minutes=5))
    its = mailer(accounts=[account(circuit="open")]), mailer("two", 60)
    expected = [
        "The circuit of account main is open.",
        "1 message failed in the last 24 hours.",
        "2 messages held: nobody can tell whether they were sent.",
        "The broker is away. Messages are accepted, and wait in the ledger.",
        "The mailer on two has been silent for 1 min.",
        "The oldest message that waits was accepted 5 min ago.",
        "1\N{NARROW NO-BREAK SPACE}000 or more messages deferred, and tried again later.",
    ]

    assert expected == texts(attention, *its, broker_is_there=False)


def test_it_is_told_that_no_mailer_is_heard_of() -> None:
    """Whether there never was one, or the last has fallen silent."""
    none = "No mailer is heard of. Messages are accepted, and wait until one comes."

    assert none == texts()[0]
    assert none == texts(WELL, mailer(seconds_ago=100))[0]


# Plots


@pytest.mark.parametrize(
    ("highest", "expected"),
    [
        (0, [0, 1]),
        (3, [0, 1, 2, 3]),
        (9, [0, 2.5, 5, 7.5, 10]),
        (100, [0, 25, 50, 75, 100]),
        (0.37, [0, 0.1, 0.2, 0.30000000000000004, 0.4]),
    ],
)
def test_lines_are_drawn_at_round_numbers(highest: float, expected: list[float]) -> None:
    """Evenly, from zero to what is above the highest value."""
    assert pytest.approx(expected) == plots.steps(highest)


@pytest.mark.parametrize("draw", [plots.lines, plots.bars])
def test_a_plot_is_nothing_but_shapes(draw: Any) -> None:
    """No style, no script, nothing from elsewhere; and it says what it shows."""
    drawn = draw(
        {"a": [1.0, None, 3.0], "b": [0.0, 2.0, None]}, ["<x>", "", "12:00"], words.number, 'say "<b>"'
    )
    root = ET.fromstring(drawn)
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    attributes = {name for element in root.iter() for name in element.attrib}

    assert tags <= {"svg", "g", "rect", "path", "text"}
    assert not {name for name in attributes if name == "style" or name.startswith("on") or "href" in name}
    assert ("img", 'say "<b>"') == (root.get("role"), root.get("aria-label"))


def test_a_lone_value_is_seen() -> None:
    """As a short line, where the slots before and after it have none."""
    drawn = plots.lines({"a": [None, 5.0, None, None]}, [""] * 4, words.number, "")
    (path,) = [part for part in str(drawn).split('d="') if 'class="line' in part.partition(">")[0]]

    assert 4 == len(path.partition('"')[0].replace("L", "").replace("M", "").split())


# Words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.number(1234567), "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
        (words.number(0.44), "0.4"),
        (words.number(12.0), "12"),
        (words.latency(None), "–"),  # noqa: RUF001 - a dash
        (words.latency(0.0421), "42 ms"),
        (words.latency(3.14), "3.1 s"),
        (words.latency(240), "4 min"),
        (words.span(59.9), "59 s"),
        (words.span(7300), "2 h"),
        (words.ago(NOW - timedelta(days=3), NOW), "3 d ago"),
        (words.ago(NOW + timedelta(minutes=3), NOW), "in 3 min"),
        (words.moment(NOW), "2026-01-02 03:04:05"),
        (words.iso(NOW), "2026-01-02T03:04:05Z"),
    ],
)
def test_numbers_and_times_are_written_for_people(written: str, expected: str) -> None:
    """Short, and the same everywhere."""
    assert expected == written
