"""Where the gateway is, and with which API key: told, configured, or found.

In this order: options, environment, configuration file, what ``make run`` left behind.  A key out of a
file is sent to the URL in that file and to no other.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pillarbox.failures import MISUSED, Failure

DEFAULT_URL: Final = "http://127.0.0.1:8080"
URL: Final = "PILLARBOX_URL"
API_KEY: Final = "PILLARBOX_API_KEY"
CONFIG: Final = "PILLARBOX_CONFIG"

RUN_FILE: Final = Path("var/run.json")
"""Where ``make run`` says how to reach it, under the folder that it runs in."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway and a key for it, if there is one."""

    url: str
    api_key: str | None = field(default=None, repr=False)


def find_place(url: str | None, api_key: str | None) -> Place:
    """Complete what the options say.

    Raises:
        Failure: The URL is none, or the configuration file cannot be read.
    """
    key = api_key or os.environ.get(API_KEY) or None
    chosen = url or os.environ.get(URL) or None
    for found in _found():
        if chosen is None:
            chosen = found.url
        if key is None and found.url == chosen.rstrip("/"):
            key = found.api_key
    return Place(_checked(chosen or DEFAULT_URL), key)


def configuration_file() -> Path:
    """Where the user may write the URL and the key down."""
    if given := os.environ.get(CONFIG):
        return Path(given)
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "pillarbox" / "config.toml"


def _found() -> Iterator[Place]:
    configured = _configured(configuration_file())
    if configured is not None:
        yield configured
    for folder in (Path.cwd(), *Path.cwd().parents):
        running = _running(folder / RUN_FILE)
        if running is not None:
            yield running


def _configured(path: Path) -> Place | None:
    try:
        told = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failure(f"{path}: {error}", MISUSED) from None
    if told.keys() - {"url", "api_key"} or not all(isinstance(value, str) for value in told.values()):
        raise Failure(f"{path}: may hold url and api_key, both texts", MISUSED)
    return _place(told)


def _running(path: Path) -> Place | None:
    """Read what ``make run`` left: only our own file, and only for this machine."""
    try:
        if path.stat().st_uid != os.getuid():
            return None
        told = json.loads(path.read_text())
        place = _place({"url": told["url"], "api_key": told["api_key"]})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return place if urlsplit(place.url).hostname in _LOOPBACK else None


def _place(told: dict[str, Any]) -> Place:
    return Place(str(told.get("url", DEFAULT_URL)).rstrip("/"), told.get("api_key"))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise Failure(
            "The gateway's URL must look like https://mail.example.com (--url, PILLARBOX_URL)", MISUSED
        )
    return url.rstrip("/")
