"""compose.yaml as Docker Compose reads it, and the secrets that its script makes."""

from __future__ import annotations

import importlib.resources
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]

STACK: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())

SERVICES: dict[str, Any] = STACK["services"]

OURS = {name for name, service in SERVICES.items() if service["image"].startswith("pillarbox-")}

SCRIPT = ROOT / "deploy" / "compose" / "secrets.sh"


def specification() -> Any:
    """The JSON schema of https://github.com/compose-spec/compose-spec."""
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((schemas / "compose-spec.json").read_text())


def make_secrets(folder: Path) -> str:
    """Run the script; what it says."""
    run = subprocess.run([SCRIPT, folder], capture_output=True, text=True, check=True)
    return run.stdout


def mounted_secrets(service: Any) -> dict[str, str]:
    """The names of a service's secrets, by the place where it finds each."""
    found = {}
    for secret in service.get("secrets", ()):
        source, target = (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
        found[str(Path("/run/secrets") / target)] = source
    return found


def file_of(secret: str, folder: Path) -> Path:
    """A secret's file, where ``folder`` stands for the one in the tree."""
    return folder / Path(STACK["secrets"][secret]["file"]).relative_to("var/compose")


def bind_mounts() -> list[tuple[str, str]]:
    """What of the tree is mounted, by whom."""
    return [
        (name, volume.split(":")[0])
        for name, service in SERVICES.items()
        for volume in service.get("volumes", ())
        if volume.startswith(".")
    ]
