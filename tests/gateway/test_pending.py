"""How reports are acknowledged once they are recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.gateway.recording.pending import all_at_once, one_by_one


@dataclass(eq=False)
class Channel:
    """Remembers what is acknowledged on it: up to which delivery tag, or which."""

    acknowledged: list[tuple[int, bool]] = field(default_factory=list)


@dataclass
class Delivery:
    """As kombu hands it over."""

    channel: Channel
    tag: int

    def ack(self, *, multiple: bool = False) -> None:
        self.channel.acknowledged.append((self.tag, multiple))


def test_rabbitmq_is_told_once_for_each_channel() -> None:
    """The last one stands for all before it, on its channel and on no other."""
    events, alarms = Channel(), Channel()

    all_at_once([Delivery(events, 4), Delivery(alarms, 1), Delivery(events, 5), Delivery(events, 7)])

    assert [(7, True)] == events.acknowledged
    assert [(1, True)] == alarms.acknowledged


def test_other_brokers_are_told_of_each() -> None:
    """They know no other way."""
    events = Channel()

    one_by_one([Delivery(events, 4), Delivery(events, 5)])

    assert [(4, False), (5, False)] == events.acknowledged
