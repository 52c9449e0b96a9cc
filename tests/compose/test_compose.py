"""Whether compose.yaml is one that Docker Compose takes, and keeps what the documents promise of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from services.gateway import __version__
from services.gateway.app import create_app
from tests.compose.stack import (
    OURS,
    ROOT,
    SERVICES,
    STACK,
    bind_mounts,
    file_of,
    make_secrets,
    mounted_secrets,
    specification,
)
from tests.k8s.processes import MODULES

MANIFESTS = ROOT / "deploy" / "k8s"


def test_it_is_as_the_compose_specification_has_it() -> None:
    """By the schema that the specification publishes."""
    jsonschema.validate(STACK, specification())


def test_images_are_pinned() -> None:
    """Ours to this version, the others to the version that the manifests name, or to one at all."""
    images = {name: service["image"] for name, service in SERVICES.items()}
    manifests = "\n".join(path.read_text() for path in MANIFESTS.glob("components/*/statefulset.yaml"))

    assert {__version__} == {images[name].rpartition(":")[2] for name in OURS}
    for name in set(images) - OURS:
        assert re.search(r":v?\d+(\.\d+)*$", images[name]), name
    assert images["rabbitmq"] in manifests
    assert images["postgres"] in manifests


def test_ours_are_built_from_the_dockerfile() -> None:
    """By targets that it has."""
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert {SERVICES[name]["build"]["target"] for name in OURS} <= targets


def test_only_loopback_is_published() -> None:
    """Nobody else on the network can reach any of it."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert len(ports) == 3
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


def test_what_need_not_reach_the_internet_cannot() -> None:
    """Broker, database, migration and fake provider have a network without a way out."""
    assert STACK["networks"]["inside"]["internal"] is True
    assert {"rabbitmq", "postgres", "migration", "fake-esp"} == {
        name for name, service in SERVICES.items() if service["networks"] == ["inside"]
    }


@pytest.mark.parametrize("name", sorted(OURS))
def test_ours_have_no_rights_that_they_do_not_need(name: str) -> None:
    """An ordinary user, that of the images, on a file system that cannot be written."""
    service = SERVICES[name]

    assert service["user"] == "10001:10001"
    assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_every_mounted_file_is_there() -> None:
    """Docker would make a folder of one that is not."""
    assert [] == [mount for mount in bind_mounts() if not (ROOT / mount[1]).is_file()]
    assert ("grafana", "./deploy/k8s/components/monitoring/pillarbox.json") in bind_mounts()


def test_what_serves_tells_whether_it_is_well() -> None:
    """And whoever waits, waits for that."""
    checked = {name for name, service in SERVICES.items() if "healthcheck" in service}
    waits = [
        (other, wait["condition"])
        for service in SERVICES.values()
        for other, wait in service.get("depends_on", {}).items()
    ]

    assert set(SERVICES) - {"migration"} == checked
    assert {other for other, condition in waits if condition == "service_healthy"} <= checked
    assert ("migration", "service_completed_successfully") in waits


def test_no_password_stands_in_it() -> None:
    """All of them are files, and nothing else holds one."""
    environment = {
        (name, variable): str(value)
        for name, service in SERVICES.items()
        for variable, value in service.get("environment", {}).items()
    }
    secret = re.compile("PASSWORD|SECRET|TOKEN|_KEY")
    named = {value for (_, variable), value in environment.items() if secret.search(variable)}

    assert all(value.startswith("/run/secrets") for value in named)
    assert [] == [value for value in environment.values() if re.search(r"://[^/]*@", value)]
    assert all(list(declared) == ["file"] for declared in STACK["secrets"].values())


@pytest.mark.parametrize("name", ["gateway", "migration", "mailer"])
def test_a_service_takes_its_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, from the environment and from files, and no name is unknown to it."""
    monkeypatch.chdir(tmp_path)
    make_secrets(tmp_path / "made")
    service: Any = SERVICES[name]
    module = MODULES["mailer" if name == "mailer" else "gateway"]
    folder = tmp_path / "mounted"
    folder.mkdir()
    for place, secret in mounted_secrets(service).items():
        (folder / Path(place).name).write_text(file_of(secret, tmp_path / "made").read_text())
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, str(folder) if variable == "PILLARBOX_SECRETS_DIRECTORY" else str(value))
    names = [*service["environment"], *(path.name for path in folder.iterdir())]
    fields = {variable.removeprefix("PILLARBOX_").partition("__")[0].lower() for variable in names}

    settings = module.load()

    assert fields <= set(module.Settings.model_fields)
    if name == "gateway":
        assert create_app(settings)


def test_the_fake_provider_listens_where_the_mailer_looks() -> None:
    """In the mailer's dialect, by the command that the manifests have."""
    deployment = yaml.safe_load((MANIFESTS / "components/fake-esp/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    dialect, *_, port = command = SERVICES["fake-esp"]["command"]
    told = SERVICES["mailer"]["environment"]

    assert container["args"] == command
    assert dialect == told["PILLARBOX_PROVIDERS__FAKE__KIND"]
    assert f"http://fake-esp:{port}" == told["PILLARBOX_PROVIDERS__FAKE__BASE_URL"]


def test_prometheus_asks_everybody() -> None:
    """At the port that each serves its figures at, and RabbitMQ as the manifests do."""
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((ROOT / "deploy/compose/prometheus.yaml").read_text())["scrape_configs"]
    }
    monitor = yaml.safe_load((MANIFESTS / "components/monitoring-rabbitmq/podmonitor.yaml").read_text())
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    port = SERVICES["gateway"]["environment"]["PILLARBOX_METRICS_PORT"]
    (mailers,) = jobs["mailer"]["dns_sd_configs"]

    assert [f"gateway:{port}"] == jobs["gateway"]["static_configs"][0]["targets"]
    assert mailers["names"] == ["mailer"]
    assert mailers["port"] == SERVICES["mailer"]["environment"]["PILLARBOX_METRICS_PORT"]
    assert endpoint["path"] == jobs["rabbitmq"]["metrics_path"]
    assert endpoint["params"] == jobs["rabbitmq"]["params"]
