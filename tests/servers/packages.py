"""The Debian packages that the tests need programs of, installed where that is possible."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS: dict[str, tuple[str, ...]] = {
    "rabbitmq-server": ("rabbitmq-server", "rabbitmqctl", "epmd"),
    "redis-server": ("redis-server",),
    "postgresql": ("initdb", "postgres", "psql"),
    "nodejs": ("node",),
    "npm": ("npm",),
    "wrk": ("wrk",),
    "prometheus": ("promtool",),
    "curl": ("curl",),
    "chromium": ("chromium",),
    "faketime": ("faketime",),
}
"""Debian package: the programs we need from it."""

# Debian's /usr/sbin/rabbitmq-server is a wrapper that changes user and folder; the real one is in
# /usr/lib. PostgreSQL's server programs are not on the PATH at all.
_FOLDERS = ("usr/lib/rabbitmq/bin", "usr/lib/postgresql/*/bin")
_POLICY = "#!/bin/sh\n# Tests: install packages without starting their services.\nexit 101\n"


class UnavailableError(Exception):
    """A server is not installed here and cannot be installed."""


def program(name: str, root: Path = Path("/")) -> Path | None:
    """Where a program is: in Debian's folders (newest version first), else on the PATH."""
    found = [path for folder in _FOLDERS for path in root.glob(f"{folder}/{name}")]
    if found:
        return max(found, key=lambda path: [int(part) for part in path.parts if part.isdecimal()])
    on_path = shutil.which(name)
    return Path(on_path) if on_path else None


def missing(packages: tuple[str, ...] = tuple(PROGRAMS), root: Path = Path("/")) -> list[str]:
    """Those of the Debian packages that lack one of their programs here."""
    return [package for package in packages if not all(program(name, root) for name in PROGRAMS[package])]


def require(package: str) -> None:
    """Make sure that the programs of a package are here; as root on Debian, install it.

    Raises:
        UnavailableError: It is not here and could not be installed; the message says why.
    """
    with one_at_a_time():  # several processes may run tests at once
        _require(package)


def _require(package: str) -> None:
    if not missing((package,)):
        return
    if os.geteuid() != 0 or not Path("/usr/bin/apt-get").exists():
        message = f"{package} is not installed (Debian: apt-get install {package})"
        raise UnavailableError(message)
    install(package)
    if missing((package,)):
        message = f"{package} was installed but lacks one of {PROGRAMS[package]}"
        raise UnavailableError(message)


def install(package: str) -> None:
    """Install a Debian package without starting the service in it.

    Raises:
        UnavailableError: apt-get failed; its last words are in the message.
    """
    # An image or a fresh machine may have no package lists yet. A failure here is not the last
    # word: one unreachable source does not make the package unavailable in the others.
    _apt_get("update")
    with services_stay_stopped():
        result = _apt_get("install", "--yes", "--no-install-recommends", package)
    if result.returncode != 0:
        message = f"apt-get install {package} failed:\n{result.stdout[-2000:]}"
        raise UnavailableError(message)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep other processes that run tests on this machine from installing at the same time."""
    with (Path(tempfile.gettempdir()) / f"pillarbox-packages-{os.geteuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/usr/bin/apt-get", "--option", "DPkg::Lock::Timeout=120", *arguments],
        # RUNLEVEL=1: the single-user level, in which init scripts are not started either.
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


@contextmanager
def services_stay_stopped(policy: Path = Path("/usr/sbin/policy-rc.d")) -> Iterator[None]:
    """Forbid package scripts to start services, for the duration of the block.

    A policy that the machine already has is left as it is.
    https://www.debian.org/doc/debian-policy/ch-opersys.html#running-initscripts
    """
    try:
        with policy.open("x") as file:
            file.write(_POLICY)
    except FileExistsError:
        yield
        return
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)
