"""Every failpoint of the gateway, and what is true at it; behind it its rows in docs/reliability.md."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

FAILPOINTS: Final = MappingProxyType(
    {
        "g.before_insert": "the request is checked, and nothing is stored (G2)",
        "g.before_commit": "everything is stored, inside a transaction that is still open (G3)",
        "g.after_commit": "it is committed, and neither the relay nor the caller knows (G4)",
        "g.before_response": "it is committed and with the relay, and no byte of the answer has left (G6)",
        "r.before_publish": "in the relay's thread, and nothing is published (R3)",
        "r.after_publish": "the broker has confirmed, and nothing is noted (R1)",
        "r.before_mark": "the confirms are about to be noted in the ledger (R1)",
        "s.after_take": "the sweeper has taken rows, and the relay has none of them (R2)",
        "e.before_record": "the recorder has reports, and nothing of them is in the ledger (D1)",
        "e.before_ack": "the reports are in the ledger, and the broker does not know (R1)",
        "h.after_take": "webhooks are taken from the ledger, and none is published (R2)",
    }
)
