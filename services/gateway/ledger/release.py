"""The last look at a scheduled message before it leaves: may its recipients still be written to?

They were asked about when the message was accepted, perhaps a year ago.  The rules are those of an
acceptance; what they change is written in the transaction that takes the message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.gateway.entries import Draft, read_signature
from services.gateway.ledger.deposit import Entry
from services.gateway.ledger.schema import events, messages, moment_in, suppressions
from services.gateway.states import progress
from shared.signatures import Event
