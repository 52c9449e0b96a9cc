"""Secrets in files: a folder whose files are named like the variables of the environment.

A secret in the environment is inherited by every child process and shows in every dump of it; a file in
memory that only the service's user may read does not.  Kubernetes projects a Secret as such a folder:
https://kubernetes.io/docs/concepts/storage/projected-volumes/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

VARIABLE = "PILLARBOX_SECRETS_DIRECTORY"

PLACEHOLDER = "REPLACE-ME"
"""Stands in the example for every value that is nobody else's to know."""


class SecretFilesError(SettingsError):
    """The folder cannot be used; the message names it or the file, and no value."""


class SettingsWithSecretFiles(BaseSettings):
    """Settings that are read from the environment, and from files where it does not have them."""

    model_config = SettingsConfigDict(use_attribute_docstrings=True)

    secrets_directory: Path | None = None
    """Folder whose files are named like variables and hold their values; the environment goes before them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - knows no nested settings
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the files."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class _SecretFiles(EnvSettingsSource):
    """Reads files as if they were variables, nested names and JSON included."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        folder = os.environ.get(VARIABLE)
        return {name.lower(): value for name, value in _read(Path(folder)).items()} if folder else {}


def _read(folder: Path) -> dict[str, str]:
    try:
        # Kubernetes keeps the files in hidden folders, and links to them.
        files = [file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file()]
        values = {file.name: file.read_text("utf-8").strip() for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise SecretFilesError(f"{VARIABLE}: cannot be read ({type(error).__name__})") from None
    if replaceable := sorted(name for name, value in values.items() if PLACEHOLDER in value):
        raise SecretFilesError(
            "\n".join(f"{name}: is still the placeholder of the example" for name in replaceable)
        )
    return values
