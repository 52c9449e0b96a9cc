"""The ledger: every accepted message and its events, in PostgreSQL or SQLite.

Only the gateway touches it.  ``schema`` holds the tables, ``migrations`` how they came to be,
``writer`` the one hot insert (in group commits), ``queries`` everything else.
"""
