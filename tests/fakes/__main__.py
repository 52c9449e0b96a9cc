"""Run a fake provider: ``python -m tests.fakes sendgrid --port 9025 --script 429:retry-after=2,202``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pathlib
import signal

from tests.fakes import FAKES, faults
from tests.fakes.bucket import Bucket
from tests.fakes.fake import Fake


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes", description="A provider that sends nothing."
    )
    parser.add_argument("provider", choices=sorted(FAKES))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9025, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--api-key", help="the one key that is good; any is, without it")
    parser.add_argument("--latency-ms", type=float, default=0, help="how long every answer takes")
    parser.add_argument("--script", type=_script, default=[], help=faults.SCRIPT)
    parser.add_argument("--share", type=float, default=0, help="of the other requests, to be treated badly")
    parser.add_argument("--seed", type=int, default=1, help="decides which, and how (default: %(default)s)")
    parser.add_argument("--rate", type=float, help="requests a second; more of them are refused")
    parser.add_argument("--burst", type=float, default=1, help="requests above the rate, at once")
    parser.add_argument("--record", type=pathlib.Path, help="file to append every request to, as JSON lines")
    return parser.parse_args()


def _script(text: str) -> list[faults.Fault]:
    try:
        return faults.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _run(fake: Fake, host: str, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await fake.start(host=host, port=port)
    print(fake.base_url, flush=True)
    await stopped.wait()
    await fake.stop()


def main() -> None:
    arguments = _arguments()
    fake = FAKES[arguments.provider](
        api_key=arguments.api_key, latency=arguments.latency_ms / 1000, record_file=arguments.record
    )
    fake.script(*arguments.script)
    fake.rule = faults.seeded(arguments.seed, arguments.share, weights=fake.weights)
    fake.limit = Bucket(arguments.rate, arguments.burst) if arguments.rate else None
    fake.on_accept = lambda entry: print(
        f"accepted {entry.message_id} as {entry.provider_message_id} {fake.summary(entry.payload)}",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(fake, arguments.host, arguments.port))


if __name__ == "__main__":
    main()
