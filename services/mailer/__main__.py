"""What an operator asks: ``python -m services.mailer dead-letters`` of the queues, ``doctor`` of all else.

Serving is Celery's: ``celery -A services.mailer.worker worker -l INFO``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from services.mailer.broker import broker
from services.mailer.dead_letters import DeadLetter, DeadLetters, DeadLettersError
from services.mailer.settings import load

_COLUMNS = ("message_id", "task", "lane", "reason", "died_at")


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 done, 1 could not, 2 called wrongly."""
    options = _parser().parse_args(arguments)
    if options.room == "doctor":
        from services.mailer.doctor.command import doctor  # noqa: PLC0415 - it needs far more than the rest

        return doctor(as_json=options.json)
    try:
        letters = DeadLetters(broker(load().broker_url.get_secret_value()))
        if options.command == "list":
            _table(letters.all(options.limit))
        elif options.command == "show":
            return _show([one for one in letters.all(options.limit) if one.message_id == options.id])
        else:
            _table(letters.put_back(None if options.all else options.id, options.limit))
    except (DeadLettersError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _table(letters: Sequence[DeadLetter]) -> None:
    rows = [_COLUMNS, *(tuple(getattr(letter, name) for name in _COLUMNS) for letter in letters)]
    for row in rows:
        sys.stdout.write("\t".join(row) + "\n")


def _show(letters: Sequence[DeadLetter]) -> int:
    for letter in letters:
        sys.stdout.write(f"{letter.body}\n")
    if not letters:
        sys.stderr.write("There is no such dead letter.\n")
    return 0 if letters else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.mailer",
        description="Dead letters are broker messages that nobody could process; to see them takes a "
        "PILLARBOX_BROKER_URL with a user who may read mailer.dead.",
    )
    all_rooms = parser.add_subparsers(dest="room", required=True)
    rooms = all_rooms.add_parser("dead-letters", help="what nobody could process")
    doctors = all_rooms.add_parser("doctor", help="look at everything that the mailer needs")
    doctors.add_argument("--json", action="store_true", help="one JSON object on each line")
    rooms.add_argument("--limit", type=int, default=1000, help="look at no more (default: %(default)s)")
    commands = rooms.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="one line each, without addresses and texts")
    shown = commands.add_parser("show", help="one of them whole, with addresses and texts")
    shown.add_argument("id", help="the message id")
    back = commands.add_parser("put-back", help="into the lane that it came from")
    which = back.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", help="the message id")
    which.add_argument("--all", action="store_true", help="every one of them")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
