"""Where the broker is: one URL, turned into what kombu wants to hear.  Nothing connects here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HEARTBEAT_SECONDS = 10
"""A half-open connection is noticed after two of these (RabbitMQ's own default is 60)."""

_SCHEMES = ("amqp", "amqps", "redis", "rediss", "filesystem")


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker as kombu's ``Connection`` takes it."""

    url: str = field(repr=False)
    is_amqp: bool
    transport_options: dict[str, Any] = field(default_factory=dict)


def broker(url: str) -> Broker:
    """Read a broker URL.

    Raises:
        ValueError: The scheme is not one of amqp, amqps, redis, rediss, filesystem.
    """
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        msg = f"broker_url: the scheme must be one of {', '.join(_SCHEMES)}"
        raise ValueError(msg)
    if scheme.startswith("amqp"):
        return Broker(url, is_amqp=True)
    if scheme.startswith("redis"):
        # Short, because the ledger and the claims are what makes delivery safe, not Redis.
        options: dict[str, Any] = {
            "visibility_timeout": 60,
            # kombu looks every 100 s, and where somebody is killed who does, nobody looks for 5 min.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
        }
        return Broker(url, is_amqp=False, transport_options=options)
    folder = Path(url.removeprefix("filesystem://")).absolute()
    for name in ("messages", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "polling_interval": 0.05,
    }
    return Broker("filesystem://localhost//", is_amqp=False, transport_options=options)
