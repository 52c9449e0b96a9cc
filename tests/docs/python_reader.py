"""Runs the blocks of Python that it is handed on standard input, all in one namespace."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback


def main() -> None:
    """Answer each block with a line of JSON: whether it came to its end, and what it printed."""
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.path[0] = os.getcwd()  # noqa: PTH109 - as an interactive interpreter has it
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line in sys.stdin:
        block = json.loads(line)
        for name, value in block["given"].items():
            namespace.setdefault(name, value)
        output, status = io.StringIO(), 0
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                exec(compile(block["code"], block["name"], "exec"), namespace)
            except BaseException:  # noqa: BLE001 - whatever the page does is told to the test
                traceback.print_exc()
                status = 1
        print(json.dumps({"status": status, "output": output.getvalue()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
