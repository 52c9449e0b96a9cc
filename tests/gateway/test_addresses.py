"""Which e-mail addresses are taken, in which form, and which are refused and why."""

from __future__ import annotations

import itertools
import random

import pytest
from email_validator import EmailNotValidError, validate_email

from services.gateway.submission import addresses
from services.gateway.submission.addresses import AddressError, parse, render
from shared.signatures import Address

ACCEPTED = {
    "ann@example.com": Address(email="ann@example.com"),
    "Ann.B+tag_1-x@Mail.Example.COM": Address(email="Ann.B+tag_1-x@mail.example.com"),
    "INFO@example.com": Address(email="INFO@example.com"),
    "o'brien/x=y@example.com": Address(email="o'brien/x=y@example.com"),
    "50%off@example.com": Address(email="50%off@example.com"),
    "a@b.co": Address(email="a@b.co"),
    "_@example.museum": Address(email="_@example.museum"),
    "user@example.test": Address(email="user@example.test"),
    "user@sub.example": Address(email="user@sub.example"),
    "ann@münchen.example": Address(email="ann@xn--mnchen-3ya.example"),
    "ann@MÜNCHEN.example": Address(email="ann@xn--mnchen-3ya.example"),
    "ann@xn--mnchen-3ya.example": Address(email="ann@xn--mnchen-3ya.example"),
    "ann@straße.example": Address(email="ann@xn--strae-oqa.example"),
    "ann@例え.example": Address(email="ann@xn--r8jz45g.example"),
    "<ann@example.com>": Address(email="ann@example.com"),
    "Ann <ann@example.com>": Address(email="ann@example.com", name="Ann"),
    "Ann<ann@Example.com>": Address(email="ann@example.com", name="Ann"),
    "Acme Inc. & Söhne <a@example.com>": Address(email="a@example.com", name="Acme Inc. & Söhne"),
    "O'Brien <a@example.com>": Address(email="a@example.com", name="O'Brien"),
    "山田 <a@example.com>": Address(email="a@example.com", name="山田"),
    '"Doe, Jane" <jane@example.com>': Address(email="jane@example.com", name="Doe, Jane"),
    '"say \\"hi\\" \\\\ <x@y>" <a@example.com>': Address(email="a@example.com", name='say "hi" \\ <x@y>'),
    '"" <a@example.com>': Address(email="a@example.com"),
    "Rene\u0301 <a@example.com>": Address(email="a@example.com", name="Ren\u00e9"),
    "a" * 64 + "@example.com": Address(email="a" * 64 + "@example.com"),
}

SHAPE = "must look like"
ONE = "exactly one address"
CONTROL = "control characters"
LOCAL = "before the @"
DOMAIN = "domain that is not a valid name"
RESERVED = "mail cannot be sent to"
QUOTES = "put the name in double quotes"

REFUSED = {
    "": SHAPE,
    " ": SHAPE,
    "ann": SHAPE,
    "@example.com": SHAPE,
    "ann@": SHAPE,
    "@": SHAPE,
    "<>": SHAPE,
    "Ann <>": SHAPE,
    "ann@example.com>": SHAPE,
    "ann@example.com ": ONE,
    " ann@example.com": LOCAL,
    "ann @example.com": LOCAL,
    "ann@ example.com": ONE,
    # Forms that parsers read differently.
    '"ann"@example.com': "quoted local part",
    '"a@b"@example.com': "quoted local part",
    '"a b" <"c d"@example.com>': "quoted local part",
    "@relay.example,@b.example:ann@example.com": "source route",
    "<@relay.example:ann@example.com>": "source route",
    "ann(comment)@example.com": ONE,
    "(comment)ann@example.com": ONE,
    "ann@example.com(comment)": ONE,
    "ann@(comment)example.com": ONE,
    "ann@[127.0.0.1]": "not an IP address",
    "ann@[IPv6:::1]": "not an IP address",
    "ann@127.0.0.1": DOMAIN,
    "friends:ann@example.com;": ONE,
    "friends: ann@example.com, bob@example.com;": ONE,
    "ann@example.com,bob@example.com": ONE,
    "ann@example.com;bob@example.com": ONE,
    "ann@bob@example.com": ONE,
    "=?utf-8?q?ann?=@example.com": "encoded-words",
    "=?utf-8?q?Ann?= <ann@example.com>": "encoded-words",
    "=?x?q?=40=3e?=ann@example.com": "encoded-words",
    "relay.example!ann@example.com": "route",
    "ann%b.example%c.example@example.com": "route",
    "-ann@example.com": "begin with a hyphen",
    "-oQ/tmp/x@example.com": "begin with a hyphen",
    "änn@example.com": "not ASCII",
    "ann\u200b@example.com": "not ASCII",
    "ann\uff20example.com": SHAPE,
    # Dots and lengths.
    ".ann@example.com": LOCAL,
    "ann.@example.com": LOCAL,
    "a..n@example.com": LOCAL,
    "ann@example..com": DOMAIN,
    "ann@.example.com": DOMAIN,
    "ann@example.com.": DOMAIN,
    "ann@-example.com": DOMAIN,
    "ann@example-.com": DOMAIN,
    "ann@exa_mple.com": DOMAIN,
    "ann@example.c0m1": DOMAIN,
    "ann@ab--cd.example": DOMAIN,
    "ann@xn--a.example": DOMAIN,
    "ann@exa\u2488mple.com": DOMAIN,
    "ann@example": DOMAIN,
    "ann@test": "without a dot",
    f"{'a' * 65}@example.com": "at most 64",
    f"a@{'b' * 64}.example": DOMAIN,
    f"a@{'b.' * 126}com": "at most 254",
    "a" * 100_000: "at most 998",
    "a." * 50_000 + "@": "at most 998",
    "<" * 100_000: "at most 998",
    '"\\' * 50_000: "at most 998",
    # Domains that no mail goes to.
    "ann@printer.local": RESERVED,
    "ann@LOCALHOST": RESERVED,
    "ann@a.localhost": RESERVED,
    "ann@example.invalid": RESERVED,
    "ann@abc.onion": RESERVED,
    "ann@1.0.10.in-addr.arpa": RESERVED,
    # Display names.
    "Doe, Jane <jane@example.com>": QUOTES,
    "ann@example.com <eve@example.org>": QUOTES,
    "Ann (work) <ann@example.com>": QUOTES,
    '"Ann" B <ann@example.com>': QUOTES,
    '"Ann <ann@example.com>': QUOTES,
    '"a" "b" <ann@example.com>': QUOTES,
    "<eve@example.org> <ann@example.com>": QUOTES,
    "Ann <ann@example.com": ONE,
    "Ann <ann@example.com>>": ONE,
    "Ann <ann@example.com> x": ONE,
    "Ann [x] <ann@example.com>": QUOTES,
}

CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\ud800", "\udfff"]


def refusal(text: str) -> str:
    """Say why *text* is refused; fails if it is not."""
    with pytest.raises(AddressError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(("text", "expected"), ACCEPTED.items(), ids=repr)
def test_accepted(text: str, expected: Address) -> None:
    """These are read, the domain in lower-case A-labels, the local part as it was written."""
    assert expected == parse(text)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=lambda value: repr(value[:40]))
def test_refused(text: str, reason: str) -> None:
    """These are refused, each for its own reason."""
    assert reason in refusal(text)


@pytest.mark.parametrize("character", CONTROLS, ids=lambda character: f"U+{ord(character):04X}")
@pytest.mark.parametrize(
    "form",
    [
        "a{}b@example.com",
        "a@exa{}mple.com",
        "a@example.com{}",
        "{}a@example.com",
        "A{}b <a@example.com>",
        '"A{}b" <a@example.com>',
        "A <a@example.com>{}",
        "A <a@example.com{}>",
        "A <a{}@example.com>",
    ],
)
def test_control_characters_are_refused_everywhere(form: str, character: str) -> None:
    """No control character, line break or lone surrogate passes, wherever it stands."""
    assert CONTROL in refusal(form.format(character))


@pytest.mark.parametrize("text", [text for text in REFUSED if "ann" in text])
def test_refusals_do_not_repeat_the_address(text: str) -> None:
    """Reasons can be logged, because the address is not in them."""
    assert "ann" not in refusal(text).replace("cannot", "")


@pytest.mark.parametrize("address", ACCEPTED.values(), ids=repr)
def test_what_was_read_can_be_written_and_read_again(address: Address) -> None:
    """Writing and parsing are inverse."""
    assert address == parse(render(address))


@pytest.mark.parametrize("name", [" padded ", "a,b", 'a"b', "a\\", "<x@y>", "a;b:c", "Ann", "Dr. Who"])
def test_any_name_survives_the_way_out_and_in(name: str) -> None:
    """Names with special characters are quoted on the way out."""
    address = Address(email="ann@example.com", name=name)

    assert address == parse(render(address))


def everyday(text: str) -> bool:
    """Say whether the cheap test alone accepts this."""
    return addresses._EVERYDAY.fullmatch(text) is not None and len(text) <= 254


def library(text: str) -> bool:
    """Say whether email-validator accepts this, with the options that the slow path gives it."""
    try:
        validate_email(
            text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except EmailNotValidError:
        return False
    return True


def generated() -> list[str]:
    """Combine locals and domains around every edge, and add addresses made of random pieces."""
    labels = [
        "a",
        "A1",
        "1",
        "-a",
        "a-",
        "a-b",
        "a--b",
        "ab--c",
        "xn--a",
        "xn--mnchen-3ya",
        "",
        "a_b",
        "b" * 63,
    ]
    labels += ["b" * 64, "ü", "a b", "a\n"]
    tlds = [
        "com",
        "c",
        "co",
        "c1",
        "1c",
        "COM",
        "test",
        "Local",
        "localhost",
        "localhosts",
        "invalid",
        "arpa",
    ]
    tlds += ["onion", "onions", "example", "x-y", "", "com\n", "c" * 63, "c" * 64, "\u017focal", "loc\u212al"]
    users = [
        "a",
        "A.b",
        ".a",
        "a.",
        "a..b",
        "-a",
        "a-",
        "+",
        "_",
        "a" * 64,
        "a" * 65,
        "",
        "a@b",
        "ü",
        "a b",
        "a'b",
    ]
    users += ["a\n", "\u212a"]
    cases = [f"{u}@{label}.{t}" for u, label, t in itertools.product(users, labels, tlds)]
    cases += [f"a@{first}.{second}.com" for first, second in itertools.product(labels, repeat=2)]
    cases += [f"a@{'b' * 63}.{'b' * 63}.{'b' * 63}.{'b' * n}.com" for n in range(50, 64)]
    pieces = [
        "a",
        "Z",
        "9",
        ".",
        "-",
        "--",
        "_",
        "+",
        "@",
        "xn--",
        "com",
        "local",
        "test",
        "é",
        " ",
        "\n",
        "%",
    ]
    chance = random.Random(6376)
    cases += ["".join(chance.choices(pieces, k=chance.randint(3, 9))) for _ in range(4000)]
    return cases


def test_the_cheap_test_accepts_nothing_that_the_library_refuses() -> None:
    """Whoever passes by the everyday regular expression would have passed the library as well."""
    easy = [text for text in generated() if everyday(text)]

    assert [] == [text for text in easy if not library(text)]
    # Otherwise the comparison would be an empty one.
    assert len(easy) > 200


def test_the_cheap_test_and_the_library_give_the_same_address() -> None:
    """Both ways lead to the same spelling, except that the library lower-cases some local parts."""
    easy = {text for text in generated() if everyday(text)}
    found = {text: validate_email(text, check_deliverability=False, test_environment=True) for text in easy}

    assert {text: valid.ascii_email for text, valid in found.items()} == {
        text: parse(text).email for text in easy
    }


def test_everything_accepted_is_accepted_by_the_library() -> None:
    """No address gets through by any way that the library would not send to."""
    taken = []
    for text in generated():
        try:
            taken.append(parse(text).email)
        except AddressError:
            continue

    assert [] == [email for email in taken if not library(email)]
