"""Everything that the nemesis can do; importing it registers every kind."""

from tests.torture.faults import (
    callers,
    clocks,
    failpoints,
    links,
    messages,
    postgresql,
    processes,
    provider,
    rabbitmq,
    redis,
    restore,
    sqlite,
)
from tests.torture.faults.fault import FAULTS, Fault, Scene

__all__ = [
    "FAULTS", "Fault", "Scene", "callers", "clocks", "failpoints", "links", "messages", "postgresql",
    "processes", "provider", "rabbitmq", "redis", "restore", "sqlite",
]  # fmt: skip
