"""The mailer's database: connecting, reconnecting, time limits, and the tables that it makes itself.

What is kept in it is the matter of ``claims`` and ``rates``; the drivers are the matter of this room.
"""
