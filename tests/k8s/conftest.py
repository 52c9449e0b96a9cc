"""Every trial, rendered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.k8s.rendering import DEV, TRIALS, Rendered, Trial, render


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to put trials together in."""
    return tmp_path_factory.mktemp("k8s")


@pytest.fixture(params=TRIALS, ids=str)
def trial(request: pytest.FixtureRequest) -> Trial:
    """What is applied together."""
    chosen: Trial = request.param
    return chosen


@pytest.fixture
def rendered(trial: Trial, scratch: Path) -> Rendered:
    """What the cluster would get of it."""
    return render(trial, scratch)


@pytest.fixture(params=TRIALS[:3], ids=str)
def overlay(request: pytest.FixtureRequest, scratch: Path) -> Rendered:
    """Development, production, and the embedded pod: what else is put together has the same processes."""
    return render(request.param, scratch)


@pytest.fixture
def development(scratch: Path) -> Rendered:
    """The development overlay with everything that there is."""
    (trial,) = [
        trial for trial in TRIALS if trial.resources == (DEV,) and "components/keda" in trial.components
    ]
    return render(trial, scratch)
