"""What processes cost, as the kernel accounts for it: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.servers.proc import descendants

_TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and everything that it has started."""
    return [pid, *descendants(pid)]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time that the processes have used so far, of both kinds; one that has ended counts 0."""
    return sum(_ticks(pid) for pid in pids) / _TICK


def resident_mb(pids: Iterable[int]) -> float:
    """Resident memory, where what forked processes share counts in each of them, as ``ps`` shows it."""
    return _megabytes(pids, "Rss:")


def proportional_mb(pids: Iterable[int]) -> float:
    """Resident memory, where what processes share counts once."""
    return _megabytes(pids, "Pss:")


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _megabytes(pids: Iterable[int], name: str) -> float:
    return sum(_kilobytes(pid, name) for pid in pids) / 1024


def _kilobytes(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(name))
