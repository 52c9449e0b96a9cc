"""The Node.js SDKs: installed as the lock file says, and called through one process, ``bridge.mjs``."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.servers.packages import UnavailableError, one_at_a_time, program, require

_FOLDER = Path(__file__).parent
_LOCK = _FOLDER / "package-lock.json"
_STAMP = _FOLDER / "node_modules" / ".installed"
_OLDEST = 18  # Debian 12's, and the first one with fetch


class ThrownError(Exception):
    """What an SDK threw."""

    def __init__(self, type_: str, message: str, code: int | None, response: Any) -> None:
        super().__init__(f"{type_}: {message} ({code})")
        self.type = type_
        self.code = code
        self.response = response


class Node:
    """A Node.js process that makes one call of an SDK after the other."""

    def __init__(self, log: Path, *, url: str | None, key: str | None, **environment: str) -> None:
        """Start it; without *url* or *key* the SDKs take theirs from the *environment*.

        Raises:
            UnavailableError: Node.js or the SDKs are not here and cannot be installed.
        """
        self._target: dict[str, str] = {
            name: value for name, value in (("url", url), ("key", key)) if value is not None
        }
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [installed(), str(_FOLDER / "bridge.mjs")],
                env={"PATH": os.environ["PATH"], **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)  # it ends with its input

    def result(self, method: str, *values: Any, key: str | None = None, then: str | None = None) -> Any:
        """What a method of ``resend`` resolves to: ``{data, error, headers}``; *then* is chained to it."""
        return self._call("resend", method, values, key, then=then)

    def data(self, method: str, *values: Any, key: str | None = None, then: str | None = None) -> Any:
        """The ``data`` of a call of ``resend`` that succeeds."""
        result = self.result(method, *values, key=key, then=then)
        assert result["error"] is None, result["error"]
        return result["data"]

    def error(self, method: str, *values: Any, key: str | None = None) -> dict[str, Any]:
        """The ``error`` of a call of ``resend`` that fails."""
        result = self.result(method, *values, key=key)
        assert result["data"] is None, result["data"]
        error: dict[str, Any] = result["error"]
        return error

    def sendgrid(self, mail: Mapping[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """The response that ``send`` of ``@sendgrid/mail`` resolves to.

        Raises:
            ThrownError: It was rejected.
        """
        response: dict[str, Any] = self._call("sendgrid", "send", [mail], key)
        return response

    def _call(self, sdk: str, method: str, values: Any, key: str | None, **more: Any) -> Any:
        target = self._target | ({} if key is None else {"key": key})
        call = {"sdk": sdk, "method": method, "values": values, **target, **more}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"Node.js ended:\n{self._log.read_text()[-4000:]}"
        answer = json.loads(line)
        if thrown := answer.get("thrown"):
            raise ThrownError(thrown["type"], thrown["message"], thrown.get("code"), thrown.get("response"))
        return answer["returned"]


def buffer(content: bytes) -> dict[str, str]:
    """Make an argument that arrives as a ``Buffer``."""
    return {"$bytes": b64encode(content).decode()}


def installed() -> str:
    """Make sure that the SDKs are here, and say where Node.js is.

    Raises:
        UnavailableError: Something is not here and cannot be installed; the message says what.
    """
    require("nodejs")
    require("npm")
    node, npm = str(program("node")), str(program("npm"))
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST:
        raise UnavailableError(f"Node.js {_OLDEST} or newer is needed, and this is {version.strip()}")
    lock = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    with one_at_a_time():
        if not _STAMP.exists() or _STAMP.read_text() != lock:
            _npm_ci(npm)
            _STAMP.write_text(lock)
    return node


def _npm_ci(npm: str) -> None:
    result = subprocess.run(
        [npm, "ci", "--ignore-scripts"],
        cwd=_FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        raise UnavailableError(f"npm ci failed in tests/sdks:\n{result.stdout[-2000:]}")
