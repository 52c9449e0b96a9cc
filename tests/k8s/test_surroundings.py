"""Whether images, queues and ports have one name each, wherever they are named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from services.gateway.settings import Settings as GatewaySettings
from services.mailer.settings import Settings as MailerSettings
from shared.signatures import MAILER_QUEUES, PostWebhook, RecordEvent, RecordEvents
from tests.k8s.processes import ours, processes
from tests.k8s.rendering import MANIFESTS, ROOT, TRIALS, Rendered, render
from tests.k8s.workloads import containers, pod_of, quantity

QUEUES = {
    *MAILER_QUEUES,
    PostWebhook.QUEUE,
    RecordEvent.QUEUE,
    RecordEvents.QUEUE,
    "mailer.dead",
    "gateway.dead",
}


def test_queues_are_called_by_their_names(development: Rendered) -> None:
    """By scalers, alerts and the dashboard."""
    scaled = [
        trigger["metadata"]["queueName"]
        for one in development.of("ScaledObject")
        for trigger in one["spec"]["triggers"]
    ]
    (rule,) = development.of("PrometheusRule")
    watched = repr(rule) + development.one("ConfigMap", "pillarbox-dashboard")["data"]["pillarbox.json"]
    patterns = {text.replace('\\"', '"') for text in re.findall(r'queue=~?\\?"([^"\\]+)\\?"', watched)}

    assert sorted(MAILER_QUEUES) == sorted(scaled)
    for pattern in patterns:
        assert any(re.fullmatch(pattern, queue) for queue in QUEUES), pattern
    assert QUEUES == {queue for queue in QUEUES for pattern in patterns if re.fullmatch(pattern, queue)}


def test_the_ingress_takes_what_the_gateway_takes(development: Rendered) -> None:
    """No smaller body."""
    (ingress,) = development.of("Ingress")
    limit = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]

    assert GatewaySettings.model_fields["body_limit_bytes"].default <= quantity(limit.upper() + "i")


def test_the_fake_provider_is_where_mailers_look(development: Rendered) -> None:
    """By name and port."""
    (service,) = [one for one in development.of("Service") if one["metadata"]["name"] == "fake-esp"]
    pod = pod_of(development.one("Deployment", "fake-esp"))["containers"][0]
    port = pod["ports"][0]["containerPort"]
    (url,) = {one.environment["PILLARBOX_PROVIDERS__FAKE__BASE_URL"] for one in ours(development, "mailer")}

    assert f"http://fake-esp:{service['spec']['ports'][0]['port']}" == url
    assert ["sendgrid", "--host", "0.0.0.0", "--port", str(port)] == pod["args"]


def test_images_are_those_that_are_built(overlay: Rendered) -> None:
    """With the version of the project, by the names that ``make images`` gives."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    built = re.search(r"^IMAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert built
    for _, container in containers(overlay):
        name, _, tag = container["image"].rpartition("/")[2].partition(":")
        if name.startswith("pillarbox-"):
            assert name.removeprefix("pillarbox-") in built[1].split()
            assert name.removeprefix("pillarbox-") in stages
            assert version == tag


def test_each_version_has_a_migration_of_its_own(overlay: Rendered) -> None:
    """A finished Job cannot be changed into the next one."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert all(
        f"migration-{version.replace('.', '-')}" == job["metadata"]["name"] for job in overlay.of("Job")
    )


def test_pods_run_as_the_user_of_the_images(overlay: Rendered) -> None:
    """By the same number."""
    users = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for process in processes(overlay):
        security = pod_of(process.workload)["securityContext"]

        assert [(str(security["runAsUser"]), str(security["runAsGroup"]))] == users


def test_ports_of_the_images_are_told() -> None:
    """Those that the manifests name."""
    exposed = set(re.findall(r"^EXPOSE (\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))

    assert {str(GatewaySettings.model_fields["port"].default), "9025"} == exposed


def test_the_embedded_pod_keeps_what_must_not_be_lost(scratch: Path) -> None:
    """Where both services write by default there is a claim, and it outlives the pod."""
    (trial,) = [trial for trial in TRIALS if not trial.resources]
    for process in processes(render(trial, scratch)):
        assert {"persistent": True} == process.mounts["/app/var"]
    for model in (GatewaySettings, MailerSettings):
        assert str(model.model_fields["broker_url"].default.get_secret_value()).endswith("://var/broker")


def test_the_folders_are_described() -> None:
    """Every component and overlay stands in the README."""
    text = (MANIFESTS / "README.md").read_text()
    folders = [path.parent.name for path in MANIFESTS.glob("*/*/kustomization.yaml")]

    assert not [name for name in folders if f"`{name}`" not in text and f"/{name}`" not in text]
