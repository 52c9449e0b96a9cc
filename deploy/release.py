"""``make release VERSION=…``: write a version wherever it stands, and give the changelog its heading.

It stands in ``pyproject.toml``; everything else repeats it, because an image, a manifest or a lock file
cannot ask there.  This changes files and nothing else: what comes after it is in docs/releasing.md.
Uses the standard library only.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = r"\d+\.\d+\.\d+"
IMAGE = rf"(pillarbox-[\w{{}},-]+:)({VERSION})"
UNRELEASED = "## [Unreleased]"

PLACES = {
    "pyproject.toml": rf'(?m)^(version = ")({VERSION})(?=")',
    "uv.lock": rf'(name = "pillarbox"\nversion = ")({VERSION})(?=")',
    "services/gateway/__init__.py": rf'(__version__ = ")({VERSION})(?=")',
    "services/mailer/__init__.py": rf'(__version__ = ")({VERSION})(?=")',
}
"""Where the version stands once, and how to find it: what precedes it, and itself."""


def main(arguments: list[str]) -> int:
    """Return the exit status: 0 done, 1 there is something against it, 2 called wrongly."""
    parser = argparse.ArgumentParser(prog="make release VERSION=…", description=__doc__, add_help=False)
    parser.add_argument("version")
    parser.add_argument(
        "--next", action="store_true", help="only the version, for what comes after a release"
    )
    options = parser.parse_args(arguments)
    if complaint := obstacle(ROOT, options.version):
        print(complaint, file=sys.stderr)
        return 1
    for path in rewritten(ROOT, options.version):
        print(f"{path.relative_to(ROOT)}: {options.version}")
    if not options.next:
        date_changelog(ROOT / "CHANGELOG.md", options.version, dt.datetime.now(dt.UTC).date())
        print(f"CHANGELOG.md: [{options.version}]\n\nGo on with docs/releasing.md: test, commit, tag, build.")
    return 0


def obstacle(root: Path, version: str) -> str | None:
    """Say what stands against releasing a version, or None."""
    if not re.fullmatch(VERSION, version):
        return f"VERSION must look like 1.2.3, not {version!r}."
    released = released_versions(root / "CHANGELOG.md")
    if numbers(version) < numbers(current(root)) or version in released:
        return f"{version} is no newer than what there is: {current(root)}, released {released[0]}."
    return None


def current(root: Path) -> str:
    """The version in ``pyproject.toml``."""
    found = re.search(PLACES["pyproject.toml"], (root / "pyproject.toml").read_text())
    assert found  # noqa: S101 - a project has a version
    return found[2]


def released_versions(changelog: Path) -> list[str]:
    """The versions that have a heading, the newest first."""
    return re.findall(rf"(?m)^## \[({VERSION})\] - \d{{4}}-\d\d-\d\d$", changelog.read_text())


def numbers(version: str) -> tuple[int, ...]:
    """A version as what can be compared."""
    return tuple(map(int, version.split(".")))


def stands(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Give every place in which the version stands: the file, the pattern, and what stands there."""
    for name, pattern in PLACES.items():
        for found in re.finditer(pattern, (root / name).read_text()):
            yield root / name, pattern, found[2]
    for path in [*sorted((root / "deploy").rglob("*")), root / "compose.yaml"]:
        if path.is_file() and path.suffix in {".yaml", ".md"}:
            for found in re.finditer(IMAGE, path.read_text()):
                yield path, IMAGE, found[2]


def rewritten(root: Path, version: str) -> Iterator[Path]:
    """Write the version everywhere, and give the files that were changed."""
    for path, pattern in dict.fromkeys((path, pattern) for path, pattern, _ in stands(root)):
        before = path.read_text()
        after = re.sub(pattern, rf"\g<1>{version}", before)
        if after != before:
            path.write_text(after)
            yield path


def date_changelog(changelog: Path, version: str, day: dt.date) -> None:
    """Put what was unreleased under a heading of its own."""
    text = changelog.read_text().replace(UNRELEASED, f"{UNRELEASED}\n\n## [{version}] - {day}", 1)
    changelog.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
