"""The wheel as a stranger installs it: what it holds, what it needs, and that it is quick."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from deploy.release import current
from tests.command.conftest import run
from tests.flow.system import BIN, ROOT

NEEDED = {"anyio", "certifi", "click", "h11", "httpcore", "httpx", "idna", "markdown-it-py", "mdurl",
          "pillarbox", "pygments", "rich", "sniffio", "typing-extensions"}  # fmt: skip
LOADED = """
import json, sys
sys.argv = ["pillarbox", "send", "--help"]
from pillarbox.__main__ import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_wheel_holds_the_command_line_and_nothing_else(wheel: Path) -> None:
    """No service, no contract, no test, no file of somebody's editor."""
    names = zipfile.ZipFile(wheel).namelist()
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "pillarbox").rglob("*.py")}
    about = f"pillarbox-{current(ROOT)}.dist-info/"

    assert modules == {name for name in names if not name.startswith(about) and not name.endswith("/")}
    assert {
        f"{about}{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    } == {name for name in names if name.startswith(about) and not name.endswith("/")}


def test_the_wheel_needs_three_packages(installed: Path) -> None:
    """And what those need."""
    listed = run(BIN / "uv", "pip", "list", "--format", "json", "--python", installed / "python")

    assert NEEDED >= {package["name"] for package in json.loads(listed.stdout)}


def test_the_installed_command_says_what_it_is(installed: Path) -> None:
    """As a program and as a module; without a service to migrate it says where there is one."""
    migration = run(installed / "pillarbox", "migrate")

    assert f"pillarbox {current(ROOT)}\n" == run(installed / "pillarbox", "--version").stdout
    assert "Usage: pillarbox" in run(installed / "python", "-m", "pillarbox", "--help").stdout
    assert (2, True) == (migration.returncode, "python -m services.gateway migrate" in migration.stderr)


def test_help_waits_for_nothing(installed: Path) -> None:
    """Neither for what speaks HTTP, nor for what draws tables, nor for commands that were not asked for."""
    loaded: list[Any] = json.loads(run(installed / "python", "-c", LOADED).stdout.splitlines()[-1])

    assert "click" in loaded
    assert not {"httpx", "rich", "asyncio", "services", "shared"} & set(loaded)
