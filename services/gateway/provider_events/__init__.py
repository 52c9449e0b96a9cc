"""What providers post to us of messages they took: verified, read, and published as events.

Nothing here touches the ledger.  The readers, one file per provider, do no I/O: they are handed a call
and yield what it tells, see :mod:`.reader`.
"""
