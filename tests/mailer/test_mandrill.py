"""Mandrill's own ways."""

from __future__ import annotations

import pytest

from services.mailer.outcome import Accepted, Suppressed
from services.mailer.providers.mandrill import Mandrill
from shared.signatures import Address
from tests.fakes import FakeMandrill
from tests.mailer.limits.values import people
from tests.mailer.made import KEY, made
from tests.mailer.places import post
from tests.mailer.samples import PLAIN, message


async def test_refused_recipients_are_told_from_a_refused_message() -> None:
    """All on its list is suppressed; one through is accepted with that one's id, and it says so."""
    async with FakeMandrill(api_key=KEY) as fake:
        provider = made("mandrill", fake.base_url)
        blocked = Address(email="reject@test.mandrillapp.com")
        alone = provider.read(await post(provider.build(message(to=(blocked,)))))
        mixed = provider.read(await post(provider.build(message(to=(blocked, *PLAIN.to)))))

    assert Suppressed("refused: hard-bounce") == alone
    some = "not sent to 1 of 2 recipients: hard-bounce"
    assert Accepted(fake.record[0].provider_message_id, some) == mixed


@pytest.mark.parametrize(("recipients", "preserved"), [(1, b"false"), (2, b"true")])
def test_mandrill_makes_one_message_of_several_recipients(recipients: int, preserved: bytes) -> None:
    """Otherwise each recipient gets a copy that hides the others, Cc included."""
    body = Mandrill(KEY).build(message(to=people(recipients))).body

    assert b'"preserve_recipients":' + preserved in body
    assert b'"async":false' in body
