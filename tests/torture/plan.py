"""What a run is: everything that decides it, so that the same plan makes the same schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

ROOT: Final = Path(__file__).parents[2]

Profile = Literal["idempotent", "search", "none"]
BrokerKind = Literal["rabbitmq", "redis"]
DatabaseKind = Literal["postgresql", "sqlite"]
OnUncertain = Literal["resend", "hold"]

PROVIDERS: Final[Mapping[Profile, str]] = MappingProxyType(
    {"idempotent": "resend", "search": "mandrill", "none": "sendgrid"}
)
"""Who delivers: one that honours keys, one that can be searched, one that can do neither."""

TENANTS: Final = ("shop", "bank")
ACCOUNTS: Final = ("first", "second")
"""Two at the same provider, so that a message may go elsewhere, and sometimes must not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    seed: int = 1
    messages: int = 200
    profile: Profile = "idempotent"
    broker: BrokerKind = "rabbitmq"
    database: DatabaseKind = "postgresql"
    on_uncertain: OnUncertain = "resend"
    rate: float = 15.0
    """Requests a second that the callers make, on average."""
    gap: float = 3.0
    """Seconds between two faults, on average."""
    haste: float = 1.0
    """How many times shorter than usual each fault is."""
    storm: float = 30.0
    """Seconds of faults before everything is healed, and recovery is measured."""
    quiet: float = 180.0
    """The longest that anything may take to come to rest after a storm."""
    share: float = 0.1
    """Of the provider's answers during a storm, that are bad ones."""
    kinds: tuple[str, ...] = ()
    """Faults to be drawn from; all that are possible here, if empty."""
    each: int = 1
    """How often each of them has to have happened, for the run to count."""
    cold: bool = True
    """Whether everything is stopped and started at the end, and judged once more."""
    pace: Literal["quick", "production"] = "quick"
    """Whether the services wait as long as in production, or a tenth of that."""
    code: Path = ROOT
    """Where the services' code is: a mutant of it, perhaps."""
    folder: Path = field(default_factory=lambda: ROOT / "var" / "torture")

    @property
    def canary(self) -> str:
        """A word that stands in every address, text and key, and may stand in no log."""
        return f"canary{self.seed:06x}bird"

    @property
    def seal_key(self) -> str:
        """What gateways and mailers seal their broker messages with."""
        return f"{self.canary}-{'seal' * 8}"

    @property
    def gateways(self) -> int:
        """SQLite has one writer."""
        return 2 if self.database == "postgresql" else 1

    @property
    def mailers(self) -> int:
        """Enough to overtake one another."""
        return 3

    @property
    def words(self) -> str:
        """The command that repeats the run."""
        given: dict[str, object] = {
            "SEED": self.seed,
            "MESSAGES": self.messages,
            "PROFILE": self.profile,
            "ON_UNCERTAIN": self.on_uncertain,
            "BROKER": self.broker,
            "DATABASE": self.database,
            "PACE": self.pace,
            "RATE": self.rate,
        }
        if self.kinds:
            given["KINDS"] = ",".join(self.kinds)
        return "make torture " + " ".join(f"{name}={value}" for name, value in given.items())
