"""Whether what nobody can run here would at least work: syntax, files, targets, settings, packages."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable

import pytest
import yaml

from pillarbox import place
from services.gateway.settings import Settings as GatewaySettings
from services.mailer.settings import Settings as MailerSettings
from tests.docs.commands import commands, syntax_error
from tests.docs.markdown import PAGES, ROOT, Block, blocks, name

BLOCKS = [block for page in PAGES for block in blocks(page)]

UNRUN = [block for block in BLOCKS if "not-run" in block.marks]

PATH = re.compile(r"(?<![\w/.$-])(?:deploy|tests|bench|docs)/[\w./-]+\w")
COPY = re.compile(r"\bcp -r \S+ (\S+)")
TARGET = re.compile(r"\bmake ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)")
SETTING = re.compile(r"\bPILLARBOX_[A-Z0-9_]*[A-Z0-9]\b(?!…|<)")
REQUIREMENT = re.compile(r"\bpip install ([^|&;#\n]+)")

FILES_OF_TEXT: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "toml": tomllib.loads,
    "python": ast.parse,
}


def scripts(block: Block) -> list[str]:
    """The shell commands of a block."""
    if block.language == "console":
        return [command.text for command in commands(block.text)]
    return [block.text] if block.language in {"sh", "bash"} else []


@pytest.mark.parametrize("block", UNRUN, ids=str)
def test_it_has_a_syntax(block: Block) -> None:
    """A shell, or Python, would take it."""
    assert [] == [error for script in scripts(block) if (error := syntax_error(script))]
    if block.language == "python":
        ast.parse(block.text)


def test_text_of_a_format_is_of_that_format() -> None:
    """But where something is left out."""
    for block in BLOCKS:
        if block.language in FILES_OF_TEXT and "…" not in block.text:
            FILES_OF_TEXT[block.language](block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if scripts(block)], ids=str)
def test_what_it_names_is_there(block: Block) -> None:
    """Files of the tree, targets of the Makefile, packages that uv.lock pins."""
    text = "\n".join(scripts(block))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    made = COPY.findall(block.page.read_text())
    named = {word for words in TARGET.findall(text) for word in words.split()}
    required = {
        re.split(r"[\[<>=~!]", word.strip("'\""))[0].lower()
        for words in REQUIREMENT.findall(text)
        for word in words.split()
        if not word.startswith("-")
    }

    assert [] == [path for path in PATH.findall(text) if not (ROOT / path).exists() and path not in made]
    assert set() == named - targets
    assert set() == required - locked


def test_every_setting_that_is_named_is_one() -> None:
    """In prose, tables and commands alike."""
    fields = {*GatewaySettings.model_fields, *MailerSettings.model_fields}
    known = {f"PILLARBOX_{field.upper()}" for field in fields} | {place.URL, place.API_KEY, place.CONFIG}
    unknown = {
        (name(page), setting)
        for page in PAGES
        for setting in SETTING.findall(page.read_text())
        if setting.partition("__")[0] not in known
    }

    assert set() == unknown
