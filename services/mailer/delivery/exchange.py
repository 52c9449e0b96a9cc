"""One exchange with a provider: build, perform, read; whatever goes wrong, an outcome comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from services.mailer import failpoints
from services.mailer.accounts.account import Account
from services.mailer.accounts.routes import Place
from services.mailer.delivery.consequence import SOON
from services.mailer.delivery.ports import UNWATCHED, NoAnswerError, NotSentError, Transport, Watch
from services.mailer.outcome import Deferred, Outcome, Trouble, Uncertain, reason
from services.mailer.providers.base import Batchable, Outgoing, Response
from services.mailer.providers.hints import allowance
from shared.signatures import Lane, SendEmail


class TooLateError(Exception):
    """This process was frozen: somebody else may hold the claim by now, so nothing has left."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Performs attempts, and tells the account what came of its requests.

    ``freshness`` is how many seconds a claim may be old when a request leaves.
    """

    transport: Transport
    freshness: float
    watch: Watch = UNWATCHED

    async def attempt(self, place: Place, message: SendEmail, begun: float) -> Outcome:
        """Hand one message over, of which an attempt was written down at ``begun`` (monotonic).

        Raises:
            UnsupportedError: This provider cannot carry the message; nothing has left.
            TooLateError: Nothing has left.
        """
        account = place.account
        if place.group is None:
            return await self._alone(account, begun, message)
        account.provider.build(message)  # whoever cannot be carried must not come to the others
        outcome = await place.group.exchange(message, begun, partial(self._together, account))
        if not _was_refused_as_one(outcome):
            return outcome
        return await self._after_all(account, begun, message)

    async def _alone(self, account: Account, begun: float, message: SendEmail) -> Outcome:
        provider = account.provider
        request = provider.build(message)
        (outcome,) = await self._perform(account, request, begun, lambda answer: [provider.read(answer)], 1)
        return outcome

    async def _after_all(self, account: Account, begun: float, message: SendEmail) -> Outcome:
        """Hand a message over by itself whose group was refused, perhaps for another one's sake.

        Its group has ended by then: whatever happens here is a matter of this message alone.
        """
        if account.lobby is not None:
            account.lobby.goes_alone(message.message_id)
        try:
            async with asyncio.timeout(self.freshness - (time.monotonic() - begun)):
                await account.pace.turn(Lane.BULK)
        except Exception as error:  # noqa: BLE001 - no turn came, for whatever reason, and nothing has left
            return Deferred(reason("not_sent", type(error).__name__), SOON, Trouble.MESSAGE)
        return await self._alone(account, begun, message)

    async def _together(
        self, account: Account, messages: Sequence[SendEmail], begun: float
    ) -> Sequence[Outcome]:
        """Hand over what has met in the account's lobby; the oldest of the attempts began at ``begun``."""
        provider = account.provider
        if len(messages) == 1 or account.lobby is None or not isinstance(provider, Batchable):
            return [await self._alone(account, begun, message) for message in messages]
        try:
            request = provider.build_batch(messages)
        except Exception as error:  # noqa: BLE001 - too much, or a bug: each by itself is fine, as was seen
            return [_refused_as_one(type(error).__name__)] * len(messages)
        return await self._perform(
            account, request, begun, lambda answer: provider.read_batch(answer, messages), len(messages)
        )

    async def _perform(
        self,
        account: Account,
        request: Outgoing,
        begun: float,
        read: Callable[[Response], Sequence[Outcome]],
        members: int,
    ) -> Sequence[Outcome]:
        """Perform a request, if it is not too late for it, and give an outcome for each of its members."""
        if time.monotonic() - begun > self.freshness:
            raise TooLateError
        try:
            if failpoints.armed:
                await failpoints.reached("w.before_request")
            outcomes = await self._ask(account, request, read, members)
            if failpoints.armed:
                await failpoints.reached("w.after_response")
            # Fifty messages in one request are one failure, or one turn that was well used.
            for outcome in {(type(each), getattr(each, "trouble", None)): each for each in outcomes}.values():
                await account.note(outcome)
        except Exception as error:  # noqa: BLE001 - a bug, but one after which they may be sent
            doubt = Uncertain(reason("internal_error", type(error).__name__))
            await account.note(doubt)
            return [doubt] * members
        return outcomes

    async def _ask(
        self, account: Account, request: Outgoing, read: Callable[[Response], Sequence[Outcome]], members: int
    ) -> Sequence[Outcome]:
        began = time.monotonic()
        try:
            response = await self.transport.perform(request)
        except NotSentError as error:
            return [Deferred(reason("not_sent", error))] * members
        except NoAnswerError as error:
            return [Uncertain(reason("no_answer", error))] * members
        finally:
            self.watch.answered(account.name, time.monotonic() - began)
        account.allow(allowance(response.headers, account.traits.limit_window))
        return [outcome for outcome, _ in zip(read(response), range(members), strict=True)]


def _refused_as_one(because: str) -> Deferred:
    """The outcome of a member that has to be tried alone: see ``Batchable.read_batch``."""
    return Deferred(because, 0.0, Trouble.MESSAGE)


def _was_refused_as_one(outcome: Outcome) -> bool:
    return isinstance(outcome, Deferred) and outcome.trouble is Trouble.MESSAGE and outcome.retry_after == 0
