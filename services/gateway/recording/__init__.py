"""Recording: the way of what happened to a message from the broker into the ledger."""
