"""Load by wrk (https://github.com/wg/wrk), told by ``wrk.lua`` what to send and what to count."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.packages import program, require

_SCRIPT = Path(__file__).with_name("wrk.lua")
_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk has seen."""

    accepted: int
    """Answers 202."""
    errors: dict[str, int]
    seconds: float
    """From the first request to the last answer."""
    p50_ms: float
    p99_ms: float


def post(url: str, body: bytes, *, key: str, connections: int, seconds: float, folder: Path) -> Load:
    """POST the body over so many connections, each as soon as it has its answer, for so many seconds.

    Raises:
        UnavailableError: wrk is not here and cannot be installed.
        subprocess.CalledProcessError: wrk could not connect.
    """
    require("wrk")
    file = folder / "body.json"
    file.write_bytes(body)
    # One thread saturates any Python server, and leaves the other processor to it.
    options = ["-t1", f"-c{connections}", f"-d{int(seconds) + _GRACE_SECONDS}s", "--timeout", "30s"]
    finished = subprocess.run(
        [str(program("wrk")), *options, "--script", str(_SCRIPT), url],
        env={
            "PATH": os.environ["PATH"],
            "BENCH_BODY": str(file),
            "BENCH_KEY": key,
            "BENCH_SECONDS": str(seconds),
            "BENCH_CONNECTIONS": str(connections),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return read(finished.stdout)


def read(output: str) -> Load:
    """Read the last line of what wrk has printed, which is ours."""
    said = json.loads(output.strip().splitlines()[-1])
    kinds = ("refused", "connect", "read", "write", "timeout")
    return Load(
        accepted=said["accepted"],
        errors={kind: said[kind] for kind in kinds},
        seconds=said["seconds"],
        p50_ms=said["p50"] / 1000,
        p99_ms=said["p99"] / 1000,
    )
