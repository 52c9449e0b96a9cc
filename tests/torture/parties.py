"""The processes under test: gateways and mailers, each with its own log, rules and links."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.gateway.failpoints import ACKNOWLEDGEMENT
from tests.flow.system import BIN, Service
from tests.servers.packages import UnavailableError, require
from tests.servers.proc import state
from tests.torture.plan import Plan
from tests.torture.proxies import Link

COMMANDS: Final[Mapping[str, list[str]]] = {
    "gateway": [str(BIN / "python"), "-m", "services.gateway"],
    "mailer": [str(BIN / "celery"), "-A", "services.mailer.worker", "worker", "-l", "INFO"],
}
_OWN_HOSTS: Final = ["unshare", "-m", "--", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']
"""A name service of its own (unshare(1)); the process keeps its id."""
_OWN_CLOCK: Final = Path(__file__).parent / "own_clock"
_OF_ITS_WORK: Final = (b"attempt.sent", b"webhook.posted", b"message.accepted")
"""While no file grows, a line of a log is lost; what is told later shows that a process lives."""
_FAKETIME: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"


@dataclass(eq=False, slots=True)
class Party:
    """One process, which is started again whenever it ends without being told to."""

    name: str
    service: Service
    rules: Path
    """Its failpoints: see ``services/gateway/failpoints.py``."""
    clock: Path | None
    """What libfaketime reads, where the process has a clock of its own."""
    links: dict[str, Link] = field(default_factory=dict)
    wanted: bool = False
    frozen: bool = False
    fell: list[float] = field(default_factory=list)
    """When it was found dead although it was wanted."""
    pids: list[int] = field(default_factory=list)
    begun: int = 0
    """Where in its log the present process begins."""

    @property
    def kind(self) -> str:
        """``gateway`` or ``mailer``."""
        return self.name.partition("-")[0]

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        process = self.service.process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it, and keep it running."""
        self.wanted = True
        if self.pid is None:
            self.service.wait()
            self.begun = self.service.log_path.stat().st_size if self.service.log_path.exists() else 0
            self.service.start()
            assert self.service.process is not None
            self.pids.append(self.service.process.pid)

    async def kill(self) -> None:
        """End it as a power cut would; nobody starts it again by himself."""
        self.wanted = False
        self.thaw()
        await asyncio.to_thread(self.service.kill)

    async def stop(self, grace: float = 30.0) -> int:
        """End it as Kubernetes would: SIGTERM, and SIGKILL after ``grace`` seconds."""
        self.wanted = False
        self.thaw()
        return await asyncio.to_thread(self.service.stop, grace)

    def freeze(self) -> None:
        """Keep it from running (SIGSTOP); its connections stay."""
        self.service.signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self.service.signal(signal.SIGCONT)
        self.frozen = False

    def look(self) -> bool:
        """Start it again if it has died; whether it had."""
        if self.wanted and self.pid is None:
            self.fell.append(time.monotonic())
            self.start()
            return True
        return False

    @property
    def starts(self) -> bool:
        """Whether it has said neither that it has started, nor, where that was lost, anything of its work."""
        with self.service.log_path.open("rb") as log:
            log.seek(self.begun)
            said = log.read()
        return not any(word in said for word in (f"{self.kind}.started".encode(), *_OF_ITS_WORK))

    @property
    def is_zombie(self) -> bool:
        """Whether it ended and nobody took note."""
        return any(state(pid) == "Z" for pid in self.pids[:-1])


async def supervise(parties: list[Party]) -> None:
    """Restart what dies, as Kubernetes would, until cancelled."""
    while True:
        for party in parties:
            party.look()
        await asyncio.sleep(0.25)


def party(plan: Plan, name: str, settings: Mapping[str, str], *, hosts: Path | None, clock: bool) -> Party:
    """Make one; nothing starts."""
    kind = name.partition("-")[0]
    rules, record = plan.folder / f"{name}.rules", plan.folder / f"{name}.failpoints"
    rules.write_text("")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PILLARBOX_")},
        "PYTHONPATH": str(plan.code),
        "PYTHONWARNINGS": "ignore",
        "PILLARBOX_FAILPOINTS": f"@{rules}",
        "PILLARBOX_FAILPOINTS_ACKNOWLEDGED": ACKNOWLEDGEMENT,
        "PILLARBOX_FAILPOINTS_SEED": f"{plan.seed}/{name}",
        "PILLARBOX_FAILPOINTS_RECORD": str(record),
        **settings,
    }
    library = _libfaketime() if clock else None
    time_file = None
    if library is not None:
        time_file = plan.folder / f"{name}.clock"
        time_file.write_text("+0\n")
        environment |= {
            "LD_PRELOAD": str(library),
            "PYTHONPATH": f"{plan.code}{os.pathsep}{_OWN_CLOCK}",
            "FAKETIME_TIMESTAMP_FILE": str(time_file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
        }
    command = [*COMMANDS[kind], *(["-n", f"{name}@localhost"] if kind == "mailer" else [])]
    # From the code's own folder: Python looks there first, whatever PYTHONPATH says.
    command = ["env", "-C", str(plan.code), *command]
    if hosts is not None:
        command = [*_OWN_HOSTS, str(hosts), *command]
    return Party(name, Service(command, environment, plan.folder / f"{name}.log"), rules, time_file)


def _libfaketime() -> Path | None:
    """Where the library is, which Debian's package brings; None where there is none."""
    try:
        require("faketime")
    except UnavailableError:
        return None
    return next(Path("/").glob(_FAKETIME), None)


def can_have_own_hosts() -> bool:
    """Whether a process may be given a name service of its own here: for root, mostly."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None
