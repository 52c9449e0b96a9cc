"""How the ledger's schema came to be, in steps that Alembic runs in order.

Rule: expand first, contract a release later, so that the version before still runs meanwhile.
"""
