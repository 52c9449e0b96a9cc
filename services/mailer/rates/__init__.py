"""Rates: how fast each provider account may be sent to, by all mailers together.

``rates`` says what is kept of an account, ``postgresql`` and ``sqlite`` keep it in the mailer's database.
"""
