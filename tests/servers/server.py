"""What the three servers have in common: a folder, a port, and a life."""

from __future__ import annotations

import atexit
import secrets
import shutil
import signal
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.servers.process import Process


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on.

    It lies below the range from which Linux and the BSDs take ports for outgoing connections:
    while a server is down for a restart nobody else gets its port by chance.

    Raises:
        OSError: No free port was found in 100 tries.
    """
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "no free port between 20000 and 32000"
    raise OSError(message)


class Server(ABC):
    """A real server that belongs to this test run."""

    stop_signal = signal.SIGTERM
    patience = 30.0
    """Seconds that starting or stopping may take."""

    def __init__(self) -> None:
        """Reserve folder and port; nothing runs before :meth:`start`."""
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"pillarbox-{type(self).__name__.lower()}-"))
        self._process: Process | None = None
        self._prepared = False
        self._frozen = False
        atexit.register(self.close)

    @property
    def process(self) -> Process:
        """The server process.

        Raises:
            RuntimeError: The server has not been started, or was stopped.
        """
        if self._process is None:
            message = f"{type(self).__name__} is not running"
            raise RuntimeError(message)
        return self._process

    def start(self) -> None:
        """Start, again on the same data and port, and return when clients are served.

        Raises:
            RuntimeError: The server ended or did not answer in time; its output is in the message.
        """
        if self._process is not None:
            if self._process.running:
                return
            self.kill()  # it ended by itself: let go of what it left behind
        if not self._prepared:
            self.prepare()
        self._process = self.launch()
        deadline = time.monotonic() + self.patience
        while not self.answers():
            if not self._process.running or time.monotonic() > deadline:
                output = self._process.log.read_text(errors="replace")[-4000:]
                self.kill()
                message = f"{type(self).__name__} did not start:\n{output}"
                raise RuntimeError(message)
            time.sleep(0.05)
        self._prepared = True

    def stop(self) -> None:
        """Shut down in order; data and port stay for another :meth:`start`."""
        if self._process is not None:
            self._process.end(self.stop_signal, self.patience)
            self._process = None

    def kill(self) -> None:
        """End the server process with SIGKILL; what it had not synced is gone."""
        self.process.kill()
        self._process = None

    def restart(self) -> None:
        """:meth:`stop`, if it runs, and :meth:`start`."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Make the server hang without closing a connection (SIGSTOP)."""
        self.process.freeze()
        self._frozen = True

    def thaw(self) -> None:
        """Undo :meth:`freeze`."""
        self.process.thaw()
        self._frozen = False

    def revive(self) -> None:
        """Bring back what a test has left frozen, killed or stopped."""
        if self._frozen and self._process is not None:
            self.thaw()
        self.start()

    def close(self) -> None:
        """Stop, for good, and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def prepare(self) -> None:
        """Write what the first start needs."""

    @abstractmethod
    def launch(self) -> Process:
        """Start the process."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client is served now."""
