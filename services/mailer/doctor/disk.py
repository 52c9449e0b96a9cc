"""How much room there is where files are written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from services.mailer.doctor.finding import Finding

_LITTLE: Final = 1_000_000_000
_TOO_LITTLE: Final = 100_000_000


def room(check: str, folder: Path) -> Finding:
    """Look at the file system of a folder, which need not be there yet."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(check, "failed", f"{there} may not be written to", "Give its user the right to.")
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free at {folder}"
    if free < _TOO_LITTLE:
        return Finding(check, "failed", said, "Make room: without it nothing more is delivered.")
    if free < _LITTLE:
        return Finding(check, "warning", said, "Make room before it is used up.")
    return Finding(check, "ok", said)
