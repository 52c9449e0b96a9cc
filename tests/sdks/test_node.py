"""The folder of the Node.js SDKs."""

from __future__ import annotations

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def test_the_lock_file_names_no_registry() -> None:
    """Whoever installs the SDKs takes them from the registry of their own settings."""
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]

    assert [] == [name for name, package in packages.items() if "resolved" in package]


def test_the_sdks_have_exact_versions() -> None:
    """A newer one comes with a change that says so."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]

    assert [] == [version for version in wanted.values() if not version.replace(".", "").isdecimal()]
