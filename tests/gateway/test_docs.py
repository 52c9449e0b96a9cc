"""The page for people shows all of the description, needs nothing from elsewhere, and runs no script."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.gateway.api.description import describe
from services.gateway.api.description.catalogue import KINDS
from services.gateway.api.docs import Page
from services.gateway.api.reference import Reference

DOCUMENT = describe(version="1.2.3", body_limit=10_000_000)
PAGE = Page(DOCUMENT)
VOID = {"meta", "link", "wbr", "br", "hr", "img"}


class Reader(HTMLParser):
    """Collects what the page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop(), f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, *tags: str) -> Iterator[dict[str, str | None]]:
        """The attributes of every such element, in order."""
        yield from (attributes for tag, attributes in self.elements if tag in tags)


READER = Reader(PAGE.text)
TEXT = re.sub(r"\s+", " ", "".join(READER.words))


@pytest.mark.parametrize(
    "operation",
    [operation for item in DOCUMENT["paths"].values() for operation in item.values()],
    ids=lambda operation: operation["operationId"],
)
def test_every_call_is_shown(operation: dict[str, Any]) -> None:
    """With its parameters, and a place of its own."""
    ids = {attributes.get("id") for _, attributes in READER.elements}

    assert operation["operationId"] in ids
    assert operation["summary"] in TEXT
    assert [] == [each["name"] for each in operation["parameters"] if each["name"] not in TEXT]


def test_every_field_is_shown() -> None:
    """Whatever a schema of the document calls a field."""
    schemas = DOCUMENT["components"]["schemas"].values()
    fields = {field for schema in schemas for field in schema.get("properties", {})}

    assert set() == {field for field in fields if field not in TEXT}


def test_every_problem_is_shown() -> None:
    """With its name and its meaning."""
    for kind in KINDS.values():
        assert kind.example.name in TEXT
        assert kind.meaning.replace("`", "") in TEXT


def test_limits_are_told_in_words() -> None:
    """A reader need not know JSON Schema."""
    assert "1 to 998 characters · one line without control characters" in TEXT
    assert "at most 20 items" in TEXT
    assert "string or array of strings" in TEXT
    assert 'default "full_access"' in TEXT
    assert "1 to 256 printable ASCII characters" in TEXT
    assert "Needs a key with sending_access or full_access." in TEXT
    assert "Needs no key." in TEXT


def test_every_link_leads_somewhere() -> None:
    """Inside the page, or to the document; ids are there once."""
    ids = [attributes["id"] for _, attributes in READER.elements if "id" in attributes]
    links = {str(attributes["href"]) for attributes in READER.all("a")}

    assert len(ids) == len(set(ids))
    assert {"/openapi.json"} == {link for link in links if link[0] != "#"}
    assert set() == {link[1:] for link in links if link[0] == "#"} - set(ids)


def test_nothing_runs_and_nothing_is_fetched() -> None:
    """No script, no handler, no style of an element, no source elsewhere."""
    tags = {tag for tag, _ in READER.elements}
    attributes = {name for _, attributes in READER.elements for name in attributes}

    assert not tags & {"script", "iframe", "object", "embed", "form", "img", "base"}
    assert not {name for name in attributes if name.startswith("on") or name in {"style", "src"}}
    assert ["data:image/svg+xml"] == [str(each["href"]).partition(",")[0] for each in READER.all("link")]
    assert "url(" not in PAGE.text
    assert "@import" not in PAGE.text


def test_the_policy_admits_the_style_and_nothing_else() -> None:
    """The hash in the header is that of the style in the page."""
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = PAGE.headers["Content-Security-Policy"].split("; ")

    assert "default-src 'none'" == policy[0]
    assert f"style-src 'sha256-{digest}'" in policy
    assert not [rule for rule in policy if "unsafe" in rule or "*" in rule]
    assert "nosniff" == PAGE.headers["X-Content-Type-Options"]


def test_the_page_can_be_heard() -> None:
    """It has a language, landmarks with names, a way past the contents, and headings without gaps."""
    levels = [int(tag[1]) for tag, _ in READER.elements if re.fullmatch(r"h[1-6]", tag)]
    (html,) = READER.all("html")
    first_link = next(READER.all("a"))
    (main,) = READER.all("main")
    (nav,) = READER.all("nav")

    assert ("en", f"#{main['id']}") == (html["lang"], first_link["href"])
    assert nav["aria-label"]
    assert 1 == levels[0] == levels.count(1)
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(cell.get("scope") for cell in READER.all("th"))
    assert all(block.get("tabindex") == "0" and block["aria-label"] for block in READER.all("pre"))
    assert 1 == len(list(READER.all("title")))


def test_whatever_the_document_says_is_text() -> None:
    """Nothing in it can become a part of the page."""
    page = Page({**DOCUMENT, "info": {**DOCUMENT["info"], "description": "<script>`<b>`</script>"}})

    assert "&lt;script&gt;<code>&lt;b&gt;</code>&lt;/script&gt;" in page.text


async def test_both_descriptions_are_served() -> None:
    """To everybody, with their types, and the page with its headers."""
    app = web.Application()
    app.add_routes(Reference(DOCUMENT).routes())
    async with TestClient(TestServer(app)) as client:
        document = await client.get("/openapi.json")
        page = await client.get("/docs")

        assert DOCUMENT == await document.json()
        assert PAGE.text == await page.text()
        assert ("application/json", "text/html") == (document.content_type, page.content_type)
        assert PAGE.headers.items() <= dict(page.headers).items()
