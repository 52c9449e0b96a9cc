"""The embedded broker: kombu's filesystem transport, with messages that appear whole.

kombu opens a message file under its final name and then writes it; a consumer that lists the
folder in between reads half a message and dies of it.  Here the file is renamed into place.
"""

from __future__ import annotations

import os
import time
import uuid
from json import dumps
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem


class Channel(filesystem.Channel):
    """Puts a message with one atomic rename (POSIX ``rename``)."""

    def _put(self, queue: str, payload: dict[str, Any], **_: object) -> None:
        folder = Path(self.data_folder_out)
        name = f"{time.monotonic_ns():020d}_{uuid.uuid4()}"  # consumers take names in order
        half = folder / f"{name}.half"
        half.write_text(dumps(payload))
        os.replace(half, folder / f"{name}.{queue}.msg")  # noqa: PTH105 - one call, no second stat


class Transport(filesystem.Transport):
    """kombu's filesystem transport with the channel above."""

    Channel = Channel


def install() -> None:
    """Make ``filesystem://`` mean this transport, in this process."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
