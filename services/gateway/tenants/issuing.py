"""Making and revoking API keys: whoever asks, and however."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog

from services.gateway import problems
from services.gateway.identifiers import new_message_id
from services.gateway.ledger.api_keys import ApiKeys
from services.gateway.problems import FieldError
from services.gateway.submission.api_key import ApiKeySubmission
from services.gateway.tenants import keys
from services.gateway.tenants.callers import Caller
from services.gateway.tenants.keyring import Keyring
from services.gateway.tenants.keys import NewKey

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Issuing:
    """Each method logs who did it, and raises :class:`LedgerUnavailableError` if nothing was done."""

    api_keys: ApiKeys
    keyring: Keyring

    async def make(self, maker: Caller, asked: ApiKeySubmission) -> NewKey:
        """Make a key; it may do no more than the one that makes it.

        Raises:
            Problem: 422, it asks for domains that its maker does not have.
        """
        key = keys.generate(new_message_id())
        domains = _domains(asked, maker)
        owner = Caller(maker.tenant, key.id, asked.permission, domains, maker.rate)
        await self.api_keys.create(owner, asked.name, key.digest)
        log.info("api_key.created", **_about(maker, key.id))
        return key

    async def revoke(self, revoker: Caller, key_id: UUID) -> None:
        """Revoke a key: here at once, in other gateways as soon as they ask the ledger again.

        Raises:
            Problem: 404, the tenant has no such key.
        """
        if not await self.api_keys.revoke(revoker.tenant, key_id):
            raise problems.not_found()
        self.keyring.forget(key_id)
        log.info("api_key.revoked", **_about(revoker, key_id))


def _domains(asked: ApiKeySubmission, maker: Caller) -> frozenset[str] | None:
    """The domains of the new key, which are some of its maker's."""
    if asked.domains is None:
        return maker.domains
    if maker.domains is not None:
        foreign = [index for index, domain in enumerate(asked.domains) if domain not in maker.domains]
        if foreign:
            message = "is not a domain of the API key that makes this one"
            raise problems.invalid_fields([FieldError(f"/domains/{index}", message) for index in foreign])
    return frozenset(asked.domains)


def _about(maker: Caller, key_id: UUID) -> dict[str, str]:
    """Fields of a log line about a key: which one it is, and whose key did it."""
    return {"tenant": maker.tenant, "key_id": str(key_id), "by": str(maker.key_id)}
