"""A log that cannot be written is lost, and nothing else is."""

from __future__ import annotations

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
