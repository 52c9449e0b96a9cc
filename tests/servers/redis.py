"""A private Redis that loses nothing it has confirmed."""

from __future__ import annotations

import os
import secrets

from redis import Redis as Client
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as NoConnectionError

from tests.servers.packages import program, require
from tests.servers.process import Process
from tests.servers.server import Server


class Redis(Server):
    """One Redis with a password and an append-only file that is synced at every write."""

    def __init__(self) -> None:
        """Reserve a port and invent the password."""
        require("redis-server")
        super().__init__()
        self._password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """Address, password and database 0, as kombu and redis-py read it."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def fresh(self) -> None:
        """Delete all keys of all databases."""
        with Client.from_url(self.url) as client:
            client.flushall()

    def prepare(self) -> None:
        """Write the settings into a file: arguments are visible to everybody on the machine."""
        settings = self.folder / "redis.conf"
        settings.touch(0o600)
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self._password}\ndir {self.folder}\n"
            'appendonly yes\nappendfsync always\nsave ""\nmaxmemory-policy noeviction\n'
        )

    def launch(self) -> Process:
        """Start the server on its append-only file."""
        command = [str(program("redis-server")), str(self.folder / "redis.conf")]
        return Process(command, {"PATH": os.environ["PATH"]}, self.folder)

    def answers(self) -> bool:
        """Whether the data is loaded and a client can log in."""
        try:
            with Client.from_url(self.url, socket_timeout=5) as client:
                client.ping()
        except (NoConnectionError, BusyLoadingError):
            return False
        return True
