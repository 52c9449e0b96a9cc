"""What the mailer tells of a message's trace: the claim, each attempt, and the provider's answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from opentelemetry.trace import SpanKind, StatusCode, Tracer

from services.mailer.claims.claims import Claim, Claims, ClaimsStore, Wish
from services.mailer.delivery.attempting import Attempt, Attempting
from services.mailer.delivery.ports import Transport
from services.mailer.outcome import Accepted, Outcome, Suppressed
from services.mailer.tracing.exporting import Exporting, open_exporting
from services.mailer.tracing.requests import TracedTransport


@dataclass(frozen=True, slots=True)
class Tracing:
    """Makes spans; ``system`` is the broker's kind, as OpenTelemetry calls it."""

    exporting: Exporting
    system: str

    @classmethod
    def of_environment(cls, system: str) -> Self | None:
        """Set it up by ``OTEL_…``; None if these want no traces.

        Raises:
            ValueError: One of them is not usable.
        """
        exporting = open_exporting("pillarbox-mailer")
        return None if exporting is None else cls(exporting, system)

    @property
    def tracer(self) -> Tracer:
        """The SDK's."""
        return self.exporting.provider.get_tracer("pillarbox.mailer")

    def claims(self) -> partial[TracedClaims]:
        """What to make claims with."""
        return partial(TracedClaims, tracer=self.tracer)

    def attempting(self) -> partial[TracedAttempting]:
        """What to make attempts with."""
        return partial(TracedAttempting, tracer=self.tracer)

    def transport(self, transport: Transport) -> Transport:
        """Make it tell of its requests."""
        return TracedTransport(transport, self.tracer)


class TracedClaims(Claims):
    """Claims that tell of each that is taken; they are committed together, so most of it is waiting."""

    def __init__(
        self, store: ClaimsStore, *, on_done: Callable[[str, float], object], tracer: Tracer
    ) -> None:
        super().__init__(store, on_done=on_done)
        self._tracer = tracer

    async def take(self, wish: Wish) -> Claim:
        """See :meth:`.Claims.take`."""
        with self._tracer.start_as_current_span("claim", record_exception=False) as span:
            claim = await super().take(wish)
            span.set_attribute("pillarbox.claim", type(claim).__name__.lower())
            return claim


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedAttempting(Attempting):
    """Makes attempts, each of which has a span."""

    tracer: Tracer

    async def ask(self, attempt: Attempt) -> tuple[Outcome, bool]:
        """See :meth:`.Attempting.ask`."""
        attributes: dict[str, str | int] = {
            "pillarbox.message.id": str(attempt.message.message_id),
            "pillarbox.lane": str(attempt.message.lane),
            "pillarbox.series": attempt.message.series,
            "pillarbox.attempt": attempt.number,
            "pillarbox.account": attempt.account.name,
        }
        with self.tracer.start_as_current_span(
            "attempt", kind=SpanKind.INTERNAL, attributes=attributes, record_exception=False
        ) as span:
            outcome, may_go = await Attempting.ask(self, attempt)
            span.set_attribute("pillarbox.outcome", type(outcome).__name__.lower())
            if not isinstance(outcome, Accepted | Suppressed):
                span.set_attribute("error.type", type(outcome).__name__.lower())
                span.set_status(StatusCode.ERROR)
            return outcome, may_go
