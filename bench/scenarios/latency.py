"""From the call to the provider's receipt, at a steady rate and with a provider that answers at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench import accepting, caller
from bench.contest import Comparison, Contender, Measure, Scenario
from bench.honesty import Account
from bench.pillarbox import Pillarbox
from bench.result import Goal, Measurement
from bench.spread import percentile
from bench.stage import Stage

P50, P99 = "p50 ms", "p99 ms"
_RATES = (10, 100, 500)
_WARMING_SECONDS = 2.0


def _at(rate: int) -> Contender:
    @contextmanager
    def open_(stage: Stage) -> Iterator[Measure]:
        box = stage.pillarbox
        yield lambda: _measure(box, rate, stage.seconds * 2)

    return Contender(f"{rate}/s", open_)


def _measure(box: Pillarbox, rate: int, seconds: float) -> Measurement:
    accepting.settle(box)
    box.reset()
    box.start_mailers()
    url, headers = f"{box.url}/emails", box.system.headers()
    warm = caller.pace(url, headers, rate=rate, seconds=_WARMING_SECONDS)
    called = caller.pace(url, headers, rate=rate, seconds=seconds)
    accepted = len(warm.posted) + len(called.posted)
    box.wait_until_received(accepted)
    box.wait_until_sent(accepted)
    receipts = box.provider.receipts()
    took = [
        (receipts[message] - posted) * 1000
        for message, posted in called.posted.items()
        if message in receipts
    ]
    arrived, doubled = box.provider.count()
    errors = warm.errors + called.errors
    account = Account(accepted, errors, ledger=box.sent(), provider=arrived, doubled=doubled)
    box.stop_mailers()
    return Measurement(
        figures={P50: percentile(took, 50), P99: percentile(took, 99)}, problems=account.problems()
    )


SCENARIO = Scenario(
    "latency",
    "POST /emails at a steady rate, one mailer, a provider that answers at once: from POST to its receipt",
    (
        Comparison(
            "end to end",
            tuple(_at(rate) for rate in _RATES),
            goals=(
                Goal(contender="100/s", figure=P50, at_most=15),
                Goal(contender="100/s", figure=P99, at_most=60),
            ),
        ),
    ),
)
