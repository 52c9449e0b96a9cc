"""Claims: the mailer's own small table that makes it an idempotent receiver.

Only the mailer touches it.  ``claims`` says what a claim is, ``postgresql`` and ``sqlite`` keep it.
"""
