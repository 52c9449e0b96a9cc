"""Whether a provider wrote it: genuine calls are read, and all others are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.gateway.provider_events.reader import Call, NotGenuineError, UnreadableError
from tests.gateway.provider_events.providers import (
    KEYS,
    NOW,
    PROVIDERS,
    Provider,
    events,
    mandrill_call,
    read,
    without,
)

EACH = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
SIGNING = [provider for provider in PROVIDERS.values() if provider.is_signed]
TIMED = [provider for provider in PROVIDERS.values() if provider.window]
SECOND = timedelta(seconds=1)


def names(providers: list[Provider]) -> list[str]:
    """Ids for tests."""
    return [provider.name for provider in providers]


@EACH
@pytest.mark.parametrize("key", ["right", "older"])
def test_a_genuine_call_is_read(provider: Provider, key: str) -> None:
    """By the current key, and by the one before it; of Amazon's signatures by both versions."""
    (event,) = events(provider, provider.genuine(key=key))

    assert provider.name == event.provider


@EACH
def test_a_call_by_another_key_is_refused(provider: Provider) -> None:
    """Whoever signs without knowing the key is nobody."""
    with pytest.raises(NotGenuineError, match="wrong"):
        events(provider, provider.genuine(key="wrong"))


@EACH
def test_a_call_that_is_repeated_is_read_again(provider: Provider) -> None:
    """By the same reader: the recorder knows what it has, and the provider wants a yes."""
    reader, call = provider.reader(), provider.genuine()

    assert read(reader, call) == read(reader, call)


@pytest.mark.parametrize("provider", SIGNING, ids=names(SIGNING))
def test_a_call_altered_by_one_byte_is_refused(provider: Provider) -> None:
    """Whichever byte of the event it is."""
    call = provider.genuine()
    start = max(call.body.find(b'"Message": "'), 0)
    end = call.body.find(b'", "Timestamp"') if start else len(call.body)
    for place in range(start, end):
        altered = bytearray(call.body)
        altered[place] ^= 1
        with pytest.raises((NotGenuineError, UnreadableError)):
            events(provider, replace(call, body=bytes(altered)))


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_signature_altered_by_one_byte_is_refused(provider: Provider) -> None:
    """Each header, and what stands for it in a body; the last bits of base64 may mean nothing."""
    call = provider.genuine()
    for name in provider.needed:
        value = call.headers[name]
        for place in range(len(value) - 4):
            altered = value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]
            if provider.name == "postmark" and altered.lower() == value.lower():
                continue
            if name == "svix-signature" and place < value.rindex(" "):
                continue  # one that is not ours anyway
            with pytest.raises(NotGenuineError):
                events(provider, replace(call, headers={**call.headers, name: altered}))


@pytest.mark.parametrize("field", ["timestamp", "token", "signature"])
def test_a_field_of_mailguns_signature_altered_by_one_byte_is_refused(field: str) -> None:
    """It stands in the body."""
    provider = PROVIDERS["mailgun"]
    call = provider.genuine()
    place = call.body.index(f'"{field}": "'.encode()) + len(field) + 5
    altered = bytearray(call.body)
    altered[place + 3] ^= 1
    with pytest.raises(NotGenuineError):
        events(provider, replace(call, body=bytes(altered)))


def test_a_signature_of_mailguns_serves_for_one_event_only() -> None:
    """It is not over the event, so another event under the same token is somebody else's."""
    provider = PROVIDERS["mailgun"]
    reader, call = provider.reader(), provider.genuine()
    read(reader, call)
    with pytest.raises(NotGenuineError, match="used"):
        read(reader, replace(call, body=call.body.replace(b"ann@", b"eve@")))


@pytest.mark.parametrize("provider", TIMED, ids=names(TIMED))
def test_a_stale_call_is_refused(provider: Provider) -> None:
    """One that is older than the provider would still repeat it; and one of the future."""
    assert provider.window is not None
    for at in (NOW - provider.window - SECOND, NOW + timedelta(minutes=5) + SECOND):
        with pytest.raises(NotGenuineError, match="stale"):
            events(provider, provider.genuine(at=at))


@pytest.mark.parametrize("provider", TIMED, ids=names(TIMED))
def test_a_call_just_within_the_window_is_read(provider: Provider) -> None:
    """As after a long outage of ours; a clock may be a little ahead."""
    assert provider.window is not None
    for at in (NOW - provider.window + SECOND, NOW + timedelta(minutes=5) - SECOND):
        assert events(provider, provider.genuine(at=at))


@pytest.mark.parametrize(
    ("provider", "header"),
    [(provider, header) for provider in PROVIDERS.values() for header in provider.needed],
    ids=[f"{provider.name} {header}" for provider in PROVIDERS.values() for header in provider.needed],
)
def test_a_call_without_a_header_is_refused(provider: Provider, header: str) -> None:
    """Each of them is needed."""
    with pytest.raises(NotGenuineError, match="missing"):
        events(provider, without(provider.genuine(), header))


@EACH
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"Type": 1}', b"&" * 100]
)
def test_nonsense_is_refused(provider: Provider, body: bytes) -> None:
    """Whatever strangers post."""
    headers = dict.fromkeys(provider.needed, "ö") | {"authorization": "Basic %"}
    for call in (Call({}, body), Call(headers, body), replace(provider.genuine(), body=body)):
        if provider.name == "postmark" and call.headers == provider.genuine().headers:
            continue
        with pytest.raises((NotGenuineError, UnreadableError)):
            events(provider, call)


def test_mandrill_may_try_the_address_before_there_is_a_key() -> None:
    """With no event, by a key that everybody knows; which is good for nothing else."""
    provider = PROVIDERS["mandrill"]
    forged = provider.call([provider.samples[0].event], NOW, "right")

    assert [] == events(provider, mandrill_call("[]", "test-webhook"))
    assert events(provider, forged)
    with pytest.raises(NotGenuineError):
        events(provider, mandrill_call('[{"event": "send"}]', "test-webhook"))


def test_mandrill_signs_its_url() -> None:
    """A call to another one is not ours."""
    provider = PROVIDERS["mandrill"]
    reader = replace(provider.reader(), url="https://elsewhere.example.com/")  # type: ignore[type-var]
    with pytest.raises(NotGenuineError):
        read(reader, provider.genuine())


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 40_000])
def test_mandrills_form_may_be_of_any_size(size: int) -> None:
    """It is decoded in pieces, and never between a percent sign and its digits."""
    call = mandrill_call(f'[{{"event": "{"é&+" * size}"}}]', KEYS["right"])

    assert not events(PROVIDERS["mandrill"], call)
