"""One exchange with a provider: build, perform, read; whatever goes wrong, an outcome comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.mailer.accounts.account import Account
from services.mailer.accounts.lobby import Lobby
from services.mailer.accounts.pace import PausedError
from services.mailer.accounts.routes import Place
from services.mailer.delivery.consequence import SOON
from services.mailer.delivery.ports import NoAnswerError, NotSentError, Transport
from services.mailer.outcome import Deferred, Outcome, Trouble, Uncertain, reason
from services.mailer.providers.base import Batchable, Outgoing, Response
from services.mailer.providers.hints import allowance
from services.mailer.rates.rates import RatesUnavailableError
from shared.signatures import Lane, SendEmail


@dataclass(frozen=True, slots=True)
class Exchange:
    """Performs attempts; ``freshness`` is how many seconds a claim may be old when a request leaves."""

    transport: Transport
    freshness: float

    async def attempt(self, place: Place, message: SendEmail, begun: float) -> Outcome:
        """Hand one message over, of which an attempt was written down at ``begun`` (monotonic).

        Raises:
            UnsupportedError: This provider cannot carry the message; nothing has left.
        """
        account = place.account
        if place.group is None:
            return await self._alone(account, begun, message)
        account.provider.build(message)  # whoever cannot be carried must not come to the others
        return await place.group.exchange(message, begun, partial(self._together, account))

    async def _alone(self, account: Account, begun: float, message: SendEmail) -> Outcome:
        provider = account.provider
        answer = await self._perform(account, provider.build(message), begun)
        if not isinstance(answer, Response):
            return answer
        try:
            return provider.read(answer)
        except Exception as error:  # noqa: BLE001 - a bug, but one after which the message may be sent
            return Uncertain(reason("internal_error", type(error).__name__))

    async def _together(
        self, account: Account, messages: Sequence[SendEmail], begun: float
    ) -> Sequence[Outcome]:
        """Hand over what has met in the account's lobby; the oldest of the attempts began at ``begun``."""
        provider = account.provider
        if len(messages) == 1 or account.lobby is None or not isinstance(provider, Batchable):
            return [await self._alone(account, begun, message) for message in messages]
        answer = await self._perform(account, provider.build_batch(messages), begun)
        if not isinstance(answer, Response):
            return [answer] * len(messages)
        try:
            outcomes = provider.read_batch(answer, messages)
        except Exception as error:  # noqa: BLE001 - a bug, but one after which they may be sent
            return [Uncertain(reason("internal_error", type(error).__name__))] * len(messages)
        own = (
            self._own(account, account.lobby, begun, message, outcome)
            for message, outcome in zip(messages, outcomes, strict=True)
        )
        return await asyncio.gather(*own)

    async def _own(
        self, account: Account, lobby: Lobby, begun: float, message: SendEmail, outcome: Outcome
    ) -> Outcome:
        """A member's own outcome: it may have been refused for another one's sake, and goes alone then."""
        if not _was_refused_as_one(outcome):
            return outcome
        lobby.goes_alone(message.message_id)
        try:
            await account.pace.turn(Lane.BULK)
        except (PausedError, RatesUnavailableError) as error:
            return Deferred(reason("not_sent", type(error).__name__), SOON, Trouble.MESSAGE)
        return await self._alone(account, begun, message)

    async def _perform(self, account: Account, request: Outgoing, begun: float) -> Response | Outcome:
        """Perform a request, if it is not too late for it; an outcome where no answer came of it."""
        if time.monotonic() - begun > self.freshness:
            # This process was frozen meanwhile: somebody else may hold the claim by now.
            return Deferred("The mailer was too slow to begin.", SOON, Trouble.MESSAGE)
        try:
            response = await self.transport.perform(request)
        except NotSentError as error:
            return Deferred(reason("not_sent", error))
        except NoAnswerError as error:
            return Uncertain(reason("no_answer", error))
        except Exception as error:  # noqa: BLE001 - a bug, but one after which the message may be sent
            return Uncertain(reason("internal_error", type(error).__name__))
        account.allow(allowance(response.headers, account.traits.limit_window))
        return response


def _was_refused_as_one(outcome: Outcome) -> bool:
    """Whether a member of a batch has to be tried alone: see ``Batchable.read_batch``."""
    return isinstance(outcome, Deferred) and outcome.trouble is Trouble.MESSAGE and outcome.retry_after == 0
