"""Which version this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The version that was installed."""
    return metadata.version("pillarbox")
