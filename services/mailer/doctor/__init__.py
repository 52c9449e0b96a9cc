"""``python -m services.mailer doctor``: whether what the mailer needs is there, and what to do if not."""
