"""What tests from an attacker's place have in common."""

from __future__ import annotations

from tests.flow.conftest import (
    prepared_sqlite,  # noqa: F401 - fixtures, which pytest finds here by name
    sendgrid,  # noqa: F401
)
