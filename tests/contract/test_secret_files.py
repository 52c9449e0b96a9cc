"""Secrets in files, as Kubernetes projects them, in both services."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from services.gateway import secret_files as gateway_files
from services.gateway import settings as gateway
from services.mailer import secret_files as mailer_files
from services.mailer import settings as mailer
from services.mailer.account_settings import PostmarkAccount

VALUE = "amqp://user:correct-horse-battery-staple@mq/pillarbox"
SERVICES = (gateway, mailer)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that both services are told of, and an otherwise empty environment."""
    for name in {*gateway.Settings.model_fields, *mailer.Settings.model_fields}:
        monkeypatch.delenv(f"PILLARBOX_{name.upper()}", raising=False)
    monkeypatch.setenv(gateway_files.VARIABLE, str(tmp_path))
    return tmp_path


def project(folder: Path, **files: str) -> None:
    """Lay files as the kubelet does: links to links into a hidden folder."""
    (hidden := folder / "..2026_01_01").mkdir()
    (folder / "..data").symlink_to(hidden.name)
    for name, text in files.items():
        (hidden / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")


def test_both_services_read_alike() -> None:
    """They share no code, but this much of it."""
    assert Path(gateway_files.__file__).read_text() == Path(mailer_files.__file__).read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_comes_from_the_file_of_its_name(service: ModuleType, folder: Path) -> None:
    """Without the newline that editors leave at its end."""
    project(folder, PILLARBOX_BROKER_URL=f"{VALUE}\n", PILLARBOX_SOMEBODY_ELSES="ignored")
    settings = service.load()

    assert VALUE == settings.broker_url.get_secret_value()
    assert folder == settings.secrets_directory


@pytest.mark.parametrize("service", SERVICES)
def test_the_environment_goes_before_the_files(
    service: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody says by hand counts."""
    project(folder, PILLARBOX_BROKER_URL="filesystem://elsewhere")
    monkeypatch.setenv("PILLARBOX_BROKER_URL", VALUE)

    assert VALUE == service.load().broker_url.get_secret_value()


def test_an_account_may_have_its_key_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of it stands in the environment."""
    project(folder, PILLARBOX_PROVIDERS__MAIN__SERVER_TOKEN="token")
    monkeypatch.setenv("PILLARBOX_PROVIDER", "main")
    monkeypatch.setenv("PILLARBOX_PROVIDERS__MAIN__KIND", "postmark")
    account = mailer.load().providers["main"]

    assert isinstance(account, PostmarkAccount)
    assert "token" == account.server_token.get_secret_value()


@pytest.mark.parametrize("service", SERVICES)
def test_a_placeholder_is_refused_by_its_name(service: ModuleType, folder: Path) -> None:
    """Every one of them at once, whatever it stands for; and no value is shown."""
    project(folder, PILLARBOX_BROKER_URL="amqp://user:REPLACE-ME@mq/pillarbox", PILLARBOX_X="REPLACE-ME")
    expected = [f"PILLARBOX_{name}: is still the placeholder of the example" for name in ("BROKER_URL", "X")]
    with pytest.raises(SystemExit) as told:
        service.load()

    assert expected == str(told.value).splitlines()


@pytest.mark.parametrize("service", SERVICES)
def test_a_folder_that_is_not_there_is_refused(service: ModuleType, folder: Path) -> None:
    """A volume that was not mounted is no reason to run with the defaults."""
    folder.rmdir()

    with pytest.raises(
        SystemExit, match=r"^PILLARBOX_SECRETS_DIRECTORY: cannot be read \(FileNotFoundError\)$"
    ):
        service.load()


@pytest.mark.parametrize("service", SERVICES)
def test_a_file_that_is_no_text_is_refused(service: ModuleType, folder: Path) -> None:
    """Nobody guesses an encoding."""
    (folder / "PILLARBOX_BROKER_URL").write_bytes(b"\xff\xfe")

    with pytest.raises(SystemExit, match=r"\(UnicodeDecodeError\)$"):
        service.load()


@pytest.mark.parametrize("service", SERVICES)
def test_an_unusable_value_is_refused_by_the_name_of_its_file(service: ModuleType, folder: Path) -> None:
    """As if it were a variable."""
    project(folder, PILLARBOX_LOG_LEVEL="LOUD")

    with pytest.raises(SystemExit, match=r"^PILLARBOX_LOG_LEVEL: "):
        service.load()
