"""What the gateway tells of a template before it is used; how it is rendered is in ``contract``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.gateway import templating
from services.gateway.templating import TemplateError, bounded, check, needed, render

BROKEN = "{% if a %}"
UNCLOSED = "line 3: expected tag endif, found end of expression"


@pytest.mark.parametrize(
    ("sources", "part"),
    [
        (("\n\n" + BROKEN, "", ""), "subject"),
        (("", "\n\n" + BROKEN, ""), "html"),
        (("", None, "\n\n" + BROKEN), "text"),
    ],
)
def test_an_error_tells_its_place(sources: tuple[str, str | None, str | None], part: str) -> None:
    """Part and line, in words and apart."""
    with pytest.raises(TemplateError) as refused:
        check(*sources)
    expected = (part, 3, "expected tag endif, found end of expression")
    error = refused.value

    assert expected == (error.part, error.line, error.reason)
    assert f"{part}, {UNCLOSED}" == str(error)


def test_an_error_without_a_line_names_the_part() -> None:
    """Where the whole of it is wrong."""
    with pytest.raises(TemplateError) as refused:
        check("s", None, "x" * (templating.SOURCE_LENGTH + 1))

    assert "text: is longer than 262,144 characters" == str(refused.value)


def test_an_error_is_short() -> None:
    """It does not repeat a source at length."""
    with pytest.raises(TemplateError) as refused:
        check("s", "{% " + "a" * 900 + " %}", None)

    assert len(refused.value.reason) <= 200


BLOCKS = {
    "#": "{% # note %}",
    "assign": "{% assign a = 1 %}",
    "break": "{% for i in (1..2) %}{% break %}{% endfor %}",
    "capture": "{% capture a %}{% endcapture %}",
    "case": "{% case 1 %}{% when 1 %}{% endcase %}",
    "comment": "{% comment %}{% endcomment %}",
    "continue": "{% for i in (1..2) %}{% continue %}{% endfor %}",
    "for": "{% for i in (1..2) %}{% endfor %}",
    "if": "{% if true %}{% elsif true %}{% else %}{% endif %}",
    "unless": "{% unless true %}{% endunless %}",
}


@pytest.mark.parametrize("tag", templating.TAGS)
def test_every_tag_can_be_used(tag: str) -> None:
    """That is said to be offered."""
    assert "s" == render("s" + BLOCKS[tag], None, None, {}).subject


ARGUMENTS = {
    **dict.fromkeys(("append", "prepend", "remove", "remove_first", "split"), "'x'"),
    **dict.fromkeys(("at_least", "at_most", "divided_by", "minus", "modulo", "plus", "times", "slice"), "1"),
    **dict.fromkeys(("replace", "replace_first"), "'x', 'y'"),
    **dict.fromkeys(("map", "where"), "'x'"),
    "date": "'%Y'",
}
LISTS = {"compact", "first", "last", "map", "where"}


@pytest.mark.parametrize("name", templating.FILTERS)
def test_every_filter_can_be_used(name: str) -> None:
    """That is said to be offered."""
    filtered = f"{name}: {ARGUMENTS[name]}" if name in ARGUMENTS else name
    value: object = [{"x": 1}] if name in LISTS else "2026-01-02" if name == "date" else "3"

    assert "s" == render(f"s{{% assign a = v | {filtered} %}}", None, None, {"v": value}).subject


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hello", set()),
        ("{{ a }} {{ b.c }} {{{ D }}}", {"a", "b", "D"}),
        ("{{ a | default: 'x' }}", set()),
        ("{{ a.b | upcase | default: 'x' }}", set()),
        ("{{ a | default: b }}", {"b"}),
        ("{{ a[b] | default: 1 }}", {"b"}),
        ("{{ a | default: 1 }}{{ a }}", {"a"}),
        ("{{ 'x' | append: a }}", {"a"}),
        ("{% if a and b == c %}{% elsif d %}{% endif %}{% unless e %}{% endunless %}", set("abcde")),
        ("{% case a %}{% when b, c %}{{ d }}{% else %}{{ e }}{% endcase %}", set("abcde")),
        (
            "{% for i in list limit: n %}{{ i.name }}{{ forloop.index }}{{ sum }}{% endfor %}",
            {"list", "n", "sum"},
        ),
        ("{% assign a = b %}{{ a }}{% capture c %}{{ d }}{% endcapture %}{{ c }}", {"b", "d"}),
        ("{{ a }}{% assign a = 1 %}", {"a"}),
        ("{% comment %}{{ a }}{% endcomment %}", set()),
    ],
)
def test_needed_variables(source: str, expected: set[str]) -> None:
    """The names that a template takes from outside, and cannot do without."""
    assert expected == needed("s", source, None)


def test_every_part_needs_variables() -> None:
    """And all are given together."""
    assert {"a", "b", "c"} == needed("{{ a }}", "{{ b }}", "{{ c }}{{ a }}")


def test_what_is_needed_suffices() -> None:
    """With these variables, and only with all of them, the template can be rendered."""
    source = "{{ a }}{% if b %}{{ c.d | default: 1 }}{% endif %}{% for i in e %}{{ i }}{% endfor %}"
    variables: dict[str, Any] = {"a": 1, "b": True, "e": [2, 3]}

    assert variables.keys() == needed("s", None, source)
    assert "1123" == render("s", None, source, variables).text
    for name in variables:
        with pytest.raises(TemplateError, match=f"text, line 1: the variable '{name}' is missing"):
            render("s", None, source, {key: value for key, value in variables.items() if key != name})


def nested(depth: int) -> Any:
    """An array in an array, and so on."""
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None, "f": [1, {"g": []}]},
        {"a": nested(7)},
        {"a": "x" * 65_528},
        {"a": "é" * 32_764},
        {"a": 10**18 - 1, "b": -1e17},
    ],
)
def test_variables_that_can_be_rendered(variables: dict[str, Any]) -> None:
    """They are handed back as they are."""
    assert variables == bounded(variables)


SIZE = "must be at most 65,536 bytes as JSON"
DEPTH = "must not nest arrays and objects deeper than 8"
NUMBERS = "must not contain numbers of 10^18 and more: write them as text"
CHARACTERS = "must not contain U+0000 or half a character (a lone surrogate)"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"a": "x" * 65_529}, SIZE),
        ({"a": "é" * 32_765}, SIZE),
        ({"a" * 65_536: 1}, SIZE),
        ({"a": nested(8)}, DEPTH),
        ({"a": [10**18]}, NUMBERS),
        ({"a": -1e18}, NUMBERS),
        ({"a": float("nan")}, NUMBERS),
        ({"a": float("inf")}, NUMBERS),
        ({"a": [{"b": "\0"}]}, CHARACTERS),
        ({"a": {"\0": 1}}, CHARACTERS),
        ({"a": "\ud800"}, CHARACTERS),
    ],
)
def test_variables_that_cannot_be_rendered(variables: dict[str, Any], expected: str) -> None:
    """They are refused with a reason that repeats none of them."""
    with pytest.raises(ValueError, match="must") as refused:
        bounded(variables)

    assert expected == str(refused.value)


def test_variables_that_nest_without_end_are_refused() -> None:
    """However deep they are."""
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="must") as refused:
        bounded(deep)

    assert DEPTH == str(refused.value)


def test_ten_megabytes_of_variables_are_refused_at_once() -> None:
    """As much as a body may hold."""
    variables = {"a": [1] * 5_000_000}
    before = time.thread_time()
    with pytest.raises(ValueError, match=SIZE):
        bounded(variables)

    assert time.thread_time() - before < 0.2
