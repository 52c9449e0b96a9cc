"""A version is one version, wherever it stands; and how one is made."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from deploy import release
from tests.flow.system import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files in which a version can stand."""
    for name in (*release.PLACES, "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_there_is_one_version() -> None:
    """In the project, the lock file, both services, every manifest, and what an operator types."""
    stands = list(release.stands(ROOT))

    assert {release.current(ROOT)} == {version for _, _, version in stands}
    assert {*release.PLACES, "deploy/k8s/base/mailer/deployment.yaml", "deploy/k8s/README.md"} <= {
        str(path.relative_to(ROOT)) for path, _, _ in stands
    }


def test_the_changelog_goes_with_the_version() -> None:
    """It has room for what comes, its versions fall, and the project's is none older than its newest."""
    released = release.released_versions(ROOT / "CHANGELOG.md")

    assert release.UNRELEASED in (ROOT / "CHANGELOG.md").read_text()
    assert sorted(released, key=release.numbers, reverse=True) == released
    assert release.numbers(release.current(ROOT)) >= release.numbers(released[0])


def test_a_release_rewrites_every_place(copy: Path) -> None:
    """And dates what was unreleased."""
    changed = {str(path.relative_to(copy)) for path in release.rewritten(copy, "7.8.9")}
    release.date_changelog(copy / "CHANGELOG.md", "7.8.9", dt.date(2031, 2, 3))

    assert {"7.8.9"} == {version for _, _, version in release.stands(copy)}
    assert set(release.PLACES) < changed
    assert "7.8.9" == release.released_versions(copy / "CHANGELOG.md")[0]
    assert "## [Unreleased]\n\n## [7.8.9] - 2031-02-03\n" in (copy / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("version", ["0.3.0", "0.0.1", "1.2", "v9.9.9", "9.9.9-rc1", ""])
def test_what_is_no_new_version_is_refused(copy: Path, version: str) -> None:
    """Before anything is written."""
    assert release.obstacle(copy, version)
