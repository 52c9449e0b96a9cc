"""Telling tenants' own servers what becomes of their messages: what is said, to whom, and when again."""
