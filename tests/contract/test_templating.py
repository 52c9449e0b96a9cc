"""One template language in two services: what the gateway shows is what the mailer sends."""

from __future__ import annotations

import gc
import pickle
import time
import tracemalloc
from dataclasses import astuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from services.gateway import templating as gateway
from services.mailer import templating as mailer

BOTH = (gateway, mailer)
ITEMS = [{"name": "Tea", "price": 4.5}, {"name": "Cup & saucer", "price": 12}]

# Source, variables, and what they become in HTML; in text the same, unless a fourth one says so.
RENDERED: dict[str, tuple[Any, ...]] = {
    "text": ("Hello,\nyou\n", {}, "Hello,\nyou\n"),
    "a variable": ("Hi {{ name }}!", {"name": "Ann"}, "Hi Ann!"),
    "three braces": ("{{{NAME}}}, {{{ NAME|upcase }}}", {"NAME": "a&b"}, "a&amp;b, A&amp;B", "a&b, A&B"),
    "a brace before": ('{"n":{{ n }}}', {"n": 1}, '{"n":1}'),
    "braces": ("{ }} {{ '{{' }} {# #} %}", {}, "{ }} {{ {# #} %}"),
    "an attribute": ('"{{ x }}"', {"x": "<b>'\"&"}, '"&lt;b&gt;&#39;&#34;&amp;"', '"<b>\'"&"'),
    "appended": ("{{ x | append: '<i>' }}", {"x": "<"}, "&lt;<i>", "<<i>"),
    "joined": ("{{ l | join: '<br>' }}", {"l": ["<", ">"]}, "&lt;<br>&gt;", "<<br>>"),
    "broken lines": ("{{ x | newline_to_br }}", {"x": "<\n"}, "&lt;<br />\n", "<<br />\n"),
    "unescaped": ("{{ x | escape_once }}", {"x": "&lt;b>"}, "&lt;b&gt;", "&lt;b&gt;"),
    "captured": ("{% capture c %}<i>{{ x }}{% endcapture %}{{ c }}", {"x": "<"}, "<i>&lt;", "<i><"),
    "data, no template": ("{{ x }}", {"x": "{{ y }}{% if %}{{{z}}}"}, "{{ y }}{% if %}{{{z}}}"),
    "members": ("{{ o.a['b'] }}{{ l[0] }}{{ l[i] }}", {"o": {"a": {"b": 1}}, "l": [2, 3], "i": 1}, "123"),
    "ends": ("{{ l.first }}{{ l.last }}{{ l.size }}", {"l": [7, 8, 9]}, "793"),
    "nothing": ("[{{ x }}]{% if x %}yes{% else %}no{% endif %}", {"x": None}, "[]no"),
    "true and false": ("{{ t }} {{ f }}", {"t": True, "f": False}, "true false"),
    "a default": ("{{ name | default: 'you' }}", {}, "you"),
    "a member's default": ("{{ a.b.c | default: 1 }}{{ a['b'] | default: 2 }}", {"a": {}}, "12"),
    "a default at the end": ("{{ name | strip | default: 'you' }}", {}, "you"),
    "a default for nothing": ("{{ n | default: 1 }}{{ e | default: 2 }}", {"n": None, "e": ""}, "12"),
    "a default to test": ("{% assign c = c | default: nil %}{% unless c %}-{% endunless %}", {}, "-"),
    "conditions": ("{% if n > 2 and l contains 'a' %}1{% elsif n %}2{% endif %}", {"n": 3, "l": ["a"]}, "1"),
    "cases": ("{% case n %}{% when 1, 2 %}few{% else %}many{% endcase %}", {"n": 2}, "few"),
    "a loop": (
        "{% for i in l %}{{ i.name }}{% if forloop.last %}.{% else %}, {% endif %}{% endfor %}{{ l.size }}",
        {"l": ITEMS},
        "Tea, Cup &amp; saucer.2",
        "Tea, Cup & saucer.2",
    ),
    "a loop over an object": ("{% for m in o %}{{ m[0] }}={{ m[1] }};{% endfor %}", {"o": {"a": 1}}, "a=1;"),
    "a loop over nothing": ("{% for i in l %}{{ i }}{% else %}none{% endfor %}", {"l": []}, "none"),
    "a part of a loop": (
        "{% for i in (1..9) reversed limit: 2 offset: n %}{{ i }}{% endfor %}",
        {"n": 3},
        "54",
    ),
    "a loop left": (
        "{% for i in (1..9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        {},
        "12",
    ),
    "a turn left": (
        "{% for i in (1..3) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
        {},
        "13",
    ),
    "trimmed": ("a {%- if true -%} b {%- endif -%} c {{- 1 -}} d {{{- 2 -}}} e", {}, "abc1d2e"),
    "comments": ("{% comment %}{{ a }}{% b %}{% endcomment %}{% # c ===== %}x", {}, "x"),
    "sums": ("{{ 0.1 | plus: 0.2 }} {{ items | sum: 'price' }}", {"items": ITEMS}, "0.3 16.5"),
    "lists": ("{{ l | sort | reverse | join: ', ' }}", {"l": [2, 1, 3]}, "3, 2, 1"),
    "a date": (
        "{{ d | date: '%-d %B %Y, %H:%M' }}",
        {"d": "2026-03-01T09:30:00+01:00"},
        "1 March 2026, 09:30",
    ),
    "seconds": ("{{ 86400 | date: '%Y-%m-%d' }}", {}, "1970-01-02"),
    "a query": ("?q={{ q | url_encode }}", {"q": "a b&c"}, "?q=a+b%26c"),
    "the library's own names": ("{{ partial }}{{ now }}", {"partial": 1, "now": 2}, "12"),
}


@pytest.mark.parametrize("templating", BOTH)
@pytest.mark.parametrize("name", RENDERED)
def test_templates_are_rendered(templating: ModuleType, name: str) -> None:
    """By either service, and escaped nowhere but in HTML."""
    source, variables, html, *text = RENDERED[name]
    expected = ("s", html, text[0] if text else html)

    assert expected == astuple(templating.render("s", source, source, variables))


MISSING = "the variable '{}' is missing"
UNFIT = "the filter '{}' cannot take what it is given"
LARGE = "the filter '{}' makes too large a number"
BRACES = "more than 1,000 characters or 50 operators in braces, or 16,384 in all"

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a missing variable": ("a\n\n{{ who }}", {}, "line 3: " + MISSING.format("who")),
    "a missing member": ("{{ o.a.b }}", {"o": {"a": "secret"}}, "line 1: " + MISSING.format("o.a.b")),
    "a missing place": ("{{ o[key] }}", {"o": {}, "key": "secret"}, "line 1: " + MISSING.format("o[key]")),
    "a missing condition": ("{% if a %}{% endif %}", {}, "line 1: " + MISSING.format("a")),
    "a missing side": ("{% if a == 1 %}{% endif %}", {}, "line 1: " + MISSING.format("a")),
    "a missing case": ("{% case a %}{% when 1 %}{% endcase %}", {}, "line 1: " + MISSING.format("a")),
    "a missing list": ("{% for i in a %}{% endfor %}", {}, "line 1: " + MISSING.format("a")),
    "a missing argument": ("{{ 1 | round: a }}", {}, "line 1: " + MISSING.format("a")),
    "a missing default": ("{{ a | default: b }}", {}, "line 1: " + MISSING.format("b")),
    "an attribute": ("{{ x.__class__ }}", {"x": "secret"}, "line 1: " + MISSING.format("x.__class__")),
    "a method": ("{{ x.upper }}", {"x": "secret"}, "line 1: " + MISSING.format("x.upper")),
    "the clock": ("{{ now }}{{ today }}", {}, "line 1: " + MISSING.format("now")),
    "the clock by name": ("{{ 'now' | date: '%Y' }}", {}, "line 1: " + UNFIT.format("date")),
    "another template": ("\n{% include 'x' %}", {}, "line 2: unexpected tag 'include'"),
    "a rendered template": ("{% render 'x' %}", {}, "line 1: unexpected tag 'render'"),
    "a counter": ("{% increment x %}", {}, "line 1: unexpected tag 'increment'"),
    "an unknown tag": ("\n\n{% foo %}", {}, "line 3: unexpected tag 'foo'"),
    "a tag of the library": ("{% output %}", {}, "line 1: expected output, found tag"),
    "an unknown filter": ("{{ x\n| safe }}", {"x": 1}, "line 2: unknown filter 'safe'"),
    "a filter never reached": (
        "{% if false %}{{ 1 | base64_decode }}{% endif %}",
        {},
        "line 1: unknown filter 'base64_decode'",
    ),
    "an open block": ("a\n{% if true %}\n", {}, "line 2: expected tag endif, found end of expression"),
    "open braces": ("a\n{{ x }\n", {}, "line 2: '{{' is never closed"),
    "open three braces": ("{{{ x }}", {}, "line 1: '{{{' is never closed"),
    "no expression": ("{{ }}", {}, "line 1: expected a primitive expression, found end of expression"),
    "no tag": ("{% %}", {}, "line 1: missing tag name"),
    "a variable by value": ("{{ [x] }}", {"x": "y"}, "line 1: a variable begins with its name"),
    "a default by value": ("{{ [x] | default: 1 }}", {"x": "y"}, "line 1: a variable begins with its name"),
    "a lone break": ("\n{% break %}", {}, "line 2: 'break' outside of a loop"),
    "an object": (
        "{{ o }}",
        {"o": {"a": "secret"}},
        "line 1: only text, a number, true or false can be written",
    ),
    "a division by zero": ("{{ n | divided_by: 0 }}", {"n": 4711}, "line 1: " + UNFIT.format("divided_by")),
    "a wrong argument": ("{{ x | truncate: x }}", {"x": "secret"}, "line 1: " + UNFIT.format("truncate")),
    "a wrong date": ("{{ x | date: '%Y' }}", {"x": "secret"}, "line 1: " + UNFIT.format("date")),
    "a wrong form of date": ("{{ 0 | date: '%99999d' }}", {}, "line 1: " + UNFIT.format("date")),
    "wrong sides": (
        "{% if x < 1 %}{% endif %}",
        {"x": "secret"},
        "line 1: '<' and '>' are not supported between 'str' and 'int'",
    ),
    "a wrong limit": (
        "{% for i in l limit: -1 %}{% endfor %}",
        {"l": [1, 2]},
        "line 1: cannot be rendered with these variables",
    ),
    "half a character": ("{{ x }}", {"x": "\ud800"}, "line 1: cannot be rendered with these variables"),
}


@pytest.mark.parametrize("templating", BOTH)
@pytest.mark.parametrize("name", REFUSED)
def test_templates_are_refused(templating: ModuleType, name: str) -> None:
    """By either service, in the same words: part, line and reason, and nobody's data."""
    source, variables, expected = REFUSED[name]
    with pytest.raises(templating.TemplateError) as refused:
        templating.render("s", source, None, variables)

    assert f"html, {expected}" == str(refused.value)


LINE = "subject: becomes several lines, or holds a control character"
LENGTH = "subject: becomes empty, or longer than 998 characters"


@pytest.mark.parametrize("templating", BOTH)
@pytest.mark.parametrize("character", "\n\r\x00\x0b\x1b\x7f\x85\u2028\u2029")
def test_a_variable_cannot_write_headers(templating: ModuleType, character: str) -> None:
    """A line break or control character that it brings into the subject is an error."""
    with pytest.raises(templating.TemplateError) as refused:
        templating.render("Hi {{ name }}", None, None, {"name": f"Ann{character}Bcc: eve@example.org"})

    assert str(refused.value) == LINE


@pytest.mark.parametrize("templating", BOTH)
def test_a_subject_is_a_line_without_margins(templating: ModuleType) -> None:
    """What stands around it in the source is not part of it, and it is not escaped."""
    source = "\n{% if true %}\n  {{ x }} \n{% endif %}\n"

    assert "Tea & cake" == templating.render(source, None, None, {"x": "Tea & cake"}).subject


@pytest.mark.parametrize("templating", BOTH)
@pytest.mark.parametrize("subject", [" ", "x" * 999])
def test_a_subject_is_neither_empty_nor_endless(templating: ModuleType, subject: str) -> None:
    """As where it is given without a template."""
    with pytest.raises(templating.TemplateError) as refused:
        templating.render("{{ x }}", None, None, {"x": subject})

    assert str(refused.value) == LENGTH


@pytest.mark.parametrize("templating", BOTH)
def test_what_there_is_no_source_for_is_not_made(templating: ModuleType) -> None:
    """Neither of the bodies has to be."""
    assert ("s", None, None) == astuple(templating.render("s", None, None, {}))


@pytest.mark.parametrize("templating", BOTH)
def test_a_subject_may_be_left_to_the_message(templating: ModuleType) -> None:
    """Then none is made, and none is missed."""
    assert (None, "1", "1") == astuple(templating.render(None, "{{ n }}", "{{ n }}", {"n": 1}))


# Attacks


def looped(inner: str, times: int = 1, *, turns: int = 1_000) -> str:
    """A template that does *inner* so often."""
    return f"{{% for i in (1..{turns}) %}}" + inner * times + "{% endfor %}"


WORK = "too much work: loops too often, or over too much"
STORED = "assigns or captures too much"
OUTPUT = "output stream limit reached"
NESTED = "block nesting limit reached"
UNTOLD = "cannot be rendered with these variables"
TOO_MUCH = "too much for the filter '{}'"

DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]

LARGE_VARIABLES: dict[str, Any] = {
    "x": "x" * 60_000,
    "e": "\U0001f600" * 15_000,
    "l": [*range(10_000)],
    "n": [[[1] * 9_000]],
    "m": [[[1] * 9_000]],
    "deep": DEEP,
}

HOSTILE: dict[str, tuple[str, str]] = {
    "a long source": ("x" * 262_145, "is longer than 262,144 characters"),
    "unclosed braces": ("{% comment %}" + "{{ " * 80_000, "'{{' is never closed"),
    "space in braces": ("{{" + " " * 200_000 + "}}", BRACES),
    "long markup": ("{{" + "a" * 1_001 + "}}", BRACES),
    "much markup": ("{{a}}" * 4_000, BRACES),
    "many operators": ("{% if " + "1<" * 51 + "1 %}{% endif %}", BRACES),
    "many brackets": ("{{ a" + "[a" * 51 + "]" * 51 + " }}", BRACES),
    "many parentheses": ("{{ a | append: " + "(" * 51 + "1..2 }}", BRACES),
    "raw without an end": ("{% raw %}" * 1_000, "unexpected tag 'raw'"),
    "deep blocks": ("{% if true %}" * 500, NESTED),
    "loops in loops": ("{% for i in (1..9) %}" * 20 + "{% endfor %}" * 20, WORK),
    "loops in a loop": (looped("{% for i in l %}{% endfor %}", turns=20), WORK),
    "loops after loops": (looped("") * 400, WORK),
    "loops skipped": (looped("{% for i in l offset: 9999 %}{% endfor %}"), WORK),
    "long ranges": ("{% for i in (1..1000000000) reversed %}{% endfor %}", "a range ends at 1,000 at most"),
    "ranges of variables": ("{{ (1..n) | size }}", "a range needs two written numbers, as (1..5)"),
    "ranges searched": (looped("{% if (1..1000) contains 'x' %}{% endif %}"), WORK),
    "literals compared": (looped("{% if nil %}" + "{% elsif 1 == 2 %}" * 800 + "{% endif %}"), WORK),
    "literals in cases": (looped("{% case 1 %}{% when " + "2," * 480 + "2 %}{% endcase %}"), WORK),
    "cases met twice": (("{% case 1 %}{% when 1" + ",1" * 99 + " %}") * 9 + "{% endcase %}" * 9, WORK),
    "lists compared": (looped("{% if n == m %}{% endif %}", turns=100), WORK),
    "long paths": (looped("{{ x" + ".a" * 200 + " | default: '' }}"), WORK),
    "empty text": (looped("{{ '' }}", 100), WORK),
    "long text": (looped("{% capture a %}" + "x" * 100_000 + "{% endcapture %}", turns=100), WORK),
    "much text": (looped("x" * 100_000), OUTPUT),
    "much output": (looped("{{ x }}"), OUTPUT),
    "filters on filters": ("{{ x" + " | upcase" * 60 + " }}", WORK),
    "text appended": (
        "{% assign a = x %}" + "{% assign a = a | append: a %}" * 40,
        TOO_MUCH.format("append"),
    ),
    "text captured": ("{% capture x %}{{ x }}{{ x }}{% endcapture %}" * 40, OUTPUT),
    "many captures": (
        "".join(f"{{% capture a{i} %}}{{{{ e }}}}{{% endcapture %}}" for i in range(99)),
        STORED,
    ),
    "text replaced": ("{{ x | replace: 'x', x }}", TOO_MUCH.format("replace")),
    "text joined": ("{{ l | join: x }}", TOO_MUCH.format("join")),
    "text split": (
        "{% capture c %}" + "{{ e }}" * 16 + "{% endcapture %}{% assign a = c | split: '' %}",
        STORED,
    ),
    "text split again": (looped("{% assign a = e | split: '' %}"), WORK),
    "text encoded": (looped("{% assign a = e | url_encode %}"), WORK),
    "lists sorted": (looped("{% assign a = l | sort_natural %}"), WORK),
    "powers": ("{% assign a = 9 %}" + "{% assign a = a | times: a %}" * 400, LARGE.format("times")),
    "digits": ("{{ x | replace: 'x', '9' | times: 2 }}", UNFIT.format("times")),
    "infinity": ("{{ '1e999' | times: 2.0 }}", LARGE.format("times")),
    "deep variables": ("{{ deep | size }}", UNTOLD),
}


def attack(templating: ModuleType, source: str) -> str:
    """Why it was refused."""
    templating.parsing.kept.cache_clear()
    with pytest.raises(templating.TemplateError) as refused:
        templating.render("s", source, None, LARGE_VARIABLES)
    reason: str = refused.value.reason
    return reason


@pytest.mark.parametrize("templating", BOTH)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_cannot_take_the_processor(templating: ModuleType, name: str) -> None:
    """It is refused within a second, or three where two share a processor."""
    source, expected = HOSTILE[name]
    before = time.thread_time()
    reason = attack(templating, source)
    seconds = time.thread_time() - before

    assert expected == reason
    assert seconds < 3


@pytest.mark.parametrize(
    "name", ["text split", "text captured", "many captures", "text encoded", "lists sorted"]
)
def test_a_template_cannot_take_the_memory(name: str) -> None:
    """It is refused before it has 50 MB."""
    source, expected = HOSTILE[name]
    gc.collect()
    tracemalloc.start()
    reason = attack(mailer, source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert expected == reason
    assert peak < 50_000_000


# What is the same in both


def modules(package: ModuleType) -> dict[str, bytes]:
    """Its modules by their paths, but for the one that says what the package is."""
    folder = Path(str(package.__file__)).parent
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}
    del found["__init__.py"]
    return found


def test_the_language_is_the_same() -> None:
    """Every module of the mailer stands in the gateway, too, byte for byte."""
    expected, copies = modules(mailer), modules(gateway)

    assert "language.py" in expected
    assert not [name for name, content in expected.items() if copies.get(name) != content]


@pytest.mark.parametrize("templating", BOTH)
def test_nothing_else_is_there(templating: ModuleType) -> None:
    """The library's other filters and tags are not only hidden."""
    language = templating.parsing.ENVIRONMENTS[True]
    internal = {"content", "illegal", "output"}

    assert set(templating.FILTERS) == set(language.filters)
    assert set(templating.TAGS) | internal == set(language.tags)


def test_a_source_is_parsed_once() -> None:
    """However many messages are made from it."""
    mailer.parsing.kept.cache_clear()
    for number in range(5):
        mailer.render("{{ n }}", "<b>{{ n }}</b>", None, {"n": number})

    assert 2 == mailer.parsing.kept.cache_info().misses


def test_few_templates_are_kept() -> None:
    """The ones used last."""
    for number in range(mailer.CACHED + 10):
        mailer.render(f"{number}", None, None, {})

    assert mailer.CACHED == mailer.parsing.kept.cache_info().currsize


def test_an_error_can_be_pickled() -> None:
    """As a task's may be."""
    error = mailer.TemplateError("html", 3, "why")

    assert str(error) == str(pickle.loads(pickle.dumps(error)))
