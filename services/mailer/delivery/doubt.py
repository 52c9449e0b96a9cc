"""An attempt in doubt: it may have sent, and its answer was lost.

It is resolved in the order of certainty.  A provider that honours idempotency keys is asked again
with the same key.  One that can be searched is searched, once what it took is certainly found.
Otherwise the message's own ``on_uncertain`` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.mailer.accounts.account import Account
from services.mailer.accounts.routes import Routes
from services.mailer.claims.claims import InDoubt
from services.mailer.delivery.consequence import Patience, held
from services.mailer.delivery.ports import NoAnswerError, NotSentError, Transport
from services.mailer.outcome import reason
from services.mailer.providers.base import Absent, Finding, Found, Searchable, Unclear
from shared.signatures import SendEmail

_CLOCKS_APART = timedelta(hours=1)
"""How far our clock and the provider's may differ."""


@dataclass(frozen=True, slots=True)
class Again:
    """Ask the same account once more, with the same key."""

    account: Account


@dataclass(frozen=True, slots=True)
class Free:
    """The message may be sent, by any account; ``doubts`` of its attempts may have sent it already."""

    doubts: int


@dataclass(frozen=True, slots=True)
class Later:
    """It cannot be said yet."""

    wait: float
    reason: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """Only a human can say."""

    reason: str


Resolution = Again | Free | Later | Stuck | Found


@dataclass(frozen=True, slots=True)
class Doubts:
    """Resolves doubts, with the accounts there are."""

    routes: Routes
    transport: Transport
    patience: Patience

    async def resolve(self, message: SendEmail, claim: InDoubt) -> Resolution:
        """Say what can be known of the attempt in doubt, and what follows."""
        account = self.routes.account(claim.provider)
        if account is not None:
            window = account.traits.key_window
            if window is not None and claim.asked + self.patience.lease < window:
                return Again(account)
            if isinstance(account.provider, Searchable):
                return await self._search(message, claim, account.provider, account.traits.settle_delay)
        return self._decide(message, claim.doubts)

    async def _search(
        self, message: SendEmail, claim: InDoubt, provider: Searchable, settle_delay: float
    ) -> Resolution:
        if (rest := settle_delay - claim.quiet) > 0:
            return Later(rest, "It is too early to search the provider for it.")
        match await self._ask(message, claim, provider):
            case Found() as found:
                return found
            case Absent():
                return self._decide(message, claim.elsewhere) if claim.elsewhere else Free(0)
            case Unclear(because):
                wait = self.patience.backoff.lasting(claim.quiet - settle_delay)
                return Later(wait, reason("search_failed", because))

    async def _ask(self, message: SendEmail, claim: InDoubt, provider: Searchable) -> Finding:
        since = datetime.now(UTC) - timedelta(seconds=claim.age) - _CLOCKS_APART
        try:
            response = await self.transport.perform(provider.build_search(message, since))
        except (NotSentError, NoAnswerError) as error:
            return Unclear(str(error))
        return provider.read_search(response, message)

    def _decide(self, message: SendEmail, doubts: int) -> Resolution:
        if held(message.on_uncertain, doubts, self.patience):
            return Stuck("Nobody can tell whether the provider took it.")
        return Free(doubts)
