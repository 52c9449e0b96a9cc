"""Real RabbitMQ, Redis and PostgreSQL, started privately for one test run.

Every server has its own folder and ports, listens on 127.0.0.1 only, and dies with the test run.
"""
