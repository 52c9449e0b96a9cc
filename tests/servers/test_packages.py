"""Finding the servers' programs, and installing packages without starting services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.packages import PROGRAMS, missing, program, services_stay_stopped

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_newest_version_of_a_program_is_found(tmp_path: Path) -> None:
    """Of several PostgreSQL versions the newest counts, by number and not by spelling."""
    for version in ("9", "15", "13"):
        (tmp_path / f"usr/lib/postgresql/{version}/bin").mkdir(parents=True)
        (tmp_path / f"usr/lib/postgresql/{version}/bin/initdb").touch()
    assert tmp_path / "usr/lib/postgresql/15/bin/initdb" == program("initdb", tmp_path)


def test_package_without_its_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has none of the programs all three packages are missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(PROGRAMS) == missing(root=tmp_path)


def test_services_stay_stopped_only_while_installing(tmp_path: Path) -> None:
    """Package scripts may start no service during the installation, and are free afterwards."""
    policy = tmp_path / "policy-rc.d"
    with services_stay_stopped(policy):
        assert policy.read_text().endswith("exit 101\n")
        assert 0o755 == policy.stat().st_mode & 0o777
    assert not policy.exists()


def test_policy_of_the_machine_is_left_alone(tmp_path: Path) -> None:
    """A policy that was there before is there afterwards, unchanged."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101 # ours\n")
    with services_stay_stopped(policy):
        pass
    assert "#!/bin/sh\nexit 101 # ours\n" == policy.read_text()
