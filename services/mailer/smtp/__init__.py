"""Performs the providers' submissions over SMTP.

``transport`` performs one, on a ``connection`` that the ``pool`` may have kept; a connection begins with
its ``opening``, and then carries one ``transaction`` after the other.  ``progress`` is how far one came.
"""

from services.mailer.smtp.transport import SmtpTransport

__all__ = ["SmtpTransport"]
