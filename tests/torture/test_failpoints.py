"""Failpoints do nothing until they are armed, and nobody arms them by accident."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from services.gateway import failpoints as gateway
from services.mailer import failpoints as mailer
from tests.flow.system import BIN, ROOT

SERVICES = {"gateway": gateway, "mailer": mailer}
SITE = re.compile(r'failpoints\.(?:reached|passed)\("([a-z._0-9]+)"\)')
ONE_OF = {"gateway": "g.before_insert", "mailer": "w.start"}
COMMANDS = {
    "gateway": [str(BIN / "python"), "-m", "services.gateway"],
    "mailer": [sys.executable, "-c", "import services.mailer.worker"],
}
HALF = (
    {"PILLARBOX_FAILPOINTS": ""},
    {"PILLARBOX_FAILPOINTS_ACKNOWLEDGED": gateway.ACKNOWLEDGEMENT},
    {"PILLARBOX_FAILPOINTS": "", "PILLARBOX_FAILPOINTS_ACKNOWLEDGED": "yes"},
    {
        "PILLARBOX_FAILPOINTS": "",
        "PILLARBOX_FAILPOINTS_ACKNOWLEDGED": gateway.ACKNOWLEDGEMENT,
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    },
)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Either one."""
    name: str = request.param
    return name


@pytest.fixture
def failpoints(service: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Its failpoints, as they were before when the test ends."""
    module = SERVICES[service]
    monkeypatch.setattr(module, "armed", False)
    monkeypatch.setattr(module, "_rules", module.Rules("", seed="", record=None))
    return module


def test_nothing_is_armed(failpoints: ModuleType) -> None:
    """An environment that does not speak of them leaves the flag down."""
    failpoints.arm({"PATH": "/bin"})

    assert failpoints.armed is False


@pytest.mark.parametrize("environment", HALF, ids=["unacknowledged", "alone", "misworded", "kubernetes"])
def test_what_arms_them_by_half_ends_the_process(failpoints: ModuleType, environment: dict[str, str]) -> None:
    """And inside Kubernetes everything does."""
    with pytest.raises(SystemExit, match="torture tests only"):
        failpoints.arm(environment)

    assert failpoints.armed is False


def test_a_service_asked_by_half_does_not_start(service: str, tmp_path: Path) -> None:
    """The services' own entry points ask."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PILLARBOX_FAILPOINTS": f"{ONE_OF[service]}=kill9"}

    ended = subprocess.run(
        COMMANDS[service],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "torture tests only" in ended.stderr


def test_every_failpoint_is_passed_somewhere(service: str, failpoints: ModuleType) -> None:
    """And what is passed has its name and its meaning."""
    sources = (ROOT / "services" / service).rglob("*.py")
    passed = {name for source in sources for name in SITE.findall(source.read_text())}

    assert set(failpoints.FAILPOINTS) == passed


def test_every_site_looks_at_the_flag_first(service: str) -> None:
    """So that production pays for the look and nothing else."""
    for source in (ROOT / "services" / service).rglob("*.py"):
        lines = source.read_text().splitlines()
        sites = [number for number, line in enumerate(lines) if SITE.search(line)]

        assert all("if failpoints.armed" in lines[number - 1] for number in sites), source


def test_both_services_have_the_same_module() -> None:
    """But for their names, and the example."""
    texts = [Path(str(module.__file__)).read_text() for module in SERVICES.values()]
    bare = {re.sub(r"services\.\w+\.|``[gw]\.[^`]+``", "", text) for text in texts}

    assert len(bare) == 1


def test_no_manifest_knows_them() -> None:
    """Nor does any page that an operator takes settings from."""
    told = [*(ROOT / "deploy").rglob("*.*"), ROOT / "Dockerfile", ROOT / "docs" / "operations.md"]
    readable = [path for path in told if path.suffix in {".yaml", ".yml", ".py", ".sh", ".md", ""}]

    assert [] == [path for path in readable if path.is_file() and "FAILPOINTS" in path.read_text()]


async def test_the_nth_time_is_the_one(service: str, failpoints: ModuleType, tmp_path: Path) -> None:
    """What happens is written down first."""
    name, record = ONE_OF[service], tmp_path / "record"
    arm(failpoints, f"{name}=raise@n2", PILLARBOX_FAILPOINTS_RECORD=str(record))

    await failpoints.reached(name)
    with pytest.raises(failpoints.FailpointError):
        failpoints.passed(name)
    failpoints.passed(name)

    assert [[name, "raise"]] == [line.split()[1:] for line in record.read_text().splitlines()]


def test_chance_is_drawn_alike_for_a_seed(service: str, failpoints: ModuleType) -> None:
    """Two processes with one seed stumble at the same passes."""
    name = ONE_OF[service]

    def draw() -> list[bool]:
        arm(failpoints, f"{name}=raise@p0.5", PILLARBOX_FAILPOINTS_SEED="7")
        return [failpoints._rules.due(name) is not None for _ in range(50)]

    first = draw()

    assert first == draw()
    assert 10 < sum(first) < 40


def test_a_file_of_rules_is_read_again(service: str, failpoints: ModuleType, tmp_path: Path) -> None:
    """So a test can arm and disarm a process that runs."""
    name, rules = ONE_OF[service], tmp_path / "rules"
    arm(failpoints, f"@{rules}")

    failpoints.passed(name)
    rules.write_text(f"{name}=raise")
    with pytest.raises(failpoints.FailpointError):
        failpoints.passed(name)
    rules.write_text("")
    failpoints.passed(name)


@pytest.mark.parametrize("rules", ["g.nowhere=kill9", "w.start=explode", "w.start"])
def test_what_is_no_rule_ends_the_process(failpoints: ModuleType, rules: str) -> None:
    """A torture that tortures nothing would be green."""
    with pytest.raises(SystemExit, match="no rule"):
        arm(failpoints, rules)


def arm(failpoints: ModuleType, rules: str, **more: str) -> None:
    """Arm them as a torture test does."""
    failpoints.arm(
        {
            "PILLARBOX_FAILPOINTS": rules,
            "PILLARBOX_FAILPOINTS_ACKNOWLEDGED": failpoints.ACKNOWLEDGEMENT,
            **more,
        }
    )
