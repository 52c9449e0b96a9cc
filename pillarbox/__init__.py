"""The command line of Pillarbox: a client of the gateway's HTTP API, and of nothing else.

It is what the wheel holds.  It imports neither service: ``migrate`` and ``doctor`` start the services'
own commands where those are installed.
"""
