"""What people write today, each as its own documentation shows it and as fast as that goes.

They run in an environment of their own (dependency group ``peers``), and find what they work with in the
environment: ``BENCH_PORT``, ``BENCH_RABBITMQ_URL``, ``BENCH_REDIS_URL``, ``BENCH_PROVIDER_URL``.
None of them has a ledger, claims or events: whatever they do is less than Pillarbox does.
"""
