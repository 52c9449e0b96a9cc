"""Tells tenants' own servers of events, one attempt for one signature; the gateway keeps account of them.

``intake`` takes them off a queue of their own, ``tasks`` is what Celery calls, ``posting`` makes the attempt.
Where it may go is a matter of ``destination`` and ``addresses``; ``transport`` and ``guard`` see to it.
"""
