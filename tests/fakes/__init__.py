"""Fakes of the providers, faithful where mail could be lost or sent twice."""

from __future__ import annotations

from tests.fakes.esp import FakeESP
from tests.fakes.fake import Fake
from tests.fakes.mailgun import FakeMailgun
from tests.fakes.mandrill import FakeMandrill
from tests.fakes.postmark import FakePostmark
from tests.fakes.resend import FakeResend
from tests.fakes.sendgrid import FakeSendGrid
from tests.fakes.ses import FakeSes
from tests.fakes.smtp import FakeSmtp

HTTP_FAKES: dict[str, type[FakeESP]] = {
    FakeSendGrid.kind: FakeSendGrid,
    FakeMandrill.kind: FakeMandrill,
    FakePostmark.kind: FakePostmark,
    FakeResend.kind: FakeResend,
    FakeMailgun.kind: FakeMailgun,
    FakeSes.kind: FakeSes,
}
FAKES: dict[str, type[Fake]] = {**HTTP_FAKES, FakeSmtp.kind: FakeSmtp}

__all__ = [
    "FAKES",
    "HTTP_FAKES",
    "Fake",
    "FakeESP",
    "FakeMailgun",
    "FakeMandrill",
    "FakePostmark",
    "FakeResend",
    "FakeSendGrid",
    "FakeSes",
    "FakeSmtp",
]
