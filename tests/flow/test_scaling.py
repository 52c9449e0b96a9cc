"""``kubectl scale`` and rollouts, as the processes that they start and stop: with the manifests' own words.

An orchestrator tells a process to stop (SIGTERM), waits for its grace, and kills it; it starts another
one by the command and the environment of the manifest.  All of that happens here, without a cluster.
"""

from __future__ import annotations

import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.fakes import FakeSendGrid
from tests.flow.behind import KEY, behind, doubled, post_many, wait_until_all_ended
from tests.flow.conftest import build
from tests.flow.system import BIN, EMAIL, QUICK, Service, System, until
from tests.k8s.processes import Process, ours
from tests.k8s.rendering import DEV, Trial, render
from tests.k8s.workloads import pod_of

RATE = 200
LATENCY = 0.1
SEAL_KEY = secrets.token_hex(24)


@dataclass(slots=True)
class Deployment:
    """The Deployment ``mailer``, as the processes of its pods."""

    manifest: Process
    system: System
    base_url: str
    pods: list[Service] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    """Exit statuses of those that were told to stop."""
    settings: dict[str, str] = field(default_factory=dict)
    """Beside the manifest's own."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(pod_of(self.manifest.workload)["terminationGracePeriodSeconds"])

    def scale(self, replicas: int, *, graceful: bool = True) -> None:
        """Start or end pods; those that end are told so, or are on a node that is gone."""
        surplus, self.pods = self.pods[replicas:], self.pods[:replicas]
        for pod in surplus:
            if graceful:
                pod.signal(15)
            else:
                pod.kill()
        while len(self.pods) < replicas:
            self.pods.append(self._start())
        if graceful:
            self.ended += [pod.wait(self.grace) for pod in surplus]

    def ready(self) -> int:
        """How many say that they consume."""
        return sum((self._folder(pod) / "ready").exists() for pod in self.pods)

    def _start(self) -> Service:
        folder = self.system.folder / f"pod-{next(self._numbers)}"
        (folder / "secrets").mkdir(parents=True)
        files = {
            "PILLARBOX_BROKER_URL": self.system.mailer_broker,
            "PILLARBOX_CLAIMS_URL": self.system.claims_url,
            "PILLARBOX_PROVIDERS__FAKE__API_KEY": KEY,
            "PILLARBOX_SEAL_KEYS": SEAL_KEY,
        }
        assert set(files) == set(self.manifest.files)
        for name, text in files.items():
            (folder / "secrets" / name).write_text(text)
        environment = {
            **{
                name: value
                for name, value in self.system.gateway.environment.items()
                if name[:10] != "PILLARBOX_"
            },
            **self.manifest.environment,
            **{name: QUICK[name] for name in QUICK if "BACKOFF" in name},
            # Four that start at once leave little of a small machine to whoever waits for an answer.
            "PILLARBOX_ATTEMPT_DEADLINE_SECONDS": "10",
            "PILLARBOX_LEASE_SECONDS": "20",
            "PILLARBOX_SECRETS_DIRECTORY": str(folder / "secrets"),
            "PILLARBOX_HEALTH_DIRECTORY": str(folder),
            "PILLARBOX_PROVIDERS__FAKE__BASE_URL": self.base_url,
            **self.settings,
        }
        program, *options = self.manifest.command
        options += ["-n", f"{folder.name}@localhost"]  # each pod has a host name of its own
        pod = Service([str(BIN / program), *options], environment, folder / "log")
        pod.start()
        return pod

    def _folder(self, pod: Service) -> Path:
        return pod.log_path.parent


@pytest.fixture
def sendgrid() -> Iterator[FakeSendGrid]:
    """A provider that takes its time."""
    with FakeSendGrid(api_key=KEY, latency=LATENCY).in_thread() as fake:
        yield fake


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path, sendgrid: FakeSendGrid) -> Iterator[System]:
    """Everything but the mailers."""
    with build(request, "rabbitmq-postgresql", tmp_path, behind(sendgrid)) as system:
        system.gateway.environment["PILLARBOX_SEAL_KEYS"] = SEAL_KEY
        yield system.start(mailers=0)


@pytest.fixture
def mailers(system: System, sendgrid: FakeSendGrid, tmp_path: Path) -> Iterator[Deployment]:
    """None of them yet."""
    manifest = next(
        one
        for one in ours(render(Trial((DEV,)), tmp_path / "rendered"), "mailer")
        if one.workload["metadata"]["name"] == "mailer"
    )
    deployment = Deployment(manifest, system, sendgrid.base_url)
    yield deployment
    deployment.scale(0, graceful=False)


@dataclass(slots=True)
class Load:
    """So many messages a second, from a thread."""

    system: System
    ids: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def _run(self) -> None:
        begin = time.monotonic()
        for number in itertools.count(1):
            self.ids += post_many(self.system, RATE // 10)
            if self._stop.wait(max(0.0, begin + number / 10 - time.monotonic())):
                return


def test_scaling_under_load_neither_loses_nor_doubles(
    system: System, mailers: Deployment, sendgrid: FakeSendGrid
) -> None:
    """From 1 to 4, to 1, to none and to 2, told to stop each time: every message once, every end an end."""
    with Load(system) as load:
        mailers.scale(1)
        until(lambda: mailers.ready() == 1, 30, "the first pod")
        mailers.scale(4)
        until(lambda: mailers.ready() == 4, 30, "four pods")
        time.sleep(2)
        mailers.scale(1)
        time.sleep(1)
        mailers.scale(0)
        none = len(sendgrid.record)
        time.sleep(1)
        still = len(sendgrid.record)
        mailers.scale(2)
        until(lambda: mailers.ready() == 2, 30, "two pods")
    ended = wait_until_all_ended(system, len(load.ids), 90)

    assert {"sent": len(load.ids)} == dict(ended)
    assert len(load.ids) == len(sendgrid.record)
    assert still == none
    assert [0] * 4 == mailers.ended


@pytest.mark.soak
def test_throughput_follows_the_number_of_pods(
    system: System, mailers: Deployment, sendgrid: FakeSendGrid
) -> None:
    """Where slots and the provider's time are the limit: two slots at 100 ms are 20 messages a second."""
    mailers.settings["PILLARBOX_SLOTS"] = "2"
    post_many(system, 800)
    rates = []
    for replicas in (1, 4, 0):
        mailers.scale(replicas)
        until(lambda: mailers.ready() == len(mailers.pods), 40, "the pods")
        before, begun = len(sendgrid.record), time.monotonic()
        time.sleep(3)
        rates.append((len(sendgrid.record) - before) / (time.monotonic() - begun))
    one, four, none = rates

    assert 0 < one <= 21
    assert four >= 2.5 * one
    assert 0 == none


@pytest.mark.soak
def test_pods_that_are_simply_gone_cost_no_message(
    system: System, mailers: Deployment, sendgrid: FakeSendGrid
) -> None:
    """A node that dies takes three of four with it; what they had under way others do."""
    with Load(system) as load:
        mailers.scale(4)
        until(lambda: mailers.ready() == 4, 40, "four pods")
        time.sleep(1)
        mailers.scale(1, graceful=False)
        time.sleep(1)
        mailers.scale(2)
    ended = wait_until_all_ended(system, len(load.ids), 90)
    taken = {entry.message_id for entry in sendgrid.record}

    assert {"sent": len(load.ids)} == dict(ended)
    assert set(load.ids) == taken
    assert [] == doubled(sendgrid)


def test_a_mailer_drains_within_its_grace(
    system: System, mailers: Deployment, sendgrid: FakeSendGrid
) -> None:
    """It takes nothing more at once, finishes what it began, and ends well inside its grace.

    A second word to stop, which impatient people give, changes nothing of that.
    """
    sendgrid.latency = 1.5
    mailers.scale(1)
    until(lambda: mailers.ready() == 1, 30, "the pod")
    ids = post_many(system, 300)
    until(lambda: len(sendgrid.requests) >= 50, 20, "attempts under way")
    (pod,) = mailers.pods
    ready = pod.log_path.parent / "ready"
    told = time.monotonic()
    pod.signal(15)
    until(lambda: not ready.exists(), 2, "it to say that it takes no more")
    asked = len(sendgrid.requests)
    pod.signal(15)
    status = pod.wait(mailers.grace)
    seconds = time.monotonic() - told
    finished, begun = len(sendgrid.record), len(sendgrid.requests)
    sendgrid.latency = LATENCY
    mailers.pods.clear()
    mailers.scale(1)
    ended = wait_until_all_ended(system, len(ids), 60)

    assert 0 == status
    assert seconds < mailers.grace / 4
    assert finished == begun <= asked + 100
    assert {"sent": 300} == dict(ended)
    assert 300 == len(sendgrid.record)


@pytest.mark.parametrize("seconds", [0.5, *(pytest.param(n, marks=pytest.mark.soak) for n in (0.1, 1.5))])
def test_a_mailer_that_is_told_to_stop_while_it_starts_stops(mailers: Deployment, seconds: float) -> None:
    """Scaling up and at once down again leaves nobody behind who consumes until the end of its grace."""
    mailers.scale(1)
    time.sleep(seconds)
    (pod,) = mailers.pods
    told = time.monotonic()
    pod.stop(mailers.grace)

    assert time.monotonic() - told < 15


def test_a_gateway_drains(system: System) -> None:
    """Told to stop it is unready first and goes on for a while; it answers and publishes what it took."""
    system.gateway.stop()
    system.gateway.environment["PILLARBOX_LAME_DUCK_SECONDS"] = "3"
    system.gateway.start()
    system.wait_until_ready()
    answers: list[int] = []

    def call() -> None:
        url, headers = str(system.client.base_url), system.headers()
        client = httpx.Client(base_url=url, headers=headers, timeout=10)
        with client, suppress(httpx.NetworkError, httpx.RemoteProtocolError):  # nobody listens any more
            while True:
                answers.append(client.post("/emails", json=EMAIL).status_code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    half = socket.create_connection(("127.0.0.1", system.port))
    body = json.dumps(EMAIL).encode()
    head = f"POST /emails HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {system.key}\r\n"
    half.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    until(lambda: answers, 10, "somebody to be answered")
    system.gateway.signal(15)
    until(lambda: system.client.get("/readyz").status_code == 503, 1, "the gateway to be unready")
    before = len(answers)
    until(lambda: len(answers) > before, 2.5, "somebody to be answered though it is unready")
    for thread in threads:
        thread.join()  # nobody listens any more
    half.sendall(body)
    answers.append(int(half.recv(100).split()[1]))
    half.close()
    status = system.gateway.wait(45)
    system.gateway.environment["PILLARBOX_LAME_DUCK_SECONDS"] = "0"
    system.gateway.start()
    system.wait_until_ready()

    assert 0 == status
    assert {202} == set(answers)
    assert len(answers) == sum(1 for _ in _accepted(system))


def _accepted(system: System) -> Iterator[str]:
    after = ""
    while True:
        page = system.client.get(f"/emails?limit=100{after}").json()
        yield from (email["id"] for email in page["data"])
        if not page["has_more"]:
            return
        after = f"&after={page['data'][-1]['id']}"
