"""A private PostgreSQL cluster with full durability."""

from __future__ import annotations

import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from typing import Literal

from tests.servers.packages import program, require
from tests.servers.process import Process, run
from tests.servers.server import Server

USER = "pillarbox"
_ACCOUNT = "postgres"  # made by Debian's package; PostgreSQL refuses to run as root

# fsync, full_page_writes and synchronous_commit keep their default, which is on: durability is tested.
_SETTINGS = {"listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "autovacuum_naptime": "10min"}


class PostgreSQL(Server):
    """One cluster, owned by an unprivileged account when the tests run as root."""

    stop_signal = signal.SIGINT  # "fast": open transactions are rolled back

    def __init__(self) -> None:
        """Reserve a port and invent the password."""
        require("postgresql")
        super().__init__()
        self._password = secrets.token_hex(16)
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The database that is there from the start."""
        return self._url("postgres")

    def create_database(self, like: str | None = None) -> str:
        """Create a database, empty or as the one with the URL *like*, and return its URL; costs about 0.1 s.

        Raises:
            subprocess.CalledProcessError: psql failed; ``stderr`` holds its words.
        """
        name = f"{USER}_{next(self._numbers)}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        self.execute(f"CREATE DATABASE {name}{template}")
        return self._url(name)

    def execute(self, sql: str, url: str | None = None) -> str:
        """Run SQL as superuser in autocommit mode and return the rows, unaligned, without headings.

        Raises:
            subprocess.CalledProcessError: psql failed; ``stderr`` holds its words.
        """
        command = [str(program("psql")), "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-c", sql]
        variables = {"PATH": os.environ["PATH"], "PGPASSWORD": self._password, "PGCONNECT_TIMEOUT": "5"}
        address = (url or self.url).replace(f":{self._password}@", "@")
        return run([*command, address], variables, self.folder).strip()

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Shut down: rolling back open transactions, or ("immediate") without even a checkpoint."""
        if self._process is not None and mode == "immediate":
            self._process.end(signal.SIGQUIT, self.patience)
            self._process = None
        super().stop()

    def prepare(self) -> None:
        """Create the cluster."""
        password = self.folder / "password"
        password.touch(0o600)
        password.write_text(self._password)
        if self._unprivileged():
            for path in (self.folder, password):
                shutil.chown(path, _ACCOUNT, pwd.getpwnam(_ACCOUNT).pw_gid)
        initdb = [str(program("initdb")), "--pgdata", str(self.folder / "data"), "--username", USER]
        options = ["--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"]
        command = [*self._unprivileged(), *initdb, *options, "--no-locale"]
        run(command, {"PATH": os.environ["PATH"]}, self.folder)

    def launch(self) -> Process:
        """Start the server on its data; it recovers by itself after a kill."""
        settings = _SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(program("postgres")), "-D", str(self.folder / "data"), *options]
        return Process([*self._unprivileged(), *command], {"PATH": os.environ["PATH"]}, self.folder)

    def answers(self) -> bool:
        """Whether recovery is done and a client can log in."""
        try:
            self.execute("SELECT 1")
        except subprocess.CalledProcessError:
            return False
        return True

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    @staticmethod
    def _unprivileged() -> list[str]:
        """Words before a command that make root give up its rights; the process id stays the same."""
        if os.geteuid() != 0:
            return []
        account = pwd.getpwnam(_ACCOUNT)
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
