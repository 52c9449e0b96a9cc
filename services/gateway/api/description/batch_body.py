"""The body of a batch as one model; the handler looks at each e-mail on its own, to report it on its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, RootModel

from services.gateway.submission import limits
from services.gateway.submission.email import BatchItem


class EmailBatch(RootModel[Annotated[list[BatchItem], Field(min_length=1, max_length=limits.BATCH)]]):
    """E-mails to be sent."""
