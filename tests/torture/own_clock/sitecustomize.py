"""Imported by every Python that has this folder on its path: what a clock of its own breaks, mended.

libfaketime 0.9.10 takes the absolute times of clock_nanosleep(2) for its own, and ``time.sleep``, which calls
it since Python 3.11, fails with EINVAL.  Waiting for an event, which nobody sets, sleeps as well.
"""

from __future__ import annotations

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    threading.Event().wait(max(0.0, float(seconds)))


time.sleep = _sleep
