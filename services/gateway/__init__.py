"""The gateway: takes e-mail over HTTP, commits it to the ledger, answers at once, publishes it."""

__version__ = "0.4.0"
