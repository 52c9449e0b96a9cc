"""What the doctor sees, from afar and with the services' settings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from services.gateway.commands.doctor import doctor as gateway_doctor
from services.mailer.doctor.command import doctor as mailer_doctor
from services.mailer.providers.base import Request, Response
from services.mailer.providers.credentials import answer, question
from tests.fakes.smtp import FakeSmtp
from tests.mailer.made import KEY, made
from tests.servers.server import free_port

DOCTORS = {"gateway": lambda: gateway_doctor(["--json"]), "mailer": lambda: mailer_doctor(as_json=True)}

Seen = Callable[..., tuple[int, dict[str, list[dict[str, Any]]]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Seen:
    """Asks a service's own doctor; gives its exit status, and its findings by check."""

    def ask(service: str, **settings: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        with monkeypatch.context() as environment:
            for name in [name for name in os.environ if name.startswith("PILLARBOX_")]:
                environment.delenv(name)
            for name, value in settings.items():
                environment.setenv(name, value)
            status = DOCTORS[service]()
        printed = capsys.readouterr()
        assert not printed.err
        findings: dict[str, list[dict[str, Any]]] = {}
        for line in printed.out.splitlines():
            finding = json.loads(line)
            findings.setdefault(finding["check"], []).append(finding)
        return status, findings

    return ask


@pytest.mark.parametrize(
    ("service", "setting", "value"),
    [("gateway", "PILLARBOX_PORT", "canary"), ("mailer", "PILLARBOX_PROVIDERS__A__KIND", "canary")],
)
def test_settings_that_cannot_be_used_are_the_first_finding(
    seen: Seen, service: str, setting: str, value: str
) -> None:
    """By their names, and without what they hold."""
    status, findings = seen(service, **{setting: value})
    (finding,) = findings["settings"]

    assert (1, {"settings"}) == (status, set(findings))
    assert finding["found"].startswith(f"{setting}: ")
    assert "canary" not in finding["found"]


def test_what_is_away_is_named(seen: Seen, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each with its setting, and none of the others is left out."""
    folder = tmp_path_factory.mktemp("away")
    away = {
        "PILLARBOX_BROKER_URL": f"amqp://gateway:canary@127.0.0.1:{free_port()}/pillarbox",
        "PILLARBOX_LEDGER_URL": f"postgresql://gateway:canary@127.0.0.1:{free_port()}/ledger",
        "PILLARBOX_CLAIMS_URL": f"postgresql://mailer:canary@127.0.0.1:{free_port()}/claims",
        "PILLARBOX_OUTBOX_DIRECTORY": str(folder),
    }
    gateway, mailer = seen("gateway", **away), seen("mailer", **away)

    assert (1, 1) == (gateway[0], mailer[0])
    assert "PILLARBOX_LEDGER_URL" in gateway[1]["ledger"][0]["advice"]
    assert "PILLARBOX_CLAIMS_URL" in mailer[1]["claims"][0]["advice"]
    assert ["failed"] * 2 == [findings["broker"][0]["status"] for _, findings in (gateway, mailer)]
    assert "ok" == mailer[1]["account outbox"][0]["status"]
    assert "canary" not in json.dumps([gateway, mailer])


def test_a_mail_server_is_asked_up_to_the_login(seen: Seen) -> None:
    """A wrong password is a finding, and no mail is sent for it."""
    with FakeSmtp(api_key=KEY).in_thread() as fake:
        host, port = fake.base_url.removeprefix("smtp://").split(":")
        account = {
            "PILLARBOX_PROVIDER": "relay",
            "PILLARBOX_PROVIDERS__RELAY__KIND": "smtp",
            "PILLARBOX_PROVIDERS__RELAY__HOST": host,
            "PILLARBOX_PROVIDERS__RELAY__PORT": port,
            "PILLARBOX_PROVIDERS__RELAY__SECURITY": "none",
            "PILLARBOX_PROVIDERS__RELAY__USERNAME": "pillarbox",
        }
        right = seen("mailer", **account, PILLARBOX_PROVIDERS__RELAY__PASSWORD=KEY)
        wrong = seen("mailer", **account, PILLARBOX_PROVIDERS__RELAY__PASSWORD="canary-wrong")
        sent = fake.requests

    assert "ok" == right[1]["account relay"][0]["status"]
    assert (1, "smtp: 535 at auth") == (wrong[0], wrong[1]["account relay"][0]["found"])
    assert () == tuple(sent)


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("sendgrid", "GET", "/v3/scopes"),
        ("mandrill", "POST", "/api/1.0/users/ping2.json"),
        ("postmark", "GET", "/server"),
        ("resend", "GET", "/domains"),
        ("mailgun", "POST", "/v3/mail.example.org/messages"),
        ("ses", "GET", "/v2/email/account"),
    ],
)
def test_a_provider_is_asked_what_does_nothing(kind: str, method: str, path: str) -> None:
    """With the account's credentials, and nobody to send to."""
    request = question(made(kind))
    assert isinstance(request, Request)

    assert (method, f"https://provider.test{path}") == (request.method, request.url)
    assert b"@" not in request.body
    assert KEY in str(
        (request.headers, request.body, request.signed_by and request.signed_by.secret_access_key)
    ) or (kind == "mailgun" and "Basic" in request.headers["Authorization"])


@pytest.mark.parametrize(
    ("kind", "response", "word"),
    [
        ("sendgrid", Response(200, b'{"scopes":["mail.send"]}'), "good"),
        ("sendgrid", Response(200, b'{"scopes":["stats.read"]}'), "refused"),
        ("sendgrid", Response(401, b'{"errors":[{"message":"authorization required"}]}'), "refused"),
        ("sendgrid", Response(502, b"<html>"), "unclear"),
        ("mandrill", Response(200, b'{"PING":"PONG!"}'), "good"),
        (
            "mandrill",
            Response(401, b'{"status":"error","code":-1,"name":"Invalid_Key","message":"x"}'),
            "refused",
        ),
        ("postmark", Response(200, b'{"ID":1}'), "good"),
        ("postmark", Response(401, b'{"ErrorCode":10,"Message":"x"}'), "refused"),
        ("resend", Response(200, b'{"data":[]}'), "good"),
        ("resend", Response(401, b'{"statusCode":401,"name":"restricted_api_key","message":"x"}'), "good"),
        ("resend", Response(403, b'{"statusCode":403,"name":"invalid_api_key","message":"x"}'), "refused"),
        ("mailgun", Response(400, b'{"message":"from parameter is missing"}'), "good"),
        ("mailgun", Response(401, b"Forbidden"), "refused"),
        ("ses", Response(200, b'{"SendingEnabled":true,"ProductionAccessEnabled":true}'), "good"),
        ("ses", Response(200, b'{"SendingEnabled":true,"ProductionAccessEnabled":false}'), "unclear"),
        ("ses", Response(200, b'{"SendingEnabled":false}'), "refused"),
        ("ses", Response(403, b"{}", {"x-amzn-errortype": "AccessDeniedException"}), "good"),
        ("ses", Response(403, b"{}", {"x-amzn-errortype": "UnrecognizedClientException"}), "refused"),
    ],
)
def test_what_a_provider_answers_is_understood(kind: str, response: Response, word: str) -> None:
    """Good, refused, or nobody can tell."""
    assert word == answer(made(kind), response).word
