"""Child processes: one that serves, and cannot outlive the test run; and one that runs to its end."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.proc import descendants, is_alive, send, state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Waits for the end of its standard input, which comes when the test run ends, however it ends.
_GUARD = 'read -r _; kill -9 "$1" 2>/dev/null; rm -rf "$2"'


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> str:
    """Run a program in ``folder`` to its end, within a minute, and return what it prints.

    Raises:
        subprocess.CalledProcessError: It failed; ``stderr`` holds its words.
        subprocess.TimeoutExpired: It took longer than a minute.
    """
    return subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    ).stdout


class Process:
    """One server program with all its children."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start ``command`` in ``folder``; its output goes to ``folder/<program>.out``.

        The folder is removed if the test run dies without stopping the process.

        Raises:
            OSError: The program cannot be started.
        """
        self.log = folder / f"{Path(command[0]).name}.out"
        with self.log.open("ab") as out:
            self._popen = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop us in order
            )
        self.pid = self._popen.pid
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self.pid), str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether the program itself still runs."""
        return self._popen.poll() is None

    def tree(self) -> list[int]:
        """Process ids of the program and all its children."""
        return [self.pid, *descendants(self.pid)]

    def freeze(self) -> None:
        """Stop all processes where they stand (SIGSTOP): connections stay open and silent."""
        tree = self.tree()
        send(tree, signal.SIGSTOP)
        # On a busy machine a thread may run on for a moment, and still answer somebody.
        while any(state(pid) not in "TXZ" for pid in tree):
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let frozen processes go on (SIGCONT)."""
        send(self.tree(), signal.SIGCONT)

    def kill(self) -> None:
        """End the program at once, as a power cut would (SIGKILL), and whatever it leaves behind."""
        self.end(signal.SIGKILL, patience=10)

    def end(self, number: signal.Signals, patience: float) -> None:
        """Send a signal to the program and return when no process of it is left.

        What is still alive after ``patience`` seconds is killed.
        """
        tree = self.tree() if self.running else []
        self._release()
        if tree:
            send([self.pid], number)
            send(tree, signal.SIGCONT)
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._sweep(tree[1:])

    def _release(self) -> None:
        """End the guard first: from here on the process id may be somebody else's."""
        self._guard.kill()
        self._guard.communicate()

    @staticmethod
    def _sweep(pids: list[int]) -> None:
        """Wait until orphans have noticed that their parent is gone; kill those that do not."""
        deadline = time.monotonic() + 3
        while any(map(is_alive, pids)):
            if time.monotonic() > deadline:
                send([pid for pid in pids if is_alive(pid)], signal.SIGKILL)
            time.sleep(0.01)
