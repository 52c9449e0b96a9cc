"""``python -m services.gateway`` serves.

``python -m services.gateway migrate`` migrates the ledger.  These tell more with ``--help``:

* ``keys create``, ``keys list``, ``keys revoke``: API keys;
* ``replay``: send failed messages once more;
* ``held list``, ``held release``, ``held drop``: decide on messages that may have been sent;
* ``doctor``: look at everything that the gateway needs, and say what to do.
"""

# A process that is PID 1 ignores SIGTERM until it has a handler, and the imports below take a second.
import os
import signal

signal.signal(signal.SIGTERM, lambda *_: os._exit(143))

import sys  # noqa: E402

import structlog  # noqa: E402
import uvloop  # noqa: E402

from services.gateway import failpoints, logs  # noqa: E402
from services.gateway.commands.held import held  # noqa: E402
from services.gateway.commands.keys import api_keys  # noqa: E402
from services.gateway.commands.replay import replay  # noqa: E402
from services.gateway.commands.running import CommandError  # noqa: E402
from services.gateway.ledger.database import LedgerAddress, MigrationError, migrate, open_engine  # noqa: E402
from services.gateway.settings import Settings, load  # noqa: E402

log = structlog.get_logger()

_MIGRATION_TIMEOUT_SECONDS = 60


async def migrate_ledger(settings: Settings) -> None:
    """Bring the ledger's schema up to date."""
    engine = open_engine(
        LedgerAddress.parse(settings.ledger_url.get_secret_value()), _MIGRATION_TIMEOUT_SECONDS
    )
    await migrate(engine)
    await engine.dispose()
    log.info("ledger.migrated")


def main(arguments: list[str]) -> int:
    """Return the exit status: 0 done, 1 could not, 2 called wrongly."""
    if arguments[:1] == ["doctor"]:
        # It has to tell of settings that nothing else can start with.
        from services.gateway.commands.doctor import doctor  # noqa: PLC0415 - likewise

        return doctor(arguments[1:])
    settings = load()
    logs.configure(settings.log_format, settings.log_level, traced=settings.tracing)
    match arguments:
        case []:
            # What serves takes a second to import, and no command needs it.
            from services.gateway.serving import serve  # noqa: PLC0415

            failpoints.arm(os.environ)
            job = serve(settings)
        case ["migrate"]:
            job = migrate_ledger(settings)
        case ["keys", *options]:
            job = api_keys(settings, options)
        case ["replay", *options]:
            job = replay(settings, options)
        case ["held", *options]:
            job = held(settings, options)
        case _:
            print(__doc__, file=sys.stderr)  # noqa: T201 - for the person at the terminal
            return 2
    try:
        uvloop.run(job)
    except CommandError as error:
        print(error, file=sys.stderr)  # noqa: T201 - likewise
        return 1
    except (OSError, ValueError, MigrationError) as error:
        log.error("gateway.failed", error=str(error))  # noqa: TRY400 - the sentence is enough
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
