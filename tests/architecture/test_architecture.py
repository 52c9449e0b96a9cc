"""The architecture as the documents promise it: checked, not described."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.gateway import __version__
from services.mailer import __version__ as mailers_version
from shared.signatures import Event

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVICES = ("gateway", "mailer")
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a program, without the settings of whoever runs the tests."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PILLARBOX_") and name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    ["lint-imports", "ruff check", "ruff format --check", "mypy"],
)
def test_the_tree_is_clean(command: str) -> None:
    """The contracts in .importlinter hold, the lint rules are kept, and every type fits."""
    program, *options = command.split()

    result = run(str(BIN / program), *options)

    assert result.returncode == 0, result.stdout + result.stderr


def test_there_is_one_version() -> None:
    """Both services tell the version that the project and its lock file have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    expected = [__version__, __version__]

    assert expected == [project, *(p["version"] for p in locked if p["name"] == "pillarbox")]
    assert __version__ == mailers_version


# Images

# What the other service needs, and its image has no use for.
FOREIGN = {
    "gateway": {"celery", "click", "httpx", "httpx-aiohttp", "pillarbox", "pytest", "rich", "ruff", "mypy"},
    "mailer": {
        "sqlalchemy",
        "alembic",
        "email-validator",
        "jinja2",
        "pillarbox",
        "pytest",
        "rich",
        "ruff",
        "mypy",
    },
}
ENTRY = {"gateway": "services.gateway.app", "mailer": "services.mailer.worker"}
SYNC = "uv sync --frozen --only-group {service}"
EXPORT = "uv export --frozen --only-group {service}"
BILL = "--format cyclonedx1.5 --output-file sbom.cdx.json"
TRACED = "${TRACING:+--only-group tracing}"
LOOK = """
import importlib.metadata, json
print(json.dumps(sorted(d.metadata["Name"].lower() for d in importlib.metadata.distributions())))
"""


@dataclass(frozen=True)
class Image:
    """A folder that holds what a service's image holds."""

    service: str
    folder: Path

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run Python code as it would run in the image."""
        return run(str(self.folder / ".venv" / "bin" / "python"), "-W", "error", "-c", code, cwd=self.folder)


@pytest.fixture(scope="module", params=SERVICES)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Build it as the Dockerfile does, but for the base image."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder)
    _, *options = SYNC.format(service=request.param).split()
    synced = run(str(BIN / "uv"), *options, "--python", sys.executable, cwd=folder)
    assert synced.returncode == 0, synced.stderr
    ignored = shutil.ignore_patterns("__pycache__")
    for room in ("shared", f"services/{request.param}"):
        shutil.copytree(ROOT / room, folder / room, ignore=ignored)
    yield Image(request.param, folder)
    shutil.rmtree(folder)


def test_a_service_is_complete_in_its_image(image: Image) -> None:
    """With shared/ and the packages of its own group it can be imported."""
    result = image.python(f"import {ENTRY[image.service]}")

    assert result.returncode == 0, result.stderr


def test_a_service_is_alone_in_its_image(image: Image) -> None:
    """The other one is not there."""
    (other,) = set(SERVICES) - {image.service}
    result = image.python(f"import services.{other}")

    assert f"No module named 'services.{other}'" in result.stderr


def test_an_image_holds_no_packages_of_the_other_service(image: Image) -> None:
    """Nor any tools."""
    installed = set(json.loads(image.python(LOOK).stdout))

    assert not FOREIGN[image.service] & installed
    assert "pydantic" in installed


def dockerfile() -> dict[str, list[str]]:
    """The instructions of each stage."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    stages: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("FROM "):
            instructions = stages.setdefault(line.rpartition(" AS ")[2], [])
        elif line and not line.startswith(("#", "ARG")):
            instructions.append(" ".join(line.split()))
    return stages


@pytest.mark.parametrize("service", SERVICES)
def test_the_dockerfile_builds_that_very_image(service: str) -> None:
    """The same files and the same packages as the folders above."""
    stages = dockerfile()
    expected = [
        f"COPY --from=build-{service} /app/{part}"
        for part in (".venv .venv", "sbom.cdx.json ./", "shared shared", "services services")
    ]

    assert expected == [line for line in stages[service] if line.startswith(("COPY", "ADD"))]
    runs = [line for line in stages[f"build-{service}"] if line.startswith(("COPY", "ADD", "RUN"))]
    assert [
        f"RUN {SYNC.format(service=service)} {TRACED} --no-cache",
        f"RUN {EXPORT.format(service=service)} {TRACED} {BILL} --quiet",
        "COPY shared shared",
        f"COPY services/{service} services/{service}",
        "RUN python -m compileall -q shared services",
    ] == runs
    assert "COPY pyproject.toml uv.lock ./" in stages["build"]
    assert not [line for line in stages["service"] if line.startswith(("COPY", "ADD", "RUN"))]


def test_images_run_without_rights() -> None:
    """Not as root."""
    assert "USER 10001:10001" in dockerfile()["service"]


def test_uv_is_pinned_to_one_version() -> None:
    """The same on a laptop and in an image."""
    makefile = re.findall(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    pinned = re.findall(r"uv==(\S+)", (ROOT / "Dockerfile").read_text())

    assert makefile == pinned


# Log events


def log_events() -> dict[str, set[str]]:
    """Every event that the services log, and where."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"), level), [first, *_]) if level in LEVELS:
                    for name in names(first):
                        found.setdefault(name, set()).add(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def names(argument: ast.expr) -> list[str]:
    """The names that the first argument of a log call may have."""
    match argument:
        case ast.Constant(str(name)):
            return [name]
        case ast.IfExp(_, one, other):
            return names(one) + names(other)
        case ast.JoinedStr([ast.Constant("attempt."), ast.FormattedValue(ast.Name("event"))]):
            return [f"attempt.{event}" for event in Event if event is not Event.SENDING]
        case _:
            return [ast.unparse(argument)]


def test_every_log_event_is_documented() -> None:
    """An operator can look up whatever a service says."""
    documented = set(re.findall(r"`([^`\s]+)`", (ROOT / "docs" / "events.md").read_text()))
    logged = log_events()

    assert not {name: places for name, places in logged.items() if name not in documented}


def test_every_documented_log_event_is_logged() -> None:
    """Nobody waits for a line that never comes."""
    table = re.findall(r"^\| `([a-z_]+\.[a-z_]+)`", (ROOT / "docs" / "events.md").read_text(), re.MULTILINE)

    assert table
    assert not set(table) - set(log_events())


def test_log_events_are_named_alike() -> None:
    """A thing, a dot, and what happened to it."""
    assert not [name for name in log_events() if not re.fullmatch(r"[a-z_]+\.[a-z_]+", name)]
