"""The mailer: a Celery worker that takes messages off the broker and delivers them."""
