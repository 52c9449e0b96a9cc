"""Signatures are those that Amazon computes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.mailer.providers.base import AwsCredentials, Request
from services.mailer.signing import signed

BY = AwsCredentials(
    access_key_id="AKIDEXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    region="us-east-1",
    service="service",
)
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
"""Credentials and moment of the test suite that Amazon published for Signature Version 4."""

URL = "https://example.amazonaws.com/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("request_", "names", "signature"),
    [
        pytest.param(
            Request(URL, b"", method="GET"),
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            Request(URL, b""),
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            Request(f"{URL}?Param2=value2&Param1=value1", b"", method="GET"),
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            Request(URL, b"Param1=value1", FORM),
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
    ],
)
def test_published_examples_are_signed_as_published(request_: Request, names: str, signature: str) -> None:
    """The cases of Amazon's own test suite, by their names in it."""
    headers = signed(replace(request_, signed_by=BY), AT).headers

    assert "20150830T123600Z" == headers["X-Amz-Date"]
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_the_moment_is_told_in_utc() -> None:
    """The same moment in another zone gives the same signature."""
    request = Request(URL, b"", signed_by=BY)
    elsewhere = AT.astimezone(timezone(timedelta(hours=-7)))

    assert signed(request, AT) == signed(request, elsewhere)


def test_a_session_token_is_sent_and_signed() -> None:
    """Temporary credentials are worth nothing without their token."""
    by = replace(BY, session_token="the-token")
    headers = signed(Request(URL, b"", signed_by=by), AT).headers

    assert "the-token" == headers["X-Amz-Security-Token"]
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in headers["Authorization"]


def test_a_request_for_nobody_to_sign_stays_as_it_is() -> None:
    """Other providers know no signatures."""
    request = Request(URL, b"{}", {"Authorization": "Bearer x"})

    assert request is signed(request, AT)


def test_a_signed_request_is_not_signed_again() -> None:
    """It is complete, and holds no secret any more."""
    once = signed(Request(URL, b"", signed_by=BY), AT)

    assert once is signed(once, AT + timedelta(hours=1))
    assert BY.secret_access_key not in str((once, dict(once.headers)))


def test_those_who_do_not_sign_do_not_load_the_signer() -> None:
    """A worker without Amazon SES starts without a third of a second of Amazon's code."""
    code = "import sys, services.mailer.signing; print('botocore' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False" == run.stdout.strip()
