"""The images themselves, where an engine can build and run them: no other machine can tell."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from typing import Any

import pytest

from tests.k8s.rendering import ROOT

BASE = "python:3.12-slim"
MOST_BYTES = 200_000_000
UNREACHABLE = ("CERTIFICATE_VERIFY_FAILED", "UnknownIssuer", "Failed to fetch", "NewConnectionError")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
RESTRICTED = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
LOOK = """
import json, os, pathlib, shutil
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "services": os.listdir("services"),
    "tools": [name for name in ("cc", "gcc", "g++", "make", "uv") if shutil.which(name)],
}))
"""


def run(*command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run an engine's command."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def engine() -> str:
    """What builds and runs images here, with the base image at hand; docker's client alone is nothing."""
    for name in ("docker", "podman"):
        if shutil.which(name) and run(name, "info").returncode == 0:
            if (
                run(name, "image", "inspect", BASE).returncode
                and run(name, "pull", BASE, timeout=240).returncode
            ):
                pytest.skip(f"{name} cannot get {BASE}")
            built = run("make", "images", f"ENGINE={name}", timeout=280)
            if any(word in built.stdout + built.stderr for word in UNREACHABLE):
                pytest.skip(f"{name} cannot reach the packages' index from within a build")
            assert built.returncode == 0, built.stderr
            return name
    pytest.skip("neither docker nor podman runs here")


def inspected(engine: str, image: str) -> Any:
    """What the engine knows of an image."""
    return json.loads(run(engine, "image", "inspect", image).stdout)[0]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ["gateway", "mailer"])
def test_an_image_holds_its_service_and_no_more(engine: str, service: str) -> None:
    """For a user by number, without tools, restricted as the manifests restrict it."""
    result = run(engine, "run", *RESTRICTED, f"pillarbox-{service}:{VERSION}", "python", "-c", LOOK)

    assert {"user": [10001, 10001], "services": [service], "tools": []} == json.loads(result.stdout)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ["gateway", "mailer"])
def test_an_image_is_small_and_says_what_it_is(engine: str, service: str) -> None:
    """Beyond its base."""
    image = inspected(engine, f"pillarbox-{service}:{VERSION}")
    labels = image["Config"]["Labels"]

    assert image["Size"] - inspected(engine, BASE)["Size"] < MOST_BYTES
    assert VERSION == labels["org.opencontainers.image.version"]
    assert f"Pillarbox {service}" == labels["org.opencontainers.image.title"]
    assert "MIT" == labels["org.opencontainers.image.licenses"]


@pytest.mark.timeout(600)
def test_the_fake_provider_starts(engine: str) -> None:
    """It is complete."""
    result = run(engine, "run", *RESTRICTED, f"pillarbox-fake-esp:{VERSION}", "--help")

    assert result.returncode == 0
    assert "A provider that sends nothing." in result.stdout
