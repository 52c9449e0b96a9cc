"""Fakes of the providers' HTTP interfaces, faithful where mail could be lost or sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.mandrill import FakeMandrill
from tests.fakes.sendgrid import FakeSendGrid

if TYPE_CHECKING:
    from tests.fakes.esp import FakeESP

FAKES: dict[str, type[FakeESP]] = {FakeSendGrid.kind: FakeSendGrid, FakeMandrill.kind: FakeMandrill}

__all__ = ["FAKES", "FakeMandrill", "FakeSendGrid"]
