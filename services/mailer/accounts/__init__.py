"""Accounts: which provider account a message goes to, whether it is well, and how fast it may be used."""
