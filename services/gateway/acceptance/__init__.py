"""Accepting: the rules of a tenant, idempotency, and the one way of a message into the ledger."""
