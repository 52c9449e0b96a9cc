"""``make audit``: are there known advisories against what ``uv.lock`` pins?

uv asks OSV (https://osv.dev), which takes a network.  Without one it asks this script, which answers from a
copy of OSV's records on this machine: a folder of JSON files, or the archive that OSV publishes for PyPI,
``all.zip``.  Exit status: 0 nothing is known, 1 something is, 2 nobody could be asked.
https://google.github.io/osv.dev/api/, https://ossf.github.io/osv-schema/
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Record = dict[str, Any]
ROOT = Path(__file__).parents[1]


class Advisories:
    """OSV's records, by package."""

    def __init__(self, records: Iterator[Record]) -> None:
        self.by_id: dict[str, Record] = {}
        self._affecting: defaultdict[str, list[tuple[str, Record]]] = defaultdict(list)
        for record in records:
            if "withdrawn" in record:
                continue
            self.by_id[record["id"]] = record
            for affected in record.get("affected", ()):
                package = affected.get("package", {})
                if package.get("ecosystem") == "PyPI":
                    self._affecting[canonicalize_name(package["name"])].append((record["id"], affected))

    def of(self, name: str, version: str) -> list[str]:
        """The ids of records that affect a version of a package."""
        affecting = self._affecting.get(canonicalize_name(name), ())
        return sorted({record_id for record_id, affected in affecting if _affects(affected, version)})


def _affects(affected: Record, text: str) -> bool:
    if text in affected.get("versions", ()):
        return True
    version = Version(text)
    ranges = [each["events"] for each in affected.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
    return any(_within(events, version) for events in ranges)


def _within(events: list[dict[str, str]], version: Version) -> bool:
    """Whether a version is within a range, by the algorithm of OSV's schema; the events are in order."""
    inside = False
    for event in events:
        (kind, text), *_ = event.items()
        try:
            limit = Version(text)
        except InvalidVersion:
            return True  # rather once too often than not at all
        if kind == "introduced" and version >= limit:
            inside = True
        elif (kind == "fixed" and version >= limit) or (kind == "last_affected" and version > limit):
            inside = False
    return inside


def records_in(place: Path) -> Iterator[Record]:
    """Read a folder of records, or the archive of them.

    Raises:
        SystemExit: There is nothing to read.
    """
    if place.is_dir() and (files := sorted(place.glob("*.json"))):
        yield from (json.loads(file.read_bytes()) for file in files)
    elif place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            yield from (json.loads(archive.read(name)) for name in archive.namelist())
    else:
        sys.stderr.write(f"{place}: neither a folder of OSV's records nor an archive of them\n")
        raise SystemExit(2)


@contextmanager
def served(advisories: Advisories) -> Iterator[str]:
    """Answer as OSV does, on loopback; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            found = [advisories.of(one["package"]["name"], one["version"]) for one in asked]
            self._answer({"results": [{"vulns": [{"id": each} for each in ids]} for ids in found]})

        def do_GET(self) -> None:
            self._answer(advisories.by_id[self.path.rpartition("/")[2]])

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: Record) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def audit(project: Path, *options: str) -> int:
    """Have uv look at a project's lock."""
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "audit", "--frozen", "--preview-features", "audit-command", *options]
    return subprocess.run(command, cwd=project, check=False).returncode


def main(arguments: list[str]) -> int:
    """Ask OSV, or a copy of it."""
    parser = argparse.ArgumentParser(description="Known advisories against what uv.lock pins.")
    parser.add_argument("--advisories", type=Path, help="OSV's records on this machine")
    parser.add_argument("--project", type=Path, default=ROOT, help="whose lock (default: this one)")
    parser.add_argument(
        "--ignore", action="append", default=[], help="the id of one that does not matter here"
    )
    given = parser.parse_args(arguments)
    ignored = [word for record_id in given.ignore for word in ("--ignore", record_id)]
    if given.advisories is None:
        return audit(given.project, *ignored)
    with served(Advisories(records_in(given.advisories))) as url:
        return audit(given.project, "--service-url", url, *ignored)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
