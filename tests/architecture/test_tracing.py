"""Whether a service that traces nothing needs nothing for it, and both trace alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRIES = ("services.gateway.serving", "services.mailer.worker")
WITHOUT = """
import importlib.abc, sys
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
"""


def run(code: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PILLARBOX_", "OTEL_"))}
    environment = {**kept, "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_without_tracing_nothing_of_it_is_imported(entry: str, tmp_path: Path) -> None:
    """So that it costs nothing, and need not be installed."""
    made = "import services.gateway.app as a, services.gateway.settings as s; a.create_app(s.Settings())"
    rooms = ("opentelemetry", "services.gateway.tracing", "services.mailer.tracing")
    told = f"import sys; print([name for name in sys.modules if name.startswith({rooms})])"
    result = run(f"{WITHOUT}\nimport {entry}\n{made if 'gateway' in entry else ''}\n{told}", tmp_path)

    assert ("[]\n", 0) == (result.stdout, result.returncode), result.stderr


@pytest.mark.parametrize("service", ["gateway", "mailer"])
def test_tracing_without_its_packages_is_refused(service: str, tmp_path: Path) -> None:
    """By the setting's name, and with what to install."""
    hidden = "import importlib.util; importlib.util.find_spec = lambda *_: None"
    code = f"{hidden}\nfrom services.{service}.settings import load; load()"
    result = run(code, tmp_path, PILLARBOX_TRACING="true")

    assert 1 == result.returncode
    assert (
        "PILLARBOX_TRACING: Value error, needs the packages of the dependency group tracing" in result.stderr
    )


@pytest.mark.parametrize("name", ["exporting.py", "contexts.py"])
def test_both_services_have_the_same(name: str) -> None:
    """Which they cannot import from one another."""
    rooms = [ROOT / "services" / service / "tracing" / name for service in ("gateway", "mailer")]
    gateway, mailer = (room.read_text() for room in rooms)

    assert gateway == mailer
