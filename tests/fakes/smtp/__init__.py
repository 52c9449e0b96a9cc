"""A mail server that takes everything over and delivers nothing: aiosmtpd, and what can go wrong."""

from __future__ import annotations

from tests.fakes.smtp.fake import FakeSmtp
from tests.fakes.smtp.stages import STAGES, Stage, at, babble

__all__ = ["STAGES", "FakeSmtp", "Stage", "at", "babble"]
