"""The mailer: a Celery worker that takes messages off the broker and delivers them."""

__version__ = "0.4.0"
