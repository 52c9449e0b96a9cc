"""What ``kubectl apply -k`` would hand to a cluster: overlays, and components put together by hand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "k8s"
KUBECTL = Path(sys.executable).parent / "kubectl"

Document = dict[str, Any]

OPTIONS = ("ingress", "monitoring")
INSIDE = ("rabbitmq", "postgres", "fake-esp")
DEV, PRODUCTION = "overlays/dev", "overlays/production"


@dataclass(frozen=True)
class Trial:
    """Folders that are applied together."""

    resources: tuple[str, ...]
    components: tuple[str, ...] = ()
    secrets_from: str = DEV
    """The overlay whose Secrets are there too, where none of the folders makes them."""

    def __str__(self) -> str:
        return " + ".join(folder.rpartition("/")[2] for folder in (*self.resources, *self.components))


def together(*names: str) -> tuple[str, ...]:
    """The folders of these components."""
    return tuple(f"components/{name}" for name in names)


TRIALS = (
    Trial((DEV,)),
    Trial((PRODUCTION,), secrets_from=PRODUCTION),
    Trial((), together("embedded")),
    Trial((DEV,), together("keda", "monitoring", "monitoring-rabbitmq", "ingress")),
    Trial((DEV,), together("hpa", "ingress", "tracing", "network-policies-tracing")),
    Trial((PRODUCTION,), together("keda", *OPTIONS), PRODUCTION),
    Trial((PRODUCTION,), together("hpa", *OPTIONS), PRODUCTION),
    # A small installation of one's own: everything inside, with and without policies.
    Trial(("base",), together("rabbitmq", "postgres", "monitoring", "monitoring-rabbitmq")),
    Trial(("base",), together(*INSIDE, "network-policies", "network-policies-inside", "keda")),
    # Parts of it inside.
    Trial(("base",), together("fake-esp")),
    Trial(("base",), together("postgres", "hpa")),
    Trial(("base",), together("rabbitmq", "keda")),
    Trial(("base",), together("network-policies", "network-policies-outside")),
)


@dataclass(frozen=True)
class Rendered:
    """The documents of a trial, and the Secrets that somebody else makes."""

    documents: list[Document] = field(repr=False)
    secrets: list[Document] = field(repr=False)

    def of(self, *kinds: str) -> list[Document]:
        """Those of some kinds."""
        return [document for document in self.documents if document["kind"] in kinds]

    def one(self, kind: str, name: str) -> Document:
        """The one of a kind and name, whatever hash follows the name."""
        found = [one for one in self.of(kind) if without_hash(one["metadata"]["name"]) == name]
        assert len(found) == 1, (kind, name)
        return found[0]


def without_hash(name: str) -> str:
    """A name without what kustomize adds to generated ones."""
    front, _, last = name.rpartition("-")
    return front if len(last) == 10 and any(letter.isdigit() for letter in last) else name


def kustomize(folder: Path) -> list[Document]:
    """Render one folder."""
    result = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not result.stderr, result.stderr  # a deprecation is news
    return [document for document in yaml.safe_load_all(result.stdout) if document]


@cache
def render(trial: Trial, scratch: Path) -> Rendered:
    """Render folders together, in a copy of them; an overlay gets components as its user would add them."""
    copy = scratch / "k8s"
    if not copy.exists():
        shutil.copytree(MANIFESTS, copy)
    folder = copy / "trials" / str(trial).replace(" ", "")
    overlay = next((path for path in trial.resources if path.startswith("overlays/")), None)
    if overlay:
        shutil.copytree(MANIFESTS / overlay, folder)
        wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    else:
        folder.mkdir(parents=True)
        wanted = {"resources": [f"../../{path}" for path in trial.resources], "components": []}
    wanted["components"] += [f"../../{path}" for path in trial.components]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    documents = kustomize(folder)
    made = {document["metadata"]["name"] for document in documents if document["kind"] == "Secret"}
    given = example_secrets() if trial.secrets_from == PRODUCTION else development_secrets()
    return Rendered(documents, [secret for secret in given if secret["metadata"]["name"] not in made])


@cache
def example_secrets() -> list[Document]:
    """The Secrets that the production overlay expects somebody to make."""
    return list(yaml.safe_load_all((MANIFESTS / PRODUCTION / "example-secrets.yaml").read_text()))


@cache
def development_secrets() -> list[Document]:
    """The Secrets that the development overlay makes."""
    return [document for document in kustomize(MANIFESTS / DEV) if document["kind"] == "Secret"]
