"""Whether the settings of manifests are those that the services read, and no secret stands among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.gateway.app import create_app
from services.mailer.account_settings import AccountSettings
from tests.k8s.processes import MODULES, processes
from tests.k8s.rendering import Rendered
from tests.k8s.workloads import containers, name_of

SECRET_ANYWHERE = re.compile(r"PASSWORD|SECRET(?!S_DIRECTORY)|TOKEN|API_KEY|_KEYS$|SIGNING")


def test_each_service_takes_its_settings(
    overlay: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, from the environment and from files; and can be put together with them."""
    monkeypatch.chdir(tmp_path)
    from services.mailer.worker import create_worker  # noqa: PLC0415 - it makes a mailer when it is imported

    there = list(processes(overlay))

    assert {"gateway", "mailer"} == {one.service for one in there}
    for number, process in enumerate(there):
        settings = process.settings(monkeypatch, tmp_path / str(number))

        assert create_app(settings) if process.service == "gateway" else create_worker(settings)


def test_every_name_is_one_of_a_setting(overlay: Rendered) -> None:
    """A variable or a file that no service reads is a mistake; one that only the other reads, too."""
    for process in processes(overlay):
        fields = MODULES[process.service].Settings.model_fields
        for name in (*process.environment, *process.files):
            field = name.removeprefix("PILLARBOX_").partition("__")[0].lower()

            assert name.startswith("PILLARBOX_"), name
            assert field in fields, name


def secret_fields(fields: dict[str, FieldInfo]) -> Iterator[str]:
    """Names of those that hold secrets."""
    for name, field in fields.items():
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation):
            yield name.upper()


def test_no_secret_stands_in_the_environment(overlay: Rendered) -> None:
    """Children and dumps of a process would have it."""
    known = {
        f"PILLARBOX_{name}"
        for module in MODULES.values()
        for name in secret_fields(module.Settings.model_fields)
    }
    accounts = {
        f"__{name}"
        for model in get_args(get_args(AccountSettings)[0])
        for name in secret_fields(model.model_fields)
    }
    for workload, container in containers(overlay):
        given = {one["name"] for one in container.get("env", ())}
        for process in processes(overlay):
            if process.container is container:
                given |= set(process.environment)
        found = {
            name
            for name in given
            if name in known or name.endswith(tuple(accounts)) or SECRET_ANYWHERE.search(name)
        }

        assert found <= {"POSTGRES_PASSWORD_FILE"}, name_of(workload)
        assert not [one for one in container.get("env", ()) if "valueFrom" in one], name_of(workload)
    assert {"PILLARBOX_BROKER_URL", "PILLARBOX_LEDGER_URL", "PILLARBOX_CLAIMS_URL"} <= known
    assert {"__API_KEY", "__SERVER_TOKEN", "__PASSWORD"} <= accounts


def test_secrets_are_where_they_are_looked_for(overlay: Rendered) -> None:
    """In a volume at that very place, for the service's user alone, and in memory."""
    for process in processes(overlay):
        folder = process.environment.get("PILLARBOX_SECRETS_DIRECTORY")
        if folder is None:
            assert "embedded" == process.workload["metadata"]["name"]
            continue

        assert 0o440 == process.mounts[folder]["projected"]["defaultMode"]
        assert process.files
