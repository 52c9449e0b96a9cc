"""A log costs few writes, and loses nothing; where it cannot be written it is lost, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flow.system import ROOT

# It ends at once: Python's own end would complain of what is left to be written.
LOGGING = """
import logging, os, structlog
from services.{service} import logs
logs.configure("json", "INFO")
for _ in range(3):
    structlog.get_logger().info("message.accepted")
    logging.getLogger("somebody").warning("else")
os._exit(42)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("service", ["gateway", "mailer"])
def test_a_full_disk_below_the_log_stops_nobody(service: str) -> None:
    """What a request or an attempt says on its way cannot make it fail."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", LOGGING.format(service=service)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=full,
            timeout=60,
            check=False,
        )

    assert 42 == ended.returncode


GATHERING = """
import asyncio, contextlib, json, sys, threading, structlog
from services.{service} import logs

class Writes(list):
    def write(self, text):
        self.append(text)
    def flush(self):
        pass

written = sys.stderr = Writes()
logs.configure("json", "INFO")
log = structlog.get_logger()

@contextlib.asynccontextmanager
async def begun():
    if "{service}" == "gateway":
        with logs.gathering():
            yield
    else:
        await logs.gather()
        yield

async def run():
    async with begun():
        log.info("first")
        at_once = len(written)
        for number in range(50):
            log.info("burst", number=number)
        together = len(written)
        thread = threading.Thread(target=log.info, args=("elsewhere",))
        thread.start()
        thread.join()
        others = len(written)
        await asyncio.sleep(0.1)
        after = len(written)
        log.info("later")
        alone = len(written)
        for _ in range(3):
            log.info("last")
        print(json.dumps([at_once, together, others, after, alone]))

asyncio.run(run())
if "{service}" == "mailer":
    import atexit
    atexit._run_exitfuncs()
print(json.dumps(written))
"""


@pytest.mark.parametrize("service", ["gateway", "mailer"])
def test_lines_of_a_burst_are_few_writes(service: str) -> None:
    """The first is written at once, as is what other threads say; nothing is lost at the end."""
    ended = subprocess.run(
        [sys.executable, "-c", GATHERING.format(service=service)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    counts, written = (json.loads(line) for line in ended.stdout.splitlines())
    told = [json.loads(line) for text in written for line in text.splitlines()]
    events = [line["event"] for line in told]

    assert [1, 1, 2, 3, 4] == counts
    assert ["first", "elsewhere", *["burst"] * 50, "later", *["last"] * 3] == events
    assert [*range(50)] == [line["number"] for line in told if line["event"] == "burst"]
