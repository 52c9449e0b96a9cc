"""What the services are made of: looked up among known advisories, and told with each image."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.audit import Advisories

ROOT = Path(__file__).parents[2]
AUDIT = [sys.executable, str(ROOT / "deploy" / "audit.py")]
KNOWN = ROOT / "deploy" / "advisories"
SERVICES = ("gateway", "mailer")


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def locked() -> dict[str, str]:
    """Every package that is pinned, with its version."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return {package["name"]: package["version"] for package in packages if "version" in package}


def record(record_id: str, name: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    """An advisory as OSV publishes it."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": ranges, **more.pop("affected", {})}
    return {"id": record_id, "modified": "2026-01-01T00:00:00Z", "affected": [affected], **more}


def test_nothing_is_pinned_that_is_known_to_be_bad() -> None:
    """By the advisories that come with the source; ``make audit`` asks for all of them."""
    result = run(*AUDIT, "--advisories", str(KNOWN))

    assert 0 == result.returncode, result.stdout + result.stderr


AFFECTING: dict[str, Callable[[str], dict[str, Any]]] = {
    "any version": lambda _: record("X-1", "aiohttp", {"introduced": "0"}),
    "versions before one to come": lambda _: record("X-1", "aiohttp", {"introduced": "0"}, {"fixed": "99"}),
    "up to this one": lambda now: record("X-1", "aiohttp", {"introduced": "0"}, {"last_affected": now}),
    "the second of two ranges": lambda now: record(
        "X-1", "aiohttp", {"introduced": "0"}, {"fixed": "1"}, {"introduced": now}
    ),
    "this one by name": lambda now: record("X-1", "aiohttp", affected={"versions": [now]}),
    "under another spelling": lambda _: record("X-1", "AioHTTP", {"introduced": "0"}),
}
SPARING: dict[str, Callable[[str], dict[str, Any]]] = {
    "versions before": lambda now: record("X-1", "aiohttp", {"introduced": "0"}, {"fixed": now}),
    "versions to come": lambda _: record("X-1", "aiohttp", {"introduced": "99"}),
    "what is not here": lambda _: record("X-1", "nobody-uses-this", {"introduced": "0"}),
    "what was withdrawn": lambda _: record(
        "X-1", "aiohttp", {"introduced": "0"}, withdrawn="2026-02-01T00:00:00Z"
    ),
    "another ecosystem": lambda _: record(
        "X-1", "aiohttp", {"introduced": "0"}, affected={"package": {"ecosystem": "npm", "name": "aiohttp"}}
    ),
}


@pytest.mark.parametrize("case", [*AFFECTING, *SPARING])
def test_an_advisory_counts_where_it_applies(case: str) -> None:
    """By OSV's own rules."""
    now = locked()["aiohttp"]
    advisories = Advisories(iter([(AFFECTING | SPARING)[case](now)]))

    assert (["X-1"] if case in AFFECTING else []) == advisories.of("aiohttp", now)


def test_an_archive_is_read_and_an_id_passed_over(tmp_path: Path) -> None:
    """As OSV publishes all records of PyPI; what does not matter here has to be named."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("X-1.json", json.dumps(record("X-1", "aiohttp", {"introduced": "0"})))
    command = (*AUDIT, "--advisories", str(tmp_path / "all.zip"))
    found, ignored = run(*command), run(*command, "--ignore", "X-1")

    assert [1, 0] == [found.returncode, ignored.returncode]
    assert "X-1" in found.stdout


def test_nobody_to_ask_is_no_good_news(tmp_path: Path) -> None:
    """A folder without records, or none at all."""
    for place in (tmp_path, tmp_path / "nowhere"):
        assert 2 == run(*AUDIT, "--advisories", str(place)).returncode


@pytest.mark.parametrize("service", SERVICES)
def test_a_bill_of_materials_names_what_an_image_holds(service: str, tmp_path: Path) -> None:
    """CycloneDX, with version, package URL and hashes, by the very command of the Dockerfile."""
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (command,) = [line for line in _commands() if "cyclonedx" in line and f"--only-group {service} " in line]
    plain = command.replace("${TRACING:+--only-group tracing}", "")
    result = run(str(Path(sys.executable).parent / "uv"), *plain.split()[1:], cwd=tmp_path)
    assert 0 == result.returncode, result.stderr
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text())
    components = {one["name"]: one for one in bill["components"]}
    tree = run(
        str(Path(sys.executable).parent / "uv"), "export", "--frozen", "--only-group", service,
        "--no-hashes", "--no-header", "--no-annotate", cwd=tmp_path,
    )  # fmt: skip
    wanted = dict(re.findall(r"^([\w.-]+)==([^ ;\n]+)", tree.stdout, re.MULTILINE))

    assert ("CycloneDX", "1.5") == (bill["bomFormat"], bill["specVersion"])
    assert wanted == {name: one["version"] for name, one in components.items()}
    assert {name: f"pkg:pypi/{name}@{version}" for name, version in wanted.items()} == {
        name: one["purl"] for name, one in components.items()
    }
    for one in components.values():
        hashes = [found["hashes"] for found in one["externalReferences"] if found["type"] == "distribution"]
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", each["content"]) for found in hashes for each in found)
    assert {one["ref"] for one in bill["dependencies"]} >= {one["bom-ref"] for one in components.values()}


def _commands() -> list[str]:
    """What the Dockerfile runs."""
    return [
        line.removeprefix("RUN ").strip()
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("RUN ")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_takes_its_bill_along(service: str) -> None:
    """Beside the code."""
    text = (ROOT / "Dockerfile").read_text()
    stage = text[text.index(f"AS {service}\n") :]

    assert f"COPY --from=build-{service} /app/sbom.cdx.json ./" in stage
