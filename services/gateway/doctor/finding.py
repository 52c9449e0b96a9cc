"""What a check has found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; holds no secret, no address and no text of a driver."""

    check: str
    status: Status
    found: str
    advice: str = ""
    """What to do about it; empty where nothing need be done."""
    service: str = "gateway"

    def as_json(self) -> str:
        """One line for a program."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def as_text(self) -> str:
        """One line for a person, or two."""
        advice = f"\n         → {self.advice}" if self.advice else ""
        return f"{self.status:<8} {self.check}: {self.found}{advice}"
